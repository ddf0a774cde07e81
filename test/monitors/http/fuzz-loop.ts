// A process of its own that checks a site again and again until it is told to end: node fuzz-loop.ts PORT

import { monitors } from '../../../src/monitors/index.ts';
import { createGate } from '../../../src/monitors/net/gate.ts';

const uri = `http://127.0.0.1:${process.argv[2]}/`;
const context = { gate: createGate({ mode: 'off' }), userAgent: 'fuzz' };
const options = [
  {},
  { pattern: 'n[e]edle' },
  { keep_alive: true, method: 'HEAD' },
  { strict: true },
  { expected_headers: { a: 'b' } },
  { json_condition: 'json.needle == 1' },
  { forbidden_pattern: 'n[e]edle', forbidden_headers: { a: '' } },
  { proxy: uri },
  { proxy: uri, uri: 'https://a.test/' },
  { proxy: uri.replace('http', 'socks5'), uri: 'https://a.test/' },
];
const counts: Record<string, number> = {};
let isEnding = false;
process.on('message', () => {
  isEnding = true;
});

await Promise.all(
  [...options, ...options].map(async (more) => {
    const probe = monitors.get('http').prepare({ uri, ...more }, context);
    while (!isEnding) {
      const { outcome, reason } = await probe({ timeoutMs: 300, signal: new AbortController().signal });
      const name = `${outcome} ${reason ?? ''}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
    probe.close?.();
  }),
);
process.send?.(counts, () => process.disconnect());
