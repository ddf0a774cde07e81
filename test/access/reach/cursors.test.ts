import { test } from 'tap';
import { createPair } from './worlds.ts';

test('a page of series does not end at a series of others, however many there are', async (t) => {
  const pair = await createPair(t);
  const { database, app } = pair.whole;
  await database.query(
    `INSERT INTO series_progress (job_id, location, topic, epoch, slot, last_outcome, count)
     SELECT n, 'secret place', 'checks', 1, 1, 'up', 1 FROM generate_series(100, 10200) AS n`,
  );
  const { whole } = await pair.keyOf(['shop']);
  const headers = { authorization: `Bearer ${whole}` };
  for (const query of ['', 'limit=1', 'foreign=true', 'foreign=false', 'location=default', 'total=true']) {
    const answer = await app.inject({ url: `/series?${query}`, headers });
    t.match(answer, { statusCode: 200, body: '[]' }, query);
    t.equal(answer.headers.link, undefined, query);
  }
});
