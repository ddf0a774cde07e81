import { createServer } from 'node:net';
import { hasPrincipals } from '../../access/access.ts';
import { isExposed } from '../../installation/exposure.ts';
import type { ExaminationContext } from '../context.ts';
import { type Examination, type Finding, ok, problem, warning } from '../examination.ts';

export const port: Examination = {
  name: 'api',
  settings: ['server', 'roles'],
  async examine({ settings, tables }) {
    const { roles, server } = settings;
    if (!roles.includes('api')) return [];
    const findings = [await lookAt(server.host, server.port)];
    if (
      isExposed(settings) &&
      server.anonymous !== 'read' &&
      server.apiKeys.length === 0 &&
      !(await hasKeysOrUsers(tables))
    ) {
      findings.push(
        warning(
          'api.keys',
          'this server is public, and there is neither an API key nor a user: nearly everything answers 401',
          'Run `vedette users add EMAIL --role admin`, or set VEDETTE_SERVER_API_KEYS, for example to what `openssl rand -hex 24` prints.',
        ),
      );
    }
    return findings;
  },
};

/** A database that cannot be read has an examination of its own. */
async function hasKeysOrUsers(tables: ExaminationContext['tables']): Promise<boolean> {
  const database = await tables().catch(() => null);
  return database !== null && (await hasPrincipals(database));
}

async function lookAt(host: string, number: number): Promise<Finding> {
  const place = `${host}:${number}`;
  const code = await tryToListen(host, number);
  if (code === null) return ok('api.port', number === 0 ? `${host}, any free port` : `${place} is free`);
  if (code === 'EADDRINUSE') {
    const name = await whoAnswers(host, number);
    if (name === 'vedette') return ok('api.port', `Vedette itself answers on ${place}`);
    const by = name === null ? 'another program' : `another program (${name})`;
    return problem('api.port', `${place} is in use by ${by}`, 'End it, or choose another port: PORT, or --port.');
  }
  const why: Record<string, [found: string, advice: string]> = {
    EACCES: [`this user may not listen on ${place}`, 'Choose a port above 1023: PORT, or --port.'],
    EADDRNOTAVAIL: [`this machine has no address ${host}`, 'Choose one it has, or 0.0.0.0 for all: HOST, or --host.'],
    ENOTFOUND: [`${host} cannot be resolved`, 'Choose an address of this machine: HOST, or --host.'],
  };
  const [found, advice] = why[code] ?? [`${place} cannot be listened on: ${code}`, 'Choose another: HOST and PORT.'];
  return problem('api.port', found, advice);
}

/** Returns null if the port can be listened on, otherwise the system's error code. */
function tryToListen(host: string, number: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port: number }, () => server.close(() => resolve(null)));
  });
}

/** Returns the `name` in the response to GET /, vedette for a refusal of ours, or the Server header; null if there is neither, or no HTTP. */
async function whoAnswers(host: string, number: number): Promise<string | null> {
  const address = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  try {
    const response = await fetch(`http://${address}:${number}/`, {
      headers: { accept: 'application/json' },
      signal: AbortSignal.timeout(2_000),
    });
    const server = response.headers.get('server');
    const body = (await response.json().catch(() => null)) as { name?: unknown; code?: unknown } | null;
    // A closed server does not say its name to everybody.
    if (typeof body?.code === 'string' && body.code.startsWith('VED_')) return 'vedette';
    return typeof body?.name === 'string' ? body.name.toLowerCase() : server;
  } catch {
    return null; // It is not a web server.
  }
}
