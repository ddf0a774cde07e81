import { isObject, wireEntry } from './entries.ts';
import type { FormProblem, JobForm } from './form.ts';
import { findJsonFault, findRepeatedKey } from './json-faults.ts';
import { linesOfJson } from './yaml-tree.ts';

const ACCEPTED = 'a list of jobs, or an object with such a list named jobs';

/** `[{ "job_id": 1, "uri": "https://example.com/" }]`, or such a list as `jobs` of an object. */
export const json: JobForm = {
  name: 'json',
  description: 'a JSON list of jobs, every field in its wire name',
  extensions: ['.json'],
  isLike: (text) => /^\s*(\[\s*[{\]]|\{)/.test(text),
  read(text) {
    const problems: FormProblem[] = [];
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      const { line, column, found, accepted } = findJsonFault(text) ?? { found: 'text', accepted: String(error) };
      return { entries: [], problems: [{ line, column, path: '', found, accepted }] };
    }
    const twice = findRepeatedKey(text);
    if (twice)
      return { entries: [], problems: [{ ...twice, found: 'a key that was given before', accepted: 'each key once' }] };
    const lineOf = linesOfJson(text);
    const refuse = (path: string, given: unknown, accepted: string) =>
      problems.push({ path, given, accepted, line: lineOf(path) });
    let list: unknown[] = [];
    if (Array.isArray(value)) list = value;
    else if (!isObject(value)) refuse('', value, ACCEPTED);
    else {
      for (const key of Object.keys(value)) {
        if (key !== 'jobs') refuse(key, value[key], `only the key jobs: ${ACCEPTED}`);
      }
      if (Array.isArray(value.jobs)) list = value.jobs;
      else refuse('jobs', value.jobs, 'a list of jobs');
    }
    const at = Array.isArray(value) ? '' : 'jobs';
    return { entries: list.map((entry, index) => wireEntry(entry, `${at}[${index}]`, lineOf)), problems };
  },
  write: (definitions) => `${JSON.stringify(definitions, null, 2)}\n`,
};
