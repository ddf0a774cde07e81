import { formatDuration } from '../core/duration.ts';
import { formatBytes, type LeafMeta, metaOf } from './leaf.ts';
import { type Given, settingLeaves } from './resolve.ts';
import { mask } from './values.ts';

/** Description of a setting for people, the source of docs/settings.md. */
export interface SettingDescription {
  path: string;
  description: string;
  default: string;
  accepted: string;
  /** Names in the environment: the short ones first, the derived VEDETTE_ one last. */
  env: readonly string[];
}

export function describeSettings(): SettingDescription[] {
  return settingLeaves().map(({ path, schema, env }) => {
    const meta = metaOf(schema);
    return {
      path,
      description: meta.description,
      default: showSetting(meta, meta.default),
      accepted: meta.accepted,
      env,
    };
  });
}

export interface ShownSetting {
  path: string;
  /** The value as written in a settings file, secrets masked. */
  value: string;
  source: string;
}

/** Returns every setting with its value and source. */
export function showSettings(given: ReadonlyMap<string, Given>): ShownSetting[] {
  return settingLeaves().map(({ path, schema }) => {
    const meta = metaOf(schema);
    const entry = given.get(path);
    return { path, value: showSetting(meta, entry ? entry.value : meta.default), source: entry?.source ?? 'default' };
  });
}

function showSetting(meta: LeafMeta, value: unknown): string {
  const shown = mask(meta, value);
  if (shown === null || shown === undefined) return meta.kind === 'duration' ? 'forever' : '';
  if (meta.kind === 'duration' && typeof shown === 'number') return formatDuration(shown);
  if (meta.kind === 'bytes' && typeof shown === 'number') return formatBytes(shown);
  if (meta.kind === 'pem') return shown === '***' ? '***' : `PEM text, ${String(shown).length} characters`;
  if (Array.isArray(shown) && (meta.kind === 'list' || meta.kind === 'paths')) return shown.join(',');
  return typeof shown === 'string' ? shown : JSON.stringify(shown);
}
