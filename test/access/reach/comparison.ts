import assert from 'node:assert/strict';
import type { LightMyRequestResponse } from 'fastify';
import type { Asked } from './arbitraries.ts';
import type { Pair, Side, World } from './worlds.ts';

const HEADERS = ['content-type', 'etag', 'link', 'total-count', 'location', 'allow', 'cache-control', 'vary'];
const WHOLE = ['/', '/instances', '/metrics', '/dead-letters'];

export interface Comparison {
  /** How often each status, and each exception, came. */
  readonly seen: Record<string, number>;
  begin(world: World, tags: readonly string[]): Promise<void>;
  /** Sends a request to both sides; throws when the answers, or what they changed, are not alike. */
  ask(asked: Asked): Promise<void>;
}

export function createComparison(pair: Pair): Comparison {
  const seen: Record<string, number> = {};
  const note = (kind: string | number) => {
    seen[kind] = (seen[kind] ?? 0) + 1;
  };
  let keys = { whole: '', own: '' };
  let tags: readonly string[] = [];
  const reaches = (given: unknown) => Array.isArray(given) && given.some((tag) => tags.includes(tag));

  const send = ({ app }: Side, key: string, { method, path, query, body, headers }: Asked, further = {}) => {
    const search = new URLSearchParams(query).toString();
    return app.inject({
      method,
      url: search === '' ? path : `${path}?${search}`,
      headers: { authorization: `Bearer ${key}`, ...headers, ...further },
      ...(body === undefined ? {} : { payload: body }),
    });
  };

  async function read(asked: Asked): Promise<void> {
    for (let next: Asked | null = asked, pages = 0; next !== null && pages < 8; pages++) {
      const request: Asked = next;
      const [whole, own] = [await send(pair.whole, keys.whole, request), await send(pair.own, keys.own, request)];
      note(whole.statusCode);
      if (pages > 0) note('next page');
      if (isPage(request)) assert.doesNotMatch(whole.body, /\/metrics|Jobs running|topic/);
      assert.deepEqual(viewOf(whole, request), viewOf(own, request));
      const { etag, link } = whole.headers;
      if (typeof etag === 'string' && whole.statusCode === 200) {
        const again = await send(pair.whole, keys.whole, request, { 'if-none-match': etag });
        note(again.statusCode);
        assert.equal(again.statusCode, 304);
      }
      const to = /^<([^>]+)>; rel="next"$/.exec(String(link ?? ''))?.[1] ?? nextPage(whole.body);
      next = to === null ? null : { ...request, path: to, query: {} };
    }
  }

  async function change(asked: Asked): Promise<void> {
    const before = await pair.state(tags);
    const whole = await send(pair.whole, keys.whole, asked);
    note(whole.statusCode);
    // The next free id tells how many others there are; the other side is told to take it.
    const isMade = asked.path === '/job' && whole.statusCode === 201;
    const sameId = isMade ? { ...asked, body: { ...asked.body, job_id: whole.json().job_id } } : asked;
    const own = await send(pair.own, keys.own, sameId);
    const after = await pair.state(tags);
    assert.equal(after.others, before.others, 'jobs of others are as they were');
    const exception = await exceptionOf(
      asked,
      own,
      before.own as Array<{ job_id: number; definition: { tags?: unknown } }>,
    );
    if (exception === null) {
      assert.deepEqual(timeless(viewOf(whole, asked)), timeless(viewOf(own, asked)));
      assert.deepEqual(after.whole, after.own, 'both sides have changed alike');
    } else {
      note(exception);
      if (exception === 'outside') assert.deepEqual(coded(whole), { statusCode: 403, code: 'VED_FORBIDDEN' });
      else {
        assert.deepEqual(coded(whole), { statusCode: 409, code: 'VED_JOB_EXISTS' });
        assert.equal(whole.json().message, `Job ${asked.body?.job_id} exists already`);
      }
      assert.deepEqual(after.whole, before.whole, 'nothing has changed');
    }
    if (whole.statusCode < 400 || own.statusCode < 400) await pair.copy(tags);
  }

  /** Where the answer is another one, because others are there: the job would leave the reach, or its id is taken. */
  async function exceptionOf(
    { method, path, body = {} }: Asked,
    own: LightMyRequestResponse,
    before: ReadonlyArray<{ job_id: number; definition: { tags?: unknown } }>,
  ): Promise<'outside' | 'taken' | null> {
    // For its jobs, which are looked at last.
    const isRefusedGroup = own.statusCode === 400 && body.type === 'group';
    if (path === '/job') {
      const isValid = own.statusCode === 201 || own.statusCode === 409 || isRefusedGroup;
      if (isValid && !reaches(body.tags)) return 'outside';
      return isValid && typeof body.job_id === 'number' && (await isTaken(body.job_id)) ? 'taken' : null;
    }
    if (isRefusedGroup) return reaches(body.tags) ? null : 'outside';
    if (own.statusCode !== 200) return null;
    if (method === 'PUT' || method === 'PATCH') return reaches(own.json().tags) ? null : 'outside';
    if (path !== '/job/bulk' || body.action !== 'untag') return null;
    const changed: number[] = own.json().changed;
    const left = before.filter(({ job_id: jobId }) => changed.includes(jobId)).map(({ definition }) => definition.tags);
    const gone = body.tags as string[];
    return left.every((given) => reaches((given as string[]).filter((tag) => !gone.includes(tag)))) ? null : 'outside';
  }

  async function isTaken(jobId: number): Promise<boolean> {
    const { rows } = await pair.whole.database.query<{ taken: boolean }>(
      `SELECT EXISTS (SELECT FROM jobs WHERE job_id = $1 AND (definition -> 'tags' ?| $2) IS NOT TRUE)
         OR (NOT EXISTS (SELECT FROM jobs WHERE job_id = $1) AND EXISTS (SELECT FROM series_progress WHERE job_id = $1)) AS taken`,
      [jobId, tags],
    );
    return rows[0]!.taken;
  }

  return {
    seen,
    async begin(world, limit) {
      tags = limit;
      keys = await pair.keyOf(tags);
      await pair.fill(world);
      await pair.copy(tags);
    },
    async ask(asked) {
      const isRead = asked.method === 'GET' || asked.method === 'HEAD' || asked.method === 'OPTIONS';
      if (!isRead) return change(asked);
      if (!WHOLE.includes(asked.path) || isPage(asked)) return read(asked);
      const { statusCode } = await send(pair.whole, keys.whole, asked);
      assert.equal(statusCode, 403, `${asked.path} is about the whole installation`);
      note(403);
    },
  };
}

/** What is compared: everything, of the page what is about jobs. */
function viewOf({ statusCode, headers, body }: LightMyRequestResponse, asked: Asked): object {
  // The page of a server that has nothing but these jobs also speaks of the installation.
  const shown = isPage(asked) ? body.slice(body.indexOf('<form class="filter"'), body.indexOf('</main>')) : body;
  return {
    statusCode,
    body: isPage(asked) && /There are no jobs/.test(shown) ? '' : shown,
    headers: HEADERS.map((name) => headers[name]),
  };
}

const isPage = ({ headers }: Asked): boolean => headers?.accept === 'text/html';

/** Without the times of changes, which the two sides make one after the other. */
function timeless(view: object): unknown {
  return JSON.parse(JSON.stringify(view).replaceAll(/\\"(created|updated)_at\\":\\"[^"]+\\"/g, '\\"$1_at\\":\\"\\"'));
}

const nextPage = (page: string) => /<a rel="next" href="([^"]+)"/.exec(page)?.[1]?.replaceAll('&amp;', '&') ?? null;

function coded(answer: LightMyRequestResponse): { statusCode: number; code: string } {
  const { statusCode, code } = answer.json();
  return { statusCode, code };
}
