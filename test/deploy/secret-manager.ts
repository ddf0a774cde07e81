import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** Google's metadata server and Secret Manager in one, as far as reading secrets goes. Closed at teardown. */
export async function startSecretManager(t: Pick<Test, 'teardown'>, secrets: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  let failures = 0;
  const server = createServer(({ url = '', headers }, response) => {
    asked.push(url);
    const answer = (status: number, body: string) => response.writeHead(status).end(body);
    if (url.startsWith('/computeMetadata/v1/')) {
      if (headers['metadata-flavor'] !== 'Google') return answer(403, '');
      if (url.endsWith('/project/project-id')) return answer(200, 'our-project');
      return answer(200, JSON.stringify({ access_token: 'a-token', expires_in: 3000, token_type: 'Bearer' }));
    }
    if (headers.authorization !== 'Bearer a-token') return answer(401, '');
    if (failures-- > 0) return answer(503, '');
    const path = /^\/v1\/(projects\/.+):access$/.exec(url)?.[1];
    const secret = path === undefined ? undefined : secrets[path];
    if (secret === undefined) return answer(404, '');
    return answer(200, JSON.stringify({ name: path, payload: { data: Buffer.from(secret).toString('base64') } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const place = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    asked,
    /** The next answers about secrets are 503. */
    fail: (count: number) => {
      failures = count;
    },
    env: { GCE_METADATA_HOST: place, CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: `http://${place}/` },
  };
}
