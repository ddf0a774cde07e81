import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Configuration, Provider } from 'oidc-provider';
import type { Test } from 'tap';

export const CLIENT = { clientId: 'vedette', clientSecret: 'a secret of the client' };

/** Claims of each account; its name is typed at the sign-in of the provider. */
export type Accounts = Record<string, Record<string, unknown>>;

/** A real OpenID provider on this machine. It answers 503 until `open` has told it where browsers are sent back to. */
export async function startOpenIdProvider(t: Test, accounts: Accounts, given: Configuration = {}) {
  let listener: RequestListener = (_request, response) => response.writeHead(503).end();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const open = (redirectUri: string) => {
    const provider = new Provider(issuer, {
      clients: [
        {
          ...{ client_id: CLIENT.clientId, client_secret: CLIENT.clientSecret, redirect_uris: [redirectUri] },
          ...{ grant_types: ['authorization_code'], response_types: ['code'] },
        },
      ],
      claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
      findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ sub: id, ...accounts[id] }) }),
      cookies: { keys: ['a key of the test'] },
      ...given,
    });
    listener = provider.callback();
  };
  return { issuer, open, asked };
}
