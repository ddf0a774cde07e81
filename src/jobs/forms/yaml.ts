import { type FieldNames, isObject, renamedEntry, wireEntry } from './entries.ts';
import type { FormEntry, FormProblem, JobForm } from './form.ts';
import { parseYaml, writeYaml } from './yaml-tree.ts';

const CHECK_FIELDS: FieldNames = {
  url: 'uri',
  name: 'job_name',
  expected_code: 'expected_status',
  regexp: 'pattern',
  check_period: 'check_period_seconds',
  job_id: 'job_id',
};
const ACCEPTED = 'a mapping with a list of checks or of jobs';

/** `checks:` with few fields and short names, and `jobs:` with the fields of jobs.json. */
export const yaml: JobForm = {
  name: 'yaml',
  description: 'YAML with `checks:` (url, expected_code, regexp, check_period) or `jobs:` as in JSON',
  extensions: ['.yaml', '.yml'],
  isLike: (text) => /^["']?(checks|jobs)["']?\s*:/m.test(text),
  read(text) {
    const { tree, problems: faults } = parseYaml(text);
    if (!tree) return { entries: [], problems: faults };
    const { value, lineOf } = tree;
    const entries: FormEntry[] = [];
    const problems: FormProblem[] = [];
    const refuse = (path: string, given: unknown, accepted: string) =>
      problems.push({ path, given, accepted, line: lineOf(path) });
    if (!isObject(value)) refuse('', value ?? undefined, `${ACCEPTED}; or a list of targets`);
    else if (Object.keys(value).length === 0) refuse('', undefined, ACCEPTED);
    for (const [key, list] of Object.entries(isObject(value) ? value : {})) {
      if (key !== 'checks' && key !== 'jobs') refuse(key, list, 'only the keys checks and jobs');
      else if (list === null)
        continue; // All lines of the list are commented out.
      else if (!Array.isArray(list)) refuse(key, list, `a list of ${key}`);
      else if (key === 'jobs') entries.push(...list.map((job, index) => wireEntry(job, `jobs[${index}]`, lineOf)));
      else {
        for (const [index, check] of list.entries()) {
          const read = renamedEntry(check, CHECK_FIELDS, `checks[${index}]`, tree);
          entries.push({ ...read.entry, definition: withCode(read.entry.definition) });
          problems.push(...read.problems);
        }
      }
    }
    return { entries, problems };
  },
  write: (definitions) => writeYaml({ jobs: definitions }),
};

/** A check with a regexp accepts every status; one without accepts its expected code, 200 by default. */
function withCode(check: unknown): unknown {
  if (!isObject(check)) return check;
  const code = check.pattern === undefined ? (check.expected_status ?? 200) : '100-999';
  return { ...check, expected_status: code };
}
