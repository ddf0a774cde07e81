import type { MetricSetting } from './aggregates/metrics-plan.ts';
import { isLoopback } from './core/loopback.ts';
import {
  type DatabaseServer,
  databaseServer,
  type KafkaConnection,
  kafkaConnection,
  type SettingsTree,
} from './settings/connections.ts';
import { resolveMetrics } from './settings/metrics.ts';
import { type SettingProblem, SettingsError } from './settings/problems.ts';
import { build, collect, type Given } from './settings/resolve.ts';
import { secretVariables } from './settings/secret-variables.ts';
import { readEnvFile, readSettingsFiles, type Source } from './settings/sources.ts';

export { showSettings } from './settings/describe.ts';
export { settingsPage } from './settings/page.ts';
export { type SettingProblem, SettingsError } from './settings/problems.ts';
export { settingMeta } from './settings/resolve.ts';

/**
 * All settings, in camelCase, defaults filled in, deeply frozen. Durations are ms (keys end in `Ms`, null means for
 * ever), sizes bytes (`Bytes`), paths absolute, certificates PEM texts.
 */
export type Settings = Omit<SettingsTree, 'metrics'> & {
  /** The metrics, built-in functions filled in where none are named. */
  readonly metrics: readonly MetricSetting[];
  /** The PostgreSQL to connect to; null: the embedded one under `dataDir`. */
  readonly databaseServer: DatabaseServer | null;
  /** How to reach Kafka; null when no bootstrap servers are set. */
  readonly kafkaConnection: KafkaConnection | null;
  /** Topics of copies. Their results are not counted. */
  readonly copyTopics: readonly string[];
  /** Networks that checks may always connect to: `gate.allow` and `monitors.allow`. */
  readonly allowedNetworks: readonly string[];
  /** Whether the API listens on anything but a loopback address. */
  readonly isPublic: boolean;
  /** Whether the job files were named explicitly, so that they must exist. */
  readonly isJobsFileNamed: boolean;
  /** The variables of the environment and of .env that are secrets of jobs: those with `secrets.envPrefix`. */
  readonly secretVariables: Readonly<Record<string, string>>;
  /** Returns a variable of the environment or of .env, for `${NAME}` in a job file. */
  readonly variable: (name: string) => string | undefined;
};

export interface LoadOptions {
  /** Values from the command line by dotted path (`server.port`), as text. */
  flags?: Readonly<Record<string, string | undefined>>;
  /** Default: the process's environment. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Base of settings/, .env and relative paths. Default: the working directory. */
  cwd?: string;
  /** A .env file that must exist (`-e FILE`). Default: .env or settings/.env, if present. */
  envFile?: string | undefined;
  /** A settings file or the name of one in settings/ (`--settings FILE`), read over settings/default.yaml. */
  settingsFile?: string | undefined;
}

/** The settings with the source of each given value, by dotted path. */
export interface ResolvedSettings {
  settings: Settings;
  given: ReadonlyMap<string, Given>;
}

/**
 * Reads the settings: command line over environment over .env over settings files over defaults. Throws SettingsError
 * with every problem at once.
 */
export function loadSettings(options: LoadOptions = {}): Settings {
  return resolveSettings(options).settings;
}

export function resolveSettings(options: LoadOptions = {}): ResolvedSettings {
  const { problems, ...resolved } = examineSettings(options);
  if (problems.length > 0) throw new SettingsError(problems);
  return resolved;
}

/** As resolveSettings, but returns the problems; invalid settings have their defaults. */
export function examineSettings(options: LoadOptions = {}): ResolvedSettings & { problems: readonly SettingProblem[] } {
  const { flags = {}, env = process.env, cwd = process.cwd() } = options;
  const problems: SettingProblem[] = [];
  const envFile = readEnvFile(cwd, options.envFile ?? (env.VEDETTE_ENV_FILE || undefined), problems);
  const settingsFile =
    options.settingsFile ??
    (env.VEDETTE_SETTINGS || (envFile?.kind === 'env' ? envFile.variables.VEDETTE_SETTINGS : undefined) || undefined);
  const sources: Source[] = [
    ...readSettingsFiles(cwd, settingsFile, problems),
    ...(envFile ? [envFile] : []),
    { kind: 'env', name: 'the environment', variables: { ...env }, isOwnFile: false },
    { kind: 'flags', values: { ...flags } },
  ];
  const given = collect(sources, cwd, problems);
  const tree = build(given, cwd, problems) as unknown as SettingsTree;
  // The following checks combine several settings, which makes sense only if each is valid.
  const together = problems.length === 0 ? problems : [];
  const settings: Settings = {
    ...tree,
    metrics: resolveMetrics(tree.metrics, given.get('metrics')?.source, together),
    databaseServer: databaseServer(tree, given, together),
    kafkaConnection: kafkaConnection(tree, given, together),
    copyTopics: [tree.topics.success, tree.topics.failures].filter((topic) => topic !== null),
    allowedNetworks: [...tree.gate.allow, ...tree.monitors.allow],
    isPublic: !isLoopback(tree.server.host),
    isJobsFileNamed: given.has('jobs_file'),
    secretVariables: secretVariables(tree, given, [envFile?.kind === 'env' ? envFile.variables : {}, env], together),
    variable: (name) => env[name] ?? (envFile?.kind === 'env' ? envFile.variables[name] : undefined),
  };
  checkTopics(tree, given, together);
  checkSites(given, together);
  checkOidc(settings, given, together);
  return { settings: deepFreeze(settings), given, problems };
}

/** The counted topic must differ from the topics of copies. */
function checkTopics({ topics }: SettingsTree, given: ReadonlyMap<string, Given>, problems: SettingProblem[]): void {
  for (const name of ['success', 'failures'] as const) {
    const path = `topics.${name}`;
    const source = given.get(path)?.source;
    if (topics[name] !== topics.results) continue;
    const accepted = `another topic than topics.results (${given.get('topics.results')?.source ?? 'default'})`;
    problems.push({ path, given: `"${topics[name]}"`, ...(source ? { source } : {}), accepted });
  }
}

/** Jobs come from files or from the settings; options of sites need a site. */
function checkSites(given: ReadonlyMap<string, Given>, problems: SettingProblem[]): void {
  const url = given.get('site.url');
  const file = given.get('jobs_file');
  if (url && file) {
    const both = `a value (${url.source}) beside jobs_file (${file.source})`;
    problems.push({ path: 'site.url', given: both, accepted: 'one of the two: addresses, or files of jobs' });
  }
  for (const path of ['site.seconds', 'site.pattern']) {
    const source = given.get(path)?.source;
    if (source && !url) problems.push({ path, given: 'a value', source, accepted: 'nothing without site.url' });
  }
}

/** Sign-in by a provider needs a client, and an address that the provider sends browsers back to. */
function checkOidc(
  { server, isPublic }: Settings,
  given: ReadonlyMap<string, Given>,
  problems: SettingProblem[],
): void {
  const issuer = given.get('server.oidc.issuer');
  const { source } = issuer ?? given.get('server.oidc.client_id') ?? {};
  const refuse = (path: string, accepted: string) =>
    problems.push({ path, given: 'nothing', ...(source ? { source } : {}), accepted });
  if (source === undefined) return;
  if (server.oidc.issuer === null) refuse('server.oidc.issuer', 'the address of the provider, beside client_id');
  if (server.oidc.clientId === null) refuse('server.oidc.client_id', 'the client id, beside issuer');
  if (!server.oidc.scopes.includes('openid')) refuse('server.oidc.scopes', 'openid among them');
  const isExposed = isPublic || server.allowedHosts.length > 0 || server.trustProxy.length > 0;
  if (isExposed && server.publicUrl === null) {
    refuse('server.public_url', 'the address of the page, which the OpenID provider sends browsers back to');
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
