import { wireEntry } from './entries.ts';
import { type FormEntry, type FormProblem, firstLine, type JobForm } from './form.ts';

/** Of any monitor type. */
const ADDRESS = /^[a-z][a-z0-9+.-]*:\/\/\S+$/i;

/** One address a line. Empty lines and lines that begin with # are ignored. */
export const addresses: JobForm = {
  name: 'addresses',
  description: 'one address a line',
  // A .txt may be of any form, which its content decides.
  extensions: [],
  fields: ['job_id', 'uri'],
  isLike: (text) => ADDRESS.test(firstLine(text)),
  read(text) {
    const entries: FormEntry[] = [];
    const problems: FormProblem[] = [];
    for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
      const given = raw.trim();
      const line = index + 1;
      if (given === '' || given.startsWith('#')) continue;
      if (ADDRESS.test(given)) entries.push({ ...wireEntry({ uri: given }, '', () => line), derivesId: true });
      else problems.push({ line, path: '', given, accepted: 'one address, such as https://example.com/' });
    }
    return { entries, problems };
  },
  write: (definitions) =>
    definitions
      .map(({ uri, job_id: id }) => (uri === undefined ? `# job ${id} has no address\n` : `${uri}\n`))
      .join(''),
};
