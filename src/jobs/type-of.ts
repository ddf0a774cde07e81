import type { Registry } from '../core/registry.ts';
import type { MonitorType } from '../monitors/monitor.ts';
import { DEFAULT_TYPE } from './fields.ts';
import type { JobDefinition } from './store.ts';

/** Finds monitor types by the addresses that they check. */
export interface AddressTypes {
  /** Returns the type that a definition names, else that of its address's scheme, else http. It may be no type at all. */
  typeOf(definition: JobDefinition): unknown;
  /** Whether no type has the scheme of a text that begins with one. */
  isForeign(address: unknown): boolean;
  /** `dns://, http:// and https://`, for people. */
  readonly schemes: string;
}

/** Throws if two types have a scheme in common. */
export function createAddressTypes(monitors: Registry<MonitorType>): AddressTypes {
  const names = new Map<string, string>();
  for (const { name, schemes = [] } of monitors.all()) {
    for (const scheme of schemes) {
      const other = names.get(scheme);
      if (other !== undefined) throw new Error(`Monitor types ${other} and ${name} have the same scheme ${scheme}`);
      names.set(scheme, name);
    }
  }
  const sorted = [...names.keys()].sort().map((scheme) => `${scheme}://`);
  return {
    typeOf: ({ type, uri }) => type ?? names.get(schemeOf(uri) ?? '') ?? DEFAULT_TYPE,
    isForeign: (address) => {
      const scheme = schemeOf(address);
      return scheme !== null && !names.has(scheme);
    },
    schemes: `${sorted.slice(0, -1).join(', ')} and ${sorted.at(-1)}`,
  };
}

function schemeOf(address: unknown): string | null {
  if (typeof address !== 'string') return null;
  return /^([a-z][a-z0-9+.-]*):\/\//i.exec(address)?.[1]?.toLowerCase() ?? null;
}
