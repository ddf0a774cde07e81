// Runs `vedette` with secrets of Google Secret Manager in the place of the variables that name them, for platforms that
// cannot fill them in by themselves. They are kept in memory alone.
//   DATABASE_URL=sm://vedette-database-url          the newest version, of this project
//   KAFKA_KEY=sm://other-project/kafka-key/3        a version of another one
//   node scripts/with-secrets.mjs serve --roles api
import { setTimeout as delay } from 'node:timers/promises';

const REFERENCE = /^sm:\/\/(?:([a-z][a-z0-9-]*)\/)?([A-Za-z0-9_-]+)(?:\/(\d+|latest))?$/;
const TRIES = 4;
const TIMEOUT_MS = 5_000;

// Both may lie elsewhere, by the names that Google's own tools use.
const metadata = `http://${process.env.GCE_METADATA_HOST || 'metadata.google.internal'}/computeMetadata/v1`;
const secretManager = (
  process.env.CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER || 'https://secretmanager.googleapis.com'
).replace(/\/+$/, '');

const wanted = Object.entries(process.env).filter(([, value]) => value?.startsWith('sm://'));
if (wanted.length > 0) await fillIn();
await import('../bin/vedette.js');

async function fillIn() {
  const access = await metadataOf('instance/service-accounts/default/token').then(JSON.parse);
  const project = process.env.GOOGLE_CLOUD_PROJECT || (await metadataOf('project/project-id'));
  await Promise.all(
    wanted.map(async ([name, reference]) => {
      process.env[name] = await secretOf(name, reference, project, access.access_token);
    }),
  );
}

function metadataOf(path) {
  return get(`${metadata}/${path}`, { 'metadata-flavor': 'Google' }, "Google's metadata server");
}

async function secretOf(name, reference, ownProject, token) {
  const [, project = ownProject, secret, version = 'latest'] = REFERENCE.exec(reference) ?? [];
  if (secret === undefined) fail(`${name}: given ${reference}, accepted: sm://SECRET or sm://PROJECT/SECRET/VERSION`);
  const path = `projects/${project}/secrets/${secret}/versions/${version}`;
  const text = await get(
    `${secretManager}/v1/${path}:access`,
    { authorization: `Bearer ${token}` },
    `${name}: ${path}`,
  );
  return Buffer.from(JSON.parse(text).payload.data, 'base64').toString('utf8');
}

/** A refusal is final; a server that does not answer, or cannot just now, is asked again. */
async function get(url, headers, what) {
  for (let attempt = 1; ; attempt++) {
    let problem;
    try {
      const answer = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (answer.ok) return await answer.text();
      problem = `HTTP ${answer.status}`;
      if (answer.status === 403) problem += ' (the service account needs the role Secret Manager Secret Accessor)';
      if (answer.status < 500 && answer.status !== 429) fail(`${what} is refused: ${problem}`);
    } catch (error) {
      problem = error.cause?.code ?? error.message;
    }
    if (attempt === TRIES) fail(`${what} cannot be had: ${problem}`);
    await delay(200 * 2 ** attempt);
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
