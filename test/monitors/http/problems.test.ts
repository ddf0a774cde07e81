import { test } from 'tap';
import { httpProblems } from '../../../src/monitors/http/problems.ts';

test('options that could only fail later are refused, each with what is accepted', async (t) => {
  const uri = 'http://a.test/';
  for (const [options, problem] of [
    [
      { uri, method: 'HEAD', pattern: 'x' },
      { path: 'pattern', accepted: /no body/ },
    ],
    [{ uri, method: 'head', pattern: 'x' }, { path: 'pattern' }],
    [
      { uri, method: 'HEAD', json_condition: 'true' },
      { path: 'json_condition', accepted: /no body/ },
    ],
    [
      { uri, json_condition: 'json.a ==' },
      { path: 'json_condition', accepted: /^a condition in CEL about json: Unexpected/ },
    ],
    [
      { uri, json_condition: 'body.a == 1' },
      { path: 'json_condition', accepted: /Unknown variable: body/ },
    ],
    [
      { uri, json_condition: 'size(json)' },
      { path: 'json_condition', accepted: /it must be true or false/ },
    ],
    [{ uri, json_condition: `${'('.repeat(200)}true${')'.repeat(200)}` }, { path: 'json_condition' }],
    [
      { uri, method: 'HEAD', forbidden_pattern: 'x' },
      { path: 'forbidden_pattern', accepted: /no body/ },
    ],
    [
      { uri, forbidden_pattern: '(' },
      { path: 'forbidden_pattern', accepted: /^a regular expression of RE2/ },
    ],
    [
      { uri, forbidden_headers: { server: '[' } },
      { path: 'forbidden_headers.server', given: '[' },
    ],
    [
      { uri, forbidden_headers: { ' ': '' } },
      { path: 'forbidden_headers. ', accepted: 'a header name' },
    ],
    [
      {
        uri,
        pattern: '[^<]{0,1000}',
        forbidden_pattern: '[^<]{0,1000}',
        forbidden_headers: { a: '[^<]{0,1000}', b: 'x{1000}' },
      },
      { path: 'forbidden_headers', given: '4 patterns', accepted: /^patterns of at most 6000 instructions/ },
    ],
    [
      { uri, http_version: '2' },
      { path: 'http_version', given: '2', accepted: /^1\.1 or auto, or an https:\/\/ address/ },
    ],
    [{ uri: 'HTTP://a.test/', http_version: 2 }, { path: 'http_version' }],
    [
      { uri, http_version: 'auto', keep_alive: true },
      { path: 'keep_alive', accepted: /or http_version 1\.1/ },
    ],
    [{ uri: 'https://a.test/', http_version: '2', strict: true }, { path: 'strict' }],
    [
      { uri, http_version: 'auto', headers: { 'HTTP2-Settings': 'x' } },
      { path: 'headers.HTTP2-Settings', accepted: 'no such header with HTTP/2' },
    ],
    [
      { uri, proxy: 'http://p.test:1', keep_alive: true, strict: true, ip_version: 4 },
      ['keep_alive', 'strict', 'ip_version'].map((path) => ({ path, accepted: 'nothing with a proxy' })),
    ],
    [
      { uri: 'http://vedette.self/website_mock', proxy: 'http://p.test:1' },
      { path: 'proxy', accepted: 'nothing with vedette.self' },
    ],
    [
      { uri, proxy: 'http://p.test:99999' },
      { path: 'proxy', accepted: /with its port$/ },
    ],
    [{ uri, proxy: 'socks5://p.test:0' }, { path: 'proxy' }],
    [{ uri, proxy: 'http://[::1:80' }, { path: 'proxy' }],
    [
      { uri, proxy: 'http://a%zz:b@p.test:80' },
      { path: 'proxy', accepted: /% begins an escape/ },
    ],
    [
      { uri, proxy: 'http://a%3Ab:c@p.test:80' },
      { path: 'proxy', accepted: /without a colon/ },
    ],
    [
      { uri, proxy: `socks5://a:${'b'.repeat(256)}@p.test:80` },
      { path: 'proxy', accepted: /255 bytes/ },
    ],
    [{ uri: 'http://a%4:0b@host/' }, { path: 'uri', accepted: /% begins an escape/ }],
    [{ uri: 'http://a:%zz@host/' }, { path: 'uri' }],
    [
      { uri, headers: { ' ': 'x' } },
      { path: 'headers. ', accepted: 'a header name' },
    ],
  ] as const) {
    t.match(httpProblems(options), [problem].flat(), JSON.stringify(options));
  }
  t.strictSame(httpProblems({ uri, http_version: 1.1, keep_alive: true, strict: true }), []);
  for (const proxy of ['http://p.test:80', 'HTTPS://u:p@[::1]:443/', 'socks5://u:p%40@10.0.0.1:1080']) {
    t.strictSame(httpProblems({ uri, proxy, ip_version: 'auto', strict: false }), [], proxy);
  }
  t.strictSame(httpProblems({ uri, http_version: 'auto', keep_alive: false }), []);
  t.strictSame(httpProblems({ uri: 'http://a%40:0b@host/', method: 'HEAD' }), []);
  t.strictSame(httpProblems({ uri, tls: { resume: true, full_handshake_seconds: 0.5 } }), []);
});
