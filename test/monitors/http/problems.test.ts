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
    [{ uri: 'http://a%4:0b@host/' }, { path: 'uri', accepted: /% begins an escape/ }],
    [{ uri: 'http://a:%zz@host/' }, { path: 'uri' }],
    [
      { uri, headers: { ' ': 'x' } },
      { path: 'headers. ', accepted: 'a header name' },
    ],
  ] as const) {
    t.match(httpProblems(options), [problem], JSON.stringify(options));
  }
  t.strictSame(httpProblems({ uri: 'http://a%40:0b@host/', method: 'HEAD' }), []);
});
