import path from 'node:path';
import { test } from 'tap';
import { createContractScene, pythonTools, run } from './scene.ts';

const SECONDS = Number(process.env.CONTRACT_SECONDS ?? 120);

test('Schemathesis finds nothing', { timeout: (SECONDS + 180) * 1_000 }, async (t) => {
  const bin = pythonTools(t);
  if (bin === null) return;
  const url = await createContractScene(t);
  const config = path.join(import.meta.dirname, 'schemathesis.toml');
  const { code, output } = await run(
    path.join(bin, 'st'),
    [
      ...['--config-file', config, 'run', `${url}/openapi.json`, '--checks', 'all', '--seed', '7', '--no-color'],
      ...['--continue-on-failure', '--max-time', String(SECONDS), '--phases', 'examples,coverage,fuzzing,stateful'],
    ],
    t.testdir({}),
  );
  // What moves on a terminal is left out: the report alone is of use.
  const report = output.slice(Math.max(0, output.search(/=+ (FAILURES|ERRORS|SUMMARY) =+/)));
  t.equal(code, 0, report.slice(0, 20_000));
  t.comment(report.slice(-1_500));
});
