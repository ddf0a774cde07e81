import { Command } from 'commander';
import { withDeadline } from '../core/deadline.ts';
import { Lifecycle } from '../core/lifecycle.ts';
import { plainText } from '../core/plain-text.ts';
import { counted } from '../core/plural.ts';
import type { ContextOptions, Finding, Severity } from '../doctor/index.ts';
import { examineSettings } from '../settings.ts';
import { type Cli, EXIT, examples, loadOptionsFor, settingOption } from './context.ts';
import { withGivenOptions } from './hints.ts';
import { loadJobFile, loadJobRules } from './jobs/rules.ts';

/** Limit of closing, so that a hanging connection does not hold the report back. */
const CLOSE_MS = 2_000;

export function doctorCommand(cli: Cli): Command {
  return new Command('doctor')
    .description('look at everything Vedette stands on, and say what to do about what is wrong; nothing is changed')
    .addOption(settingOption('--jobs <file>', 'jobs_file'))
    .option('--strict', 'warnings count as problems for the exit code')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nExit code: 0 no problems, 1 problems (with --strict: or warnings).\n${examples(
        ['vedette doctor', 'before the first start, beside a running one, or when something is odd'],
        ['vedette doctor -e prod.env --settings production', 'with the settings of a deployment'],
        ['vedette doctor --strict --json | jq \'.findings[] | select(.verdict != "ok")\'', 'for scripts'],
      )}`,
    )
    .action(async (options: { strict?: boolean; json?: boolean }, command: Command) => {
      const findings = await examine(cli, command);
      const count = (verdict: Severity) => findings.filter((finding) => finding.verdict === verdict).length;
      const isHealthy = count('problem') === 0 && !(options.strict && count('warning') > 0);
      cli.exitCode = isHealthy ? EXIT.ok : EXIT.failed;
      if (options.json) {
        const counts = { ok: count('ok'), warnings: count('warning'), problems: count('problem') };
        return cli.stdout.json({ ...counts, findings });
      }
      show(cli, findings);
      cli.stdout.line(
        `\n${count('ok')} ok, ${counted(count('warning'), 'warning')}, ${counted(count('problem'), 'problem')}`,
      );
    });
}

async function examine(cli: Cli, command: Command): Promise<Finding[]> {
  const { createExaminationContext, diagnose, examinations } = await import('../doctor/index.ts');
  const { settings, problems } = examineSettings(loadOptionsFor(cli, command));
  const lifecycle = new Lifecycle();
  const rules = () => loadJobRules(settings);
  const loadJobs = async () => loadJobFile(settings, await rules());
  const lackingSecrets: ContextOptions['lackingSecrets'] = async (jobs) => (await rules()).lackingSecrets(jobs);
  try {
    const given = { settings, settingsProblems: problems, loadJobs, lackingSecrets, lifecycle };
    const context = createExaminationContext(given);
    return await diagnose(context, examinations);
  } finally {
    await withDeadline(lifecycle.close(), CLOSE_MS, 'not closed').catch(() => undefined);
  }
}

function show({ stdout, command }: Cli, findings: readonly Finding[]): void {
  const { style } = stdout;
  const colours = { ok: style.green, warning: style.yellow, problem: style.red };
  const width = Math.max(...findings.map(({ name }) => name.length));
  for (const { name, verdict, found, advice } of findings) {
    stdout.line(`${colours[verdict](verdict.padEnd(7))}  ${name.padEnd(width)}  ${plainText(found)}`);
    if (advice !== null)
      stdout.line(`${' '.repeat(9 + width)}  ${style.bold(plainText(withGivenOptions(command, `-> ${advice}`)))}`);
  }
}
