import { test } from 'tap';
import { createMemberReader, type FoundMembers, type Round } from '../../../src/monitors/group/member-reader.ts';
import type { Member } from '../../../src/monitors/group/members.ts';
import { createFakeClock } from '../../helpers/fake-clock.ts';

const up = (jobId: number): Member => ({ jobId, name: `job ${jobId}`, state: 'up' });
const foundIn = ({ jobIds, tags }: Round): FoundMembers => ({
  jobs: new Map(jobIds.filter((jobId) => jobId < 1_000_000).map((jobId) => [jobId, up(jobId)])),
  tagged: new Map(tags.map((tag) => [tag, jobIds.slice(0, 1)])),
});

function setUp(read?: (round: Round) => Promise<FoundMembers>) {
  const clock = createFakeClock();
  const rounds: Array<Round & { at: number }> = [];
  const readMembers = createMemberReader({
    clock,
    read(round) {
      rounds.push({ ...round, at: clock.monotonicMs() });
      return read?.(round) ?? Promise.resolve(foundIn(round));
    },
  });
  return { clock, rounds, readMembers };
}

test('10,000 groups are read together, once a second, and each gets its own jobs', async (t) => {
  const { clock, rounds, readMembers } = setUp();
  const groups = Array.from({ length: 10_000 }, (_, index) => index + 1);
  let answered = 0;
  for (let second = 0; second < 5; second++) {
    for (const group of groups) {
      void readMembers({ jobIds: [group, group + 1], tag: null }).then((members) => {
        if (members.length === 2 && members[0]?.jobId === group) answered++;
      });
      if (group % 1_000 === 0) await clock.advance(100);
    }
  }
  await clock.advance(2_000);
  t.equal(answered, 50_000);
  t.ok(rounds.length >= 5 && rounds.length <= 7, `${rounds.length} rounds`);
  for (const [index, { at }] of rounds.slice(1).entries()) t.ok(at - (rounds[index]?.at ?? 0) >= 1_000);
  t.ok(rounds.every(({ jobIds }) => jobIds.length === new Set(jobIds).size));
});

test('the first to ask is answered at once, and what was found is used for a second', async (t) => {
  const { clock, rounds, readMembers } = setUp();
  t.strictSame(await readMembers({ jobIds: [1, 2], tag: 'shop' }), [up(1), up(2)]);
  t.strictSame(await readMembers({ jobIds: [2], tag: null }), [up(2)]);
  t.strictSame(await readMembers({ jobIds: [], tag: 'shop' }), [up(1)]);
  t.equal(rounds.length, 1);
  t.match(rounds, [{ jobIds: [1, 2], tags: ['shop'], perTag: 1_001 }]);

  const other = readMembers({ jobIds: [3], tag: null });
  await clock.advance(999);
  t.equal(rounds.length, 1);
  await clock.advance(1);
  t.strictSame(await other, [up(3)]);
  t.equal(rounds.length, 2);

  t.strictSame(await readMembers({ jobIds: [1], tag: null }), [up(1)], 'it was asked for lately');
  t.equal(rounds.length, 2);
  await clock.advance(1_000);
  t.equal((await readMembers({ jobIds: [1, 1_000_001], tag: null })).length, 1, 'a removed job');
  t.match(rounds[2], { jobIds: [1, 1_000_001, 2, 3], tags: ['shop'] });
});

test('a group with a short period never waits, whoever else asks', async (t) => {
  const { clock, rounds, readMembers } = setUp();
  const answered = new Map<number, number>();
  const ask = (jobId: number, periodMs: number) => {
    const at = clock.monotonicMs();
    void readMembers({ jobIds: [jobId], tag: null }).then(() => {
      const waitedMs = clock.monotonicMs() - at;
      if (at > 1_500) answered.set(jobId, Math.max(answered.get(jobId) ?? 0, waitedMs));
    });
    clock.after(periodMs, () => ask(jobId, periodMs));
  };
  for (const [index, periodMs] of [100, 300, 500, 900, 1_100, 1_900, 5_000].entries()) {
    clock.after(index * 37, () => ask(index + 1, periodMs));
  }
  await clock.advance(60_000);
  t.strictSame(
    [...answered].sort().slice(0, 6),
    [1, 2, 3, 4, 5, 6].map((jobId) => [jobId, 0]),
  );
  t.ok((answered.get(7) ?? 0) <= 1_000);
  t.ok(rounds.length <= 61, `${rounds.length} rounds`);
});

test('a round that fails, fails for its groups only, and is not repeated within a second', async (t) => {
  let fails = true;
  const { clock, rounds, readMembers } = setUp(async (round) => {
    if (fails) throw new Error('away');
    return foundIn(round);
  });
  await t.rejects(readMembers({ jobIds: [1], tag: null }), { message: 'away' });
  fails = false;
  const next = readMembers({ jobIds: [1], tag: null });
  await clock.advance(500);
  t.equal(rounds.length, 1);
  await clock.advance(500);
  t.strictSame(await next, [up(1)]);
});

test('no round begins before the one before has ended', async (t) => {
  let end = () => {};
  const { clock, rounds, readMembers } = setUp(async (round) => {
    await new Promise<void>((resolve) => {
      end = resolve;
    });
    return foundIn(round);
  });
  const slow = readMembers({ jobIds: [1], tag: null });
  await clock.advance(0);
  const covered = readMembers({ jobIds: [1], tag: null });
  const waiting = readMembers({ jobIds: [2], tag: null });
  await clock.advance(5_000);
  t.equal(rounds.length, 1);
  end();
  t.strictSame(await slow, [up(1)]);
  t.strictSame(await covered, [up(1)], 'the round that was under way is its, too');
  await clock.advance(0);
  t.equal(rounds.length, 2);
  end();
  t.strictSame(await waiting, [up(2)]);
});
