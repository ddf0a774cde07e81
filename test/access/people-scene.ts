import type { LightMyRequestResponse } from 'fastify';
import type { Test } from 'tap';
import { systemClock } from '../../src/core/clock.ts';
import { createJobStore } from '../../src/jobs/postgres-store.ts';
import { testJobRules } from '../api/test-job-rules.ts';
import { createTestServer, type TestServerOptions } from '../api/test-server.ts';
import { createTestDatabase } from '../helpers/database.ts';

export const ROOT = 'a-key-of-the-settings';
export const PASSWORD = 'seven green kettles';

interface Ask {
  method?: string;
  cookie?: string | undefined;
  key?: string;
  payload?: object;
  headers?: Record<string, string>;
}

/** A server with a real database, and requests as browsers and programs send them. */
export async function createPeopleScene(t: Test, given: TestServerOptions = {}) {
  const database = given.database ?? (await createTestDatabase(t));
  const jobStore = createJobStore({ database, clock: systemClock, ...testJobRules });
  const app = await createTestServer(t, {
    options: { loopback: false },
    apiKeys: [ROOT],
    ...given,
    database,
    jobStore,
  });
  const ask = (url: string, { method = 'GET', cookie, key, payload, headers = {} }: Ask = {}) =>
    app.inject({
      url,
      method: method as 'GET',
      headers: {
        ...(cookie === undefined ? {} : { cookie }),
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...headers,
      },
      ...(payload ? { payload } : {}),
    });
  const addUser = async (user: object = {}): Promise<{ id: number; email: string }> => {
    const payload = { email: 'ada@example.com', password: PASSWORD, role: 'editor', ...user };
    const answer = await ask('/user', { method: 'POST', key: ROOT, payload });
    t.equal(answer.statusCode, 201, answer.body);
    return answer.json();
  };
  const signIn = (payload: object, more: Ask = {}) => ask('/session', { method: 'POST', payload, ...more });
  /** The cookie of a new session. */
  const enter = async (email = 'ada@example.com', password = PASSWORD): Promise<string> => {
    const answer = await signIn({ email, password });
    t.equal(answer.statusCode, 201, answer.body);
    return cookieOf(answer);
  };
  return { app, database, ask, addUser, signIn, enter };
}

/** `name=value` of the cookie that an answer sets. */
export function cookieOf(answer: LightMyRequestResponse): string {
  return String([answer.headers['set-cookie']].flat()[0]).split(';')[0] as string;
}

/** What a browser sends with a request of a page of ours. */
export const OURS = { 'sec-fetch-site': 'same-origin' };
