// SQL stands where its table is owned: writes in the owner's folder, reads there, in the read model and in listed files.
import { FUNCTION_WRITES, OTHER_READERS, OTHER_WRITERS, READ_MODEL, TABLE_OWNERS } from './table-owners.mjs';

const WRITE =
  /\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|TRUNCATE(?:\s+TABLE)?|MERGE\s+INTO|COPY)\s+(?:ONLY\s+)?(\$\{|[a-z_]+)/g;
const COPY_FROM = /\bcopyFrom\(\s*[`'"]([a-z_]+)/g;
const READ = /(?<!\bDELETE\s+)\b(?:FROM|JOIN|USING)\s+(?:ONLY\s+)?([a-z_]+)/g;
const CALL = /\bSELECT\s+([a-z_]+)\(/g;
const CREATE_TABLE = /^\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?([a-z_]+)/gm;

/** @param {ReadonlyMap<string, string>} sources text by path @param {ReadonlyMap<string, string>} migrations */
export function checkTables(sources, migrations) {
  const problems = [];
  const created = new Set([...migrations.values()].flatMap((sql) => namesOf(withoutSqlComments(sql), CREATE_TABLE)));
  for (const table of created) {
    if (!Object.hasOwn(TABLE_OWNERS, table))
      problems.push(`table ${table} has no owner in scripts/house/table-owners.mjs`);
  }
  const usedExceptions = new Set();
  const mayUse = (exceptions, file, table) => {
    const isListed = exceptions[file]?.tables.includes(table) ?? false;
    if (isListed) usedExceptions.add(`${file} ${table}`);
    return isListed;
  };
  for (const [file, text] of sources) {
    if (!file.startsWith('src/')) continue;
    const code = withoutComments(text);
    const called = namesOf(code, CALL).flatMap((name) => FUNCTION_WRITES[name] ?? []);
    for (const table of new Set([...namesOf(code, WRITE), ...namesOf(code, COPY_FROM), ...called])) {
      if (table === '${') {
        const isOwner = Object.values(TABLE_OWNERS).some((owner) => file.startsWith(owner));
        if (!isOwner) problems.push(`${file}: writes a table whose name is computed; only folders that own tables may`);
        continue;
      }
      const owner = TABLE_OWNERS[table];
      if (owner === undefined || file.startsWith(owner) || mayUse(OTHER_WRITERS, file, table)) continue;
      problems.push(`${file}: writes ${table}, which only ${owner} may write`);
    }
    for (const table of new Set(namesOf(code, READ))) {
      const owner = TABLE_OWNERS[table];
      if (owner === undefined || file.startsWith(owner) || file.startsWith(READ_MODEL)) continue;
      if (mayUse(OTHER_READERS, file, table) || mayUse(OTHER_WRITERS, file, table)) continue;
      problems.push(`${file}: reads ${table} of ${owner}; reads for people belong to ${READ_MODEL}`);
    }
  }
  for (const exceptions of [OTHER_WRITERS, OTHER_READERS]) {
    for (const [file, { tables, reason }] of Object.entries(exceptions)) {
      if (!reason) problems.push(`scripts/house/table-owners.mjs: ${file} has no reason`);
      for (const table of tables) {
        if (!usedExceptions.has(`${file} ${table}`)) {
          problems.push(`scripts/house/table-owners.mjs: ${file} does not use ${table} any more`);
        }
      }
    }
  }
  return problems;
}

function namesOf(text, pattern) {
  return [...text.matchAll(pattern)].map(([, name]) => name);
}

function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
}

function withoutSqlComments(sql) {
  return sql.replace(/--.*$/gm, '');
}
