import path from 'node:path';
import { test } from 'tap';
import { createContractScene, pythonTools, run } from './scene.ts';

const SECONDS = Number(process.env.CONTRACT_SECONDS ?? 75);
/** Of each operation and phase; more dig deeper. */
const EXAMPLES = process.env.CONTRACT_EXAMPLES ?? '10';
const SEED = process.env.CONTRACT_SEED ?? '7';
const KEY = 'key-of-the-contract';

test('Schemathesis finds nothing', { timeout: (SECONDS + 180) * 1_000 }, async (t) => {
  const bin = pythonTools(t);
  if (bin === null) return;
  const url = await createContractScene(t, KEY);
  const config = path.join(import.meta.dirname, 'schemathesis.toml');
  const { code, output } = await run(
    path.join(bin, 'st'),
    [
      ...['--config-file', config, 'run', `${url}/openapi.json`, '--seed', SEED, '--no-color'],
      ...['--max-examples', EXAMPLES],
      ...['--header', `Authorization: Bearer ${KEY}`],
      ...['--continue-on-failure', '--max-time', String(SECONDS), '--phases', 'examples,coverage,fuzzing,stateful'],
    ],
    t.testdir({}),
    { SCHEMATHESIS_HOOKS: path.join(import.meta.dirname, 'refusals.py') },
  );
  // What moves on a terminal is left out: the report alone is of use. Generated texts are long.
  const report = output
    .slice(Math.max(0, output.search(/=+ (FAILURES|ERRORS|SUMMARY) =+/)))
    .replaceAll(/^(.{1000}).+$/gm, '$1 ...');
  t.equal(code, 0, report.slice(0, 20_000));
  const [, selected] = /Selected: (\d+)/.exec(report) ?? [];
  t.ok(selected !== undefined && report.includes(`Tested: ${selected}`), 'every operation was tried in the time');
  t.comment(report.slice(-1_500));
});
