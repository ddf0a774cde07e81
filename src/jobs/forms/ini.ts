import { type FormProblem, firstLine, type JobForm, type Reading } from './form.ts';
import { type TextField, textEntry, textFields } from './text-entry.ts';

interface Section {
  name: string;
  line: number;
  fields: TextField[];
  /** Whether an earlier section has the same name. */
  isTwin: boolean;
}

/** The section whose fields apply to every section that does not set them. */
const DEFAULTS = 'DEFAULT';

/** `[name of a site]`, then `url = ...` and any other fields of a job. */
export const ini: JobForm = {
  name: 'ini',
  description: 'INI, a section for each site: url, interval, pattern and every other field, as in tls.verify = no',
  extensions: ['.ini', '.cfg', '.conf'],
  isLike: (text) => /^\[.*\]$/s.test(firstLine(text)),
  read(text, schemas) {
    const { sections, problems } = readSections(text);
    const defaults = sections.find(({ name }) => name === DEFAULTS)?.fields ?? [];
    const reading: Reading = { entries: [], problems };
    for (const { name, line, fields, isTwin } of sections) {
      if (name === DEFAULTS || isTwin) continue;
      const own = new Set(fields.map((field) => field.name));
      const all = [...defaults.filter((field) => !own.has(field.name)), ...fields];
      const read = textEntry(all, { place: `[${name}]`, line, schemas, defaults: { job_name: name } });
      reading.entries.push(read.entry);
      problems.push(...read.problems);
    }
    return reading;
  },
  write(definitions, schemas) {
    const used = new Set([DEFAULTS]);
    const sections = definitions.map((definition) => {
      const { job_name, ...fields } = definition;
      const name = String(job_name ?? definition.uri ?? `job ${definition.job_id}`);
      const isTitle = name !== '' && name === name.trim() && !/[\r\n]/.test(name) && !used.has(name);
      let title = isTitle ? name : `job ${definition.job_id}`;
      while (used.has(title)) title += '_';
      used.add(title);
      const written = textFields(title === name ? fields : { job_name: name, ...fields }, schemas);
      return [`[${title}]`, ...written.map(([key, value]) => `${key} = ${value}`), ''].join('\n');
    });
    return sections.join('\n');
  },
};

/**
 * The format is parsed here, because the maintained INI parsers report neither the line of a key nor a repeated
 * section.
 */
function readSections(text: string): { sections: Section[]; problems: FormProblem[] } {
  const sections: Section[] = [];
  const problems: FormProblem[] = [];
  text.split(/\r\n|\r|\n/).forEach((raw, index) => {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || /^[;#]/.test(content)) return;
    const [, title] = /^\[(.*)\]$/s.exec(content) ?? [];
    const [, name, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/s.exec(content) ?? [];
    const section = sections.at(-1);
    if (title !== undefined) {
      const twin = sections.find((other) => other.name === title.trim());
      const path = `[${title}]`;
      if (title.trim() === '') problems.push({ line, path, given: title, accepted: 'the name of a site' });
      if (twin) problems.push({ line, path, given: title, accepted: `a name of its own, line ${twin.line} has it` });
      sections.push({ name: title.trim(), line, fields: [], isTwin: twin !== undefined });
    } else if (name === undefined) {
      // The line may be part of a key or certificate, so it is not shown.
      const accepted = '[section], name = value, or a comment; line breaks within double quotes are written \\n';
      problems.push({ line, path: section ? `[${section.name}]` : '', found: 'other text', accepted });
    } else if (section) {
      section.fields.push({ name, text: value ?? '', line });
    } else {
      problems.push({ line, path: name, found: 'a field', accepted: 'a [section] before the first field' });
    }
  });
  return { sections, problems };
}
