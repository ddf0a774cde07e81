import type { JobDefinition } from './job-store.ts';

/** Shown instead of a secret; sent back, it means the stored one. */
export const MASK = '********';

type Tree = Record<string, unknown>;

/** A copy with a mask for each secret: the wire paths given (case-insensitive), and passwords within addresses. */
export function redactSecrets(definition: JobDefinition, secrets: readonly string[]): JobDefinition {
  return mapLeaves(definition as Tree, [], (path, value) => {
    if (isSecret(path, secrets)) return MASK;
    return typeof value === 'string' ? maskPassword(value) : value;
  });
}

/**
 * Puts the stored secret where the mask was sent back. A mask that stands for nothing stays: it is no secret anybody
 * would choose, and validation of the target's answer will tell.
 */
export function restoreSecrets(definition: JobDefinition, stored: JobDefinition): JobDefinition {
  return mapLeaves(definition as Tree, [], (path, value) => {
    const known = lookup(stored, path);
    if (value === MASK) return known ?? value;
    const isMasked = typeof value === 'string' && typeof known === 'string' && value === maskPassword(known);
    return isMasked ? known : value;
  });
}

/** `https://user:secret@host/` -> `https://user:********@host/` */
function maskPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#@:]*:)[^/?#]*@/i, (_, start) => `${start}${MASK}@`);
}

function isSecret(path: readonly string[], secrets: readonly string[]): boolean {
  const name = path.join('.').toLowerCase();
  return secrets.includes(name);
}

function mapLeaves(tree: Tree, at: readonly string[], map: (path: string[], value: unknown) => unknown): Tree {
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => {
      const path = [...at, key];
      const isTree = typeof value === 'object' && value !== null && !Array.isArray(value);
      return [key, isTree ? mapLeaves(value as Tree, path, map) : map(path, value)];
    }),
  );
}

function lookup(tree: unknown, path: readonly string[]): unknown {
  let at = tree;
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Tree)[key];
  }
  return at;
}
