import { type FieldNames, renamedEntry } from './entries.ts';
import { firstLine, type JobForm } from './form.ts';
import { parseYaml, writeYaml } from './yaml-tree.ts';

const TARGET_FIELDS: FieldNames = {
  job_id: 'job_id',
  name: 'job_name',
  url: 'uri',
  pattern: 'pattern',
  interval: 'check_period_seconds',
};

/** `- { url: https://example.com/, pattern: "Yes", interval: 30s }`, one after the other. */
export const targets: JobForm = {
  name: 'targets',
  description: 'a YAML list of sites: url, pattern, interval, name',
  extensions: ['.yaml', '.yml'],
  fields: Object.values(TARGET_FIELDS),
  isLike: (text) => /^-(\s|$)/.test(firstLine(text)),
  read(text) {
    const { tree, problems } = parseYaml(text);
    if (!tree) return { entries: [], problems };
    const { value, lineOf } = tree;
    if (!Array.isArray(value)) {
      const accepted = 'a list of sites, each with url and, if wanted, name, pattern and interval';
      return { entries: [], problems: [{ path: '', given: value ?? undefined, accepted, line: lineOf('') }] };
    }
    const read = value.map((target, index) => renamedEntry(target, TARGET_FIELDS, `[${index}]`, tree));
    return { entries: read.map(({ entry }) => entry), problems: read.flatMap(({ problems }) => problems) };
  },
  write(definitions) {
    const list = definitions.map((definition) =>
      Object.fromEntries(
        Object.entries(TARGET_FIELDS)
          .filter(([, wire]) => definition[wire] !== undefined)
          .map(([name, wire]) => [name, definition[wire]]),
      ),
    );
    return writeYaml(list);
  },
};
