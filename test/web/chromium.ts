import { existsSync } from 'node:fs';
import { type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core';
import type { Test } from 'tap';

const PATH = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);

/** Why there is no browser; false: there is one. */
export const noBrowser: string | false =
  PATH === undefined
    ? 'NOT DONE: chromium is not installed here (apt-get install chromium): no real browser was used'
    : false;

/** A window of a real browser that reaches this machine and nothing else. Errors of pages end the test. */
export async function openBrowser(t: Test, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const browser = await chromium.launch({
    executablePath: PATH as string,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
      ...['--disable-background-networking', '--disable-component-update'],
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
  t.teardown(() => browser.close());
  const context = await browser.newContext(options);
  context.setDefaultTimeout(20_000);
  context.on('weberror', (error) => t.fail(String(error.error())));
  return context;
}
