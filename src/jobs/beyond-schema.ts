/**
 * The rules for a definition that go beyond its JSON schema, by the words of their refusals. Each rule has its words
 * in a refusal, so that a request that fits the schema and is refused can be told from a schema that says too little.
 */
const RULES: ReadonlyArray<readonly [what: string, words: readonly string[]]> = [
  ['A cron expression comes true, in a time zone that exists', ['check_cron: given', 'a time zone such as']],
  [
    'A check ends before its next slot, with its pauses',
    ['to the next slot', 'for one whole try before the next slot'],
  ],
  [
    'Addresses can be read, and lead somewhere',
    [
      ...[
        'an http:// or https:// address',
        'perhaps with a query',
        '% begins',
        'of a host',
        'a dns://, dns+tls:// or dns+https:// address',
      ],
      ...['without a port', 'without a path', 'without a query', 'without a user name', 'a port 1 to 65535'],
    ],
  ],
  ['TLS is set where there is TLS', ['nothing without TLS', 'which begins with TLS', 'nothing without HTTPS']],
  ['The version of an address is the one that is meant', ['or auto, the uri has']],
  [
    'Headers can be sent, and are set once',
    [
      ...['a header name', 'each header once', 'it is set by Vedette', 'a header value: one line'],
      'no such header with HTTP/2',
    ],
  ],
  ['A range of statuses goes upwards', ['a range whose first status']],
  ['Expressions compile, within a size', ['a regular expression of RE2', 'patterns of', 'a condition in CEL']],
  [
    'Certificates and keys can be read and belong together',
    [
      'a certificate in PEM that can be read',
      'a private key in PEM',
      'tls.cert and tls.key',
      'private key of tls.cert',
    ],
  ],
  [
    'Credentials are those of their type',
    [
      ...['basic needs it', 'without a colon', 'a token is for bearer', 'bearer needs it'],
      ...['printable ASCII without spaces', 'is for basic', 'either auth or', 'nothing without credentials'],
    ],
  ],
  [
    'Proxies can be read, and told who asks',
    ['of a proxy with its port', 'that the proxy can be told', 'nothing with vedette.self', 'nothing without socks5'],
  ],
  [
    'References to secrets can be read, and stand where they may',
    ['with a NAME of letters', 'no reference to a secret here', 'references to at most'],
  ],
  ['A masked secret is sent back only where it is stored', ['the secret itself, none is stored', 'has the stored']],
  ['A rule about records needs records', ['nothing without expected']],
  ['A datagram is given once', ['a text, or send_hex', 'nothing beside send']],
  [
    'Groups have jobs that are there, and do not lead back to themselves',
    [
      ...['a list of jobs, or jobs_with_tag', 'a number of jobs that the group has', 'a job that is there'],
      ...['does not lead back to the group itself', 'groups below a group'],
    ],
  ],
  ['What a type needs is installed', ['whose packages are installed']],
  ['Texts can be stored, keys can be copied', ['without NUL', 'a definition of at most', 'any other key']],
  [
    'Metrics are functions of fields, at granularities that are kept',
    [
      ...['counted for all jobs', 'one of min, max', 'one of response_time', 'one of result', 'one of outcome'],
      ...['one of maintenance', 'one of status', 'one of reason'],
    ],
  ],
  ['Results are not sent to a topic of copies', ['a topic that is not one of copies']],
];

/** Of a definition that is made of a stored one and a change, which each fit a schema by themselves. */
const MERGED: ReadonlyArray<readonly [what: string, words: readonly string[]]> = [
  [
    'The whole fits the schema, too',
    [
      ...['a value, it is required', 'nothing beside check_period_seconds'],
      ...['nothing without check_cron', 'nothing with the method HEAD', 'nothing without tls.resume'],
      'nothing without group',
      ...['or http_version 1.1', 'nothing with a proxy', '1.1 or auto, or an https'],
    ],
  ],
  ['Fields are those of the type of the job', ['only the keys', 'no such key']],
  ['What the server adds says what is stored', ['or nothing: ', 'as in the path, or nothing']],
];

/** A paragraph for the description of an operation that takes a definition, or a change of a stored one. */
export function beyondSchema({ isMerged }: { isMerged: boolean }): string {
  const rules = isMerged ? [...RULES, ...MERGED] : RULES;
  const lines = rules.map(([what, words]) => `- ${what} (${words.map((each) => `\`${each}\``).join(', ')}).`);
  return `Some rules go beyond the schema; a request that breaks one is refused with 400 and these words:\n\n${lines.join('\n')}`;
}
