import { isUtf8 } from 'node:buffer';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Found } from './source.ts';

/** Returns the text of a regular file; null if there is none. Never rejects. */
export async function readTextFile(path: string, maxBytes: number, tooLarge: string): Promise<Found | null> {
  try {
    // Without O_NONBLOCK the opening of a named pipe waits for a writer.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!(await file.stat()).isFile()) return { fault: 'is not a file' };
      const bytes = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await file.read(bytes, length, bytes.length - length, null);
        length += bytesRead;
        if (length > maxBytes) return { fault: tooLarge };
        if (bytesRead === 0) break;
      }
      const content = bytes.subarray(0, length);
      return isUtf8(content) ? { value: content.toString('utf8') } : { fault: 'is not UTF-8' };
    } finally {
      await file.close();
    }
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? null : { fault: `cannot be read: ${code}` };
  }
}
