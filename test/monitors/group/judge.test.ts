import fc from 'fast-check';
import { test } from 'tap';
import { type GroupRule, judgeGroup } from '../../../src/monitors/group/judge.ts';
import { MEMBER_STATES, type Member, type MemberState } from '../../../src/monitors/group/members.ts';

const LETTERS: Readonly<Record<string, MemberState>> = {
  ...{ u: 'up', g: 'degraded', d: 'down', '?': 'unknown', s: 'stopped' },
};

const membersOf = (states: readonly MemberState[]): Member[] =>
  states.map((state, index) => ({ jobId: index + 1, name: `job ${index + 1}`, state }));

/** `uud?`: two jobs that are up, one that is down, an unknown one; s is stopped and g degraded. */
const judge = (letters: string, require: GroupRule['require'], degradedBelow: GroupRule['degradedBelow'] = require) =>
  judgeGroup(membersOf([...letters].map((letter) => LETTERS[letter] as MemberState)), { require, degradedBelow });

test('all, any or a number of jobs', async (t) => {
  const table: ReadonlyArray<
    [letters: string, rule: [GroupRule['require'], GroupRule['degradedBelow']?], outcome: string]
  > = [
    ['uuu', ['all'], 'up'],
    ['uud', ['all'], 'down'],
    ['uug', ['all'], 'degraded'],
    ['uus', ['all'], 'up'],
    ['uu?', ['all'], 'missed'],
    ['ud?', ['all'], 'down'],
    ['ddu', ['any'], 'up'],
    ['ddg', ['any'], 'degraded'],
    ['ddd', ['any'], 'down'],
    ['dd?', ['any'], 'missed'],
    ['du?', ['any'], 'up'],
    ['dds', ['any'], 'down'],
    ['uud', [2], 'up'],
    ['ugd', [2], 'degraded'],
    ['udd', [2], 'down'],
    ['ud?', [2], 'missed'],
    ['uu?', [2], 'up'],
    ['uds', [2], 'missed'],
    ['dds', [2], 'down'],
    ['us', [3], 'missed'],
    ['ss', ['any'], 'missed'],
    ['', ['all'], 'missed'],
    ['uud', ['any', 'all'], 'degraded'],
    ['uuu', ['any', 'all'], 'up'],
    ['uu?', ['any', 'all'], 'missed'],
    ['ud?', ['any', 'all'], 'degraded'],
    ['uus', ['any', 'all'], 'up'],
    ['ddd', ['any', 'all'], 'down'],
    ['uudd', [1, 3], 'degraded'],
    ['ggu', [3, 1], 'up'],
    ['uu', ['any', 5], 'up'],
  ];
  for (const [letters, [require, below], outcome] of table) {
    t.equal(judge(letters, require, below).outcome, outcome, `${letters} ${require} ${below ?? ''}`);
  }
});

test('the detail names what is not up, the worst first', async (t) => {
  t.equal(judge('udg?', 'all').detail, '2 of 4 jobs up, 4 required; down: job 2; degraded: job 3; unknown: job 4');
  t.equal(judge('uuu', 'all').detail, undefined);
  t.equal(judge('uud', 'any').detail, 'down: job 3');
  t.equal(judge('u?', 'all').detail, 'undecided: 1 of 2 jobs up, 2 required; unknown: job 2');
  t.equal(judge('u?', 'any', 'all').detail, 'undecided: up or degraded; unknown: job 2');
  t.equal(judge('us', 3).detail, '3 jobs required, and the group has only 2');
  t.equal(judge('ss', 'all').detail, 'none of its jobs runs');
  t.match(judge('d'.repeat(9), 'all').detail, /; down: job 1, job 2, job 3, job 4, job 5 and 4 more$/);
  const long = [{ jobId: 1, name: 'x'.repeat(200), state: 'down' as const }];
  t.match(judgeGroup(long, { require: 'all', degradedBelow: 'all' }).detail, /down: x{29}…$/);
});

test('an outcome holds whatever the unknown jobs are, and is missed only where it would not', async () => {
  const quorum = fc.constantFrom<GroupRule['require']>('all', 'any', 1, 2, 3, 4);
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...MEMBER_STATES), { minLength: 1, maxLength: 4 }),
      quorum,
      quorum,
      (states, require, degradedBelow) => {
        const rule = { require, degradedBelow };
        const found = judgeGroup(membersOf(states), rule).outcome;
        const isCountable = states.some((state) => state !== 'stopped');
        if (!isCountable || (typeof require === 'number' && require > states.length)) return found === 'missed';
        const possible = new Set(completions(states, rule).map((known) => judgedOf(known, states, rule)));
        return possible.size === 1 ? possible.has(found) : found === 'missed';
      },
    ),
    { numRuns: 5_000 },
  );
});

/** Every way in which the jobs may be that may be anything. A stopped one stays so where it is left out anyway. */
function completions(states: readonly MemberState[], rule: GroupRule): MemberState[][] {
  const mayBeUp = typeof rule.require === 'number' || typeof rule.degradedBelow === 'number';
  return states.reduce<MemberState[][]>(
    (ways, state) => {
      const isOpen = state === 'unknown' || (state === 'stopped' && mayBeUp);
      const choices: MemberState[] = isOpen ? ['up', 'degraded', 'down'] : [state];
      return ways.flatMap((way) => choices.map((choice) => [...way, choice]));
    },
    [[]],
  );
}

/** The outcome when the states are known; `before`: which of them are stopped in truth, and left out of all. */
function judgedOf(known: readonly MemberState[], before: readonly MemberState[], rule: GroupRule): string {
  const reach = (quorum: GroupRule['require'], wanted: readonly MemberState[]) => {
    const isLeftOut = (index: number) => typeof quorum !== 'number' && before[index] === 'stopped';
    const counted = known.filter((_, index) => !isLeftOut(index));
    const needed = quorum === 'all' ? counted.length : quorum === 'any' ? 1 : Math.min(quorum, known.length);
    return counted.filter((state) => wanted.includes(state)).length >= needed;
  };
  if (!reach(rule.require, ['up', 'degraded'])) return 'down';
  return reach(rule.degradedBelow, ['up']) ? 'up' : 'degraded';
}
