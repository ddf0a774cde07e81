// Every folder of src is a room with a rule, and every dependency has an owner.
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const { PACKAGE_OWNERS } = require('./package-owners.cjs');
const { OPEN_FILES, ROOMS } = require('./rooms.cjs');

/** @param {Iterable<string>} files @param {Record<string, Record<string, string> | undefined>} packageJson */
export function checkRooms(files, packageJson) {
  const problems = [];
  const found = new Set([...files].filter((file) => file.startsWith('src/')).map(roomOf));
  for (const room of found) {
    if (!Object.hasOwn(ROOMS, room) && !OPEN_FILES.includes(room) && room !== 'root') {
      problems.push(`src/${room} has no entry in scripts/house/rooms.cjs`);
    }
  }
  for (const room of Object.keys(ROOMS)) {
    if (!found.has(room)) problems.push(`scripts/house/rooms.cjs: src/${room} is not there any more`);
  }
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packageJson;
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })) {
    if (!Object.hasOwn(PACKAGE_OWNERS, name)) {
      problems.push(`package.json: ${name} has no owner in scripts/house/package-owners.cjs`);
    }
  }
  return problems;
}

/** `settings` for src/settings.ts and src/settings/leaf.ts. */
function roomOf(file) {
  return file.split('/')[1].replace(/\.ts$/, '');
}
