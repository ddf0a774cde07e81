import type { LightMyRequestResponse } from 'fastify';
import { type createPeopleScene, OURS } from '../access/people-scene.ts';

/** What a browser accepts. */
export const HTML = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };

type Scene = Pick<Awaited<ReturnType<typeof createPeopleScene>>, 'app'>;

/** A form as a browser without scripts sends it. */
export function submit(
  { app }: Scene,
  url: string,
  fields: Record<string, string>,
  headers: Record<string, string> = OURS,
) {
  return app.inject({
    ...{ method: 'POST', url, payload: new URLSearchParams(fields).toString() },
    headers: { ...HTML, 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
}

export const csrfIn = ({ body }: LightMyRequestResponse): string =>
  /name="csrf" value="([\w-]{43})"/.exec(body)?.[1] ?? '';
export const alertIn = ({ body }: LightMyRequestResponse): string | undefined =>
  /role="alert">([^<]*)</.exec(body)?.[1];
