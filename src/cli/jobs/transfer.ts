import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Command, Option } from 'commander';
import { plainText } from '../../core/plain-text.ts';
import { counted } from '../../core/plural.ts';
import { VedetteError } from '../../errors.ts';
import { writeJobs } from '../../jobs/files/export.ts';
import { exportDefinition, type ImportPlan, planImport, toImport } from '../../jobs/files/import.ts';
import { JobSet } from '../../jobs/files/job-set.ts';
import { addBytes, addFiles } from '../../jobs/files/read.ts';
import { forms, formsOf } from '../../jobs/forms/index.ts';
import type { JobDefinition } from '../../jobs/store.ts';
import { type Cli, examples } from '../context.ts';
import { confirm } from '../terminal/confirm.ts';
import type { Run, Work } from './command.ts';

const STANDARD_INPUT = '-';

const formatOption = (text: string): Option => new Option('--format <form>', text).choices(forms.names());
const formTexts = (): string =>
  `\nForms:\n${forms
    .all()
    .map(({ name, description }) => `  ${name.padEnd(8)} ${description}\n`)
    .join('')}`;

interface ExportOptions {
  format?: string;
  output?: string;
  secrets?: boolean;
  masked?: boolean;
  lossy?: boolean;
}

export function addExport(cli: Cli, jobs: Command, run: Run): void {
  jobs
    .command('export')
    .description('write the jobs in any form; imported again they change nothing')
    .addOption(formatOption('form to write; the one of the ending of --output, or json, unless given'))
    .option('-o, --output <file>', 'a file instead of the standard output')
    .option('--secrets', 'with passwords and keys; a file is then for its owner alone')
    .addOption(
      new Option('--masked', 'with ******** for secrets, which an import takes for the stored ones').conflicts(
        'secrets',
      ),
    )
    .option('--lossy', 'leave out the fields that the form cannot express')
    .addHelpText(
      'after',
      formTexts() +
        examples(
          ['vedette jobs export --masked', 'for reading'],
          ['vedette jobs export --secrets -o jobs.yaml', 'to be used again'],
          ['vedette jobs export --format csv --masked -o jobs.csv', 'to be edited in a spreadsheet and imported again'],
        ),
    )
    .action((options: ExportOptions, command: Command) =>
      run(command, async ({ store, rules }) => {
        const stored = (await store.list()).map((job) => exportDefinition(job, rules));
        const shown = options.secrets ? stored : stored.map(rules.redact);
        if (!options.secrets && !options.masked) refuseSecrets(stored, shown);
        const text = writeJobs(shown, { form: exportForm(options), rules, isLossy: options.lossy === true });
        if (options.output === undefined) return cli.stdout.data(text);
        writeWhole(path.resolve(cli.cwd ?? '.', options.output), text, options.secrets === true);
        cli.stderr.line(`${counted(stored.length, 'job')} written to ${options.output}`);
      }),
    );
}

function exportForm({ format, output }: ExportOptions) {
  return format === undefined ? (formsOf(output ?? '')[0] ?? forms.get('json')) : forms.get(format);
}

function refuseSecrets(definitions: readonly JobDefinition[], redacted: readonly JobDefinition[]): void {
  const lines = definitions.flatMap((definition, index) =>
    Object.keys(definition)
      .filter((field) => !isDeepStrictEqual(definition[field], redacted[index]?.[field]))
      .map((field) => `job ${definition.job_id}: ${field} holds a secret`),
  );
  if (lines.length === 0) return;
  const advice = '--secrets writes them, --masked writes ******** for them';
  throw new VedetteError('VED_USAGE', [...lines, advice].join('\n'));
}

/** Replaces the file at once: a reader sees all of the old one or all of the new one. */
function writeWhole(file: string, text: string, isSecret: boolean): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, text, { mode: isSecret ? 0o600 : 0o666 });
  renameSync(draft, file);
}

interface ImportOptions {
  dryRun?: boolean;
  yes?: boolean;
  prune?: boolean;
  format?: string;
}

export function addImport(cli: Cli, jobs: Command, run: Run): void {
  jobs
    .command('import')
    .description('make the jobs of the database those of files in any form; says what it will do before it does it')
    .argument('<files...>', `files, or folders of them; ${STANDARD_INPUT} is standard input`)
    .addOption(formatOption('form of the files; guessed from ending and content unless given'))
    .option('-n, --dry-run', 'only say what would be done')
    .option('--prune', 'remove the jobs that the files do not have; those of the job files stay')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      formTexts() +
        examples(
          ['vedette jobs import sites.yaml --dry-run', 'what would be done'],
          ['vedette jobs import sites.csv more.ini --yes', 'several files, without a question'],
          [
            'vedette jobs export --secrets | vedette -e other.env jobs import - --prune',
            'from one database to another',
          ],
        ),
    )
    .action((files: string[], options: ImportOptions, command: Command) =>
      run(command, async (work) => {
        const { store, rules } = work;
        const definitions = await readFiles(cli, files, options.format, work);
        const plan = planImport(definitions, await store.list(), rules);
        const prune = options.prune === true;
        showPlan(cli, plan, rules.toJob, prune);
        const changes = toImport(plan, prune);
        const count = changes.created.length + changes.changed.length + changes.removed.length;
        if (count === 0) return;
        if (options.dryRun) return cli.stdout.line('Nothing was changed (--dry-run).');
        if (!options.yes && !files.includes(STANDARD_INPUT) && !(await confirm(cli, 'Go on?'))) {
          return cli.stdout.line('Nothing was changed.');
        }
        await store.applyImport(changes);
        cli.stdout.line('Done.');
      }),
    );
}

async function readFiles(
  { cwd = '.' }: Cli,
  files: readonly string[],
  format: string | undefined,
  { rules, settings }: Work,
): Promise<JobDefinition[]> {
  const set = new JobSet({ rules, resolve: settings.variable });
  const paths = files.filter((file) => file !== STANDARD_INPUT).map((file) => path.resolve(cwd, file));
  await addFiles(set, paths, format);
  if (files.includes(STANDARD_INPUT)) addBytes(set, 'standard input', readFileSync(0), format);
  return set.definitions();
}

function showPlan(
  { stdout }: Cli,
  { created, changed, unchanged, absent }: ImportPlan,
  toJob: Work['rules']['toJob'],
  prune: boolean,
): void {
  const { style } = stdout;
  const title = (jobId: number, name: string) => plainText(`job ${jobId}  ${name}`);
  const nameOf = (definition: JobDefinition) => toJob(definition, definition.job_id as number).name;
  const show = (value: unknown) => (value === undefined ? 'nothing' : shorten(JSON.stringify(value)));
  for (const definition of created) {
    stdout.line(style.green(`new      ${title(definition.job_id as number, nameOf(definition))}`));
  }
  for (const { stored, fields } of changed) {
    stdout.line(style.yellow(`changed  ${title(stored.job.jobId, stored.job.name)}`));
    for (const { field, from, to } of fields) stdout.line(`           ${field}: ${show(from)} -> ${show(to)}`);
  }
  if (prune) for (const { job } of absent) stdout.line(style.red(`removed  ${title(job.jobId, job.name)}`));
  const counts = [`${created.length} new`, `${changed.length} changed`, `${prune ? absent.length : 0} removed`];
  stdout.line(`${[...counts, `${unchanged.length} unchanged`].join(', ')}`);
  if (!prune && absent.length > 0) {
    const ids = absent.map(({ job }) => job.jobId).join(', ');
    stdout.line(`Not in the files, and removed with --prune: ${shorten(ids)}`);
  }
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);
