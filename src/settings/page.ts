import { describeSettings, type SettingDescription } from './describe.ts';
import { isGroup, metaOf } from './leaf.ts';
import { settingsSchema } from './schema.ts';

const INTRODUCTION = `# Settings

This page is generated from the schema of the settings: \`npm run docs\` writes it, \`vedette config show --markdown\` prints it.

A value is taken from the first of these that gives it: the command line, the environment, \`.env\` (\`-e FILE\` names another
file), the settings file (\`--settings FILE\`, then \`settings/default.yaml\`), the default. \`vedette config show\` prints the
values in effect and where each came from; \`vedette config check\` validates them and the job files without running anything.

* **Environment:** every setting has a name there: \`VEDETTE_\` and its path, such as \`VEDETTE_SCHEDULER_LEASE=10s\`. Some have
  shorter names too, listed below. An empty variable counts as not set. Two names of one setting with different values are an
  error.
* **Command line:** \`--set scheduler.lease=10s\`, and options of their own for the most common settings (\`vedette serve --help\`).
* **Settings file:** YAML or JSON, nested by the dots of the path.
* **Values:** durations are \`500ms\`, \`30s\`, \`48h\`, \`7d\`; sizes \`512KiB\`, \`1MiB\`; lists are separated by commas outside a
  settings file. Certificates are files relative to \`settings/\`, or PEM text.

All problems are reported at once, each with the value, its source and what is accepted. Unknown names are errors.
`;

/** All settings in Markdown, a section and a table for each group: docs/settings.md. */
export function settingsPage(): string {
  const settings = describeSettings();
  const sections = Object.entries(settingsSchema.properties).flatMap(([name, schema]) => {
    if (!isGroup(schema)) return [];
    const own = settings.filter(({ path }) => path.startsWith(`${name}.`));
    return [`## ${name}`, `${metaOf(schema).description}.`, table(own)];
  });
  const single = settings.filter(({ path }) => !path.includes('.'));
  return `${[INTRODUCTION.trimEnd(), '## Without a group', table(single), ...sections].join('\n\n')}\n`;
}

function table(settings: readonly SettingDescription[]): string {
  const rows = settings.map(({ path, description, default: value, accepted, env }) => {
    const shortNames = env.slice(0, -1).map((name) => `\`${name}\``);
    const cells = [`\`${path}\``, value === '' ? '' : `\`${value}\``, shortNames.join(' '), description, accepted];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return [
    '| setting | default | short name in the environment | what it is | accepted |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
