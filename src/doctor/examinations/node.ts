import { readFileSync } from 'node:fs';
import { opensslCost } from '../../core/openssl.ts';
import { root } from '../../root.ts';
import { type Examination, ok, problem, warning } from '../examination.ts';

interface Package {
  engines: { node: string };
}

const { engines }: Package = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const oldest = engines.node.replace('>=', '');

export const node: Examination = {
  name: 'node',
  async examine({ machine: { nodeVersion } }) {
    const found = `Node.js ${nodeVersion}`;
    if (isOlder(nodeVersion, oldest)) {
      return [
        problem('node.version', `${found}, needed is ${oldest} or newer`, 'Install the LTS version of nodejs.org.'),
      ];
    }
    if (Number(nodeVersion.split('.')[0]) % 2 === 1) {
      const advice = 'Take an even (LTS) version for anything but a trial: odd ones get no fixes after half a year.';
      return [warning('node.version', found, advice)];
    }
    const cost = opensslCost();
    return [ok('node.version', found), ...(cost === null ? [] : [ok('node.openssl', cost)])];
  },
};

function isOlder(version: string, than: string): boolean {
  const [parts, limits] = [version, than].map((text) => text.split('.').map(Number)) as [number[], number[]];
  for (const [index, limit] of limits.entries()) {
    const part = parts[index] ?? 0;
    if (part !== limit) return part < limit;
  }
  return false;
}
