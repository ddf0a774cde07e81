import { createRequire } from 'node:module';
import { nearest } from '../../core/nearest.ts';
import { counted } from '../../core/plural.ts';
import type { FieldSchemas } from './field-schemas.ts';
import { type FormProblem, firstLine, type JobForm } from './form.ts';
import { shortNames, type TextField, textEntry, textFields, wireNameOf } from './text-entry.ts';

const require = createRequire(import.meta.url);

interface Cell {
  text: string;
  line: number;
}

/** A header row that names the fields of a job, then a row for each. */
export const csv: JobForm = {
  name: 'csv',
  description: 'CSV, a row for each site, under a header: url, name, interval, pattern and every other field',
  extensions: ['.csv', '.tsv'],
  isLike: (text) => /(^|[,;\t"])\s*(url|uri)\s*($|[,;\t"])/i.test(firstLine(text)),
  read(text, schemas) {
    const { rows, problems } = readRows(text, delimiterOf(text));
    const [header = [], ...body] = rows;
    if (header.length === 0) {
      problems.push({ path: '', given: undefined, accepted: 'a header row that names the fields', line: 1 });
    }
    const names = header.map(({ text: name }) => name.trim());
    const refused = refusedColumns(header, names, schemas);
    problems.push(...refused.values());
    const entries = body.map((cells) => {
      const line = cells[0]?.line ?? 1;
      const fields = cells.flatMap((cell, index): TextField[] => {
        const name = names[index];
        if (cell.text === '' || refused.has(index)) return [];
        if (name) return [{ name, ...cell }];
        const accepted =
          names.length > index ? 'a name in the header' : `no more than ${counted(names.length, 'cell')}`;
        problems.push({ path: `cell ${index + 1}`, line: cell.line, found: 'a value', accepted });
        return [];
      });
      const { entry, problems: faults } = textEntry(fields, { place: '', line, schemas });
      problems.push(...faults);
      return entry;
    });
    return { entries, problems };
  },
  write(definitions, schemas) {
    const rows = definitions.map((definition) => new Map(textFields(definition, schemas)));
    const names = [...new Set(rows.flatMap((row) => [...row.keys()]))];
    const lines = [names, ...rows.map((row) => names.map((name) => row.get(name) ?? ''))];
    return lines.map((cells) => `${cells.map(quote).join(',')}\n`).join('');
  },
};

/** Returns the problems of columns with unknown or repeated names, by index. */
function refusedColumns(
  header: readonly Cell[],
  names: readonly string[],
  schemas: FieldSchemas,
): Map<number, FormProblem> {
  const known = [...schemas.names, ...shortNames()];
  const problems = new Map<number, FormProblem>();
  header.forEach(({ line }, index) => {
    const name = names[index] ?? '';
    const twin = names.findIndex((other) => wireNameOf(other) === wireNameOf(name));
    const refuse = (accepted: string) => problems.set(index, { path: name, line, given: name, accepted });
    if (name === '') return;
    if (twin < index) refuse(`a field once, column ${twin + 1} has it`);
    if (known.includes(wireNameOf(name).replace(/\..*/s, ''))) return;
    const meant = nearest(name, known);
    refuse(meant ? `no such field; did you mean ${meant}?` : `one of ${known.join(', ')}`);
  });
  return problems;
}

/** Spreadsheets separate cells by commas, semicolons or tabs, depending on the country. */
function delimiterOf(text: string): string {
  const counts = [',', ';', '\t'].map((sign) => [sign, firstLine(text).split(sign).length] as const);
  return counts.reduce((best, other) => (other[1] > best[1] ? other : best))[0];
}

/**
 * Returns the rows that have text in them, with the line where each cell begins. Reading ends at the first cell whose
 * quotes do not match: the beginning of the next row is unknown then.
 */
function readRows(text: string, delimiter: string): { rows: Cell[][]; problems: FormProblem[] } {
  // Loaded for the first such file.
  const csvParse = require('csv-parse/sync') as typeof import('csv-parse/sync');
  const rows: Cell[][] = [];
  let line = 1;
  try {
    csvParse.parse(text, {
      delimiter,
      trim: true,
      relax_quotes: true,
      relax_column_count: true,
      record_delimiter: ['\r\n', '\n', '\r'],
      on_record: (cells: string[]) => {
        const row = cells.map((content) => {
          const cell = { text: content, line };
          line += countLineBreaks(content);
          return cell;
        });
        line++;
        if (cells.some((content) => content !== '')) rows.push(row);
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof csvParse.CsvError)) throw error;
    const accepted = 'a quote at the end of the cell, and quotes within it doubled';
    const path = `cell ${Number(error.index) + 1}`;
    return { rows, problems: [{ path, line, found: 'text that begins with a quote', accepted }] };
  }
  return { rows, problems: [] };
}

const countLineBreaks = (text: string): number => text.match(/\r\n|\r|\n/g)?.length ?? 0;

const quote = (text: string): string => (/[",;\t\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
