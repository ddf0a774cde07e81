import { statfs } from 'node:fs/promises';
import type { Lifecycle } from '../core/lifecycle.ts';
import { silentLogger } from '../core/logger.ts';
import type { Job } from '../jobs/definition.ts';
import type { LackingSecret, Referring } from '../jobs/lacking-secrets.ts';
import type { Database } from '../postgres/database.ts';
import type { SettingProblem, Settings } from '../settings.ts';
import type { StreamDriver } from '../streaming/driver.ts';
import type { KafkaSurvey } from '../streaming/kafkajs/survey.ts';

/** The properties of this machine that examinations need; tests replace them. */
export interface Machine {
  /** As process.versions.node. */
  nodeVersion: string;
  /** ms since the epoch, by this machine's clock. */
  wallMs(): number;
  /** Bytes of the file system that holds `path`. */
  space(path: string): Promise<{ free: number; total: number }>;
}

export const thisMachine: Machine = {
  nodeVersion: process.versions.node,
  wallMs: () => Date.now(),
  async space(path) {
    const { bavail, blocks, bsize } = await statfs(path);
    return { free: bavail * bsize, total: blocks * bsize };
  },
};

/** The subjects of examinations. Connections are made when first asked for, and shared. */
export interface ExaminationContext {
  readonly settings: Settings;
  /** Problems of the settings; the settings concerned have their defaults in `settings`. */
  readonly settingsProblems: readonly SettingProblem[];
  readonly machine: Machine;
  /** Returns the jobs of the job file; null if there is none. Throws VED_JOBS_FILE_INVALID. */
  loadJobs(): Promise<readonly Job[] | null>;
  /** Returns the secrets that jobs lack on this machine. */
  lackingSecrets(jobs: Iterable<Referring>): Promise<LackingSecret[]>;
  /** Null: the embedded server is not running. Throws VED_DATABASE_UNAVAILABLE. */
  database(): Promise<Database | null>;
  /** As `database`; null also if tables are missing or old. */
  tables(): Promise<Database | null>;
  /** The stream, through its driver; null where `tables` is. Throws VED_STREAM_UNAVAILABLE, VED_DRIVER_UNAVAILABLE. */
  stream(): Promise<StreamDriver | null>;
  /** Null: the stream is not Kafka. Throws VED_STREAM_UNAVAILABLE. */
  kafka(): Promise<KafkaSurvey | null>;
}

export interface ContextOptions {
  settings: Settings;
  settingsProblems: readonly SettingProblem[];
  loadJobs(): Promise<readonly Job[] | null>;
  lackingSecrets(jobs: Iterable<Referring>): Promise<LackingSecret[]>;
  /** Closes what was opened. */
  lifecycle: Lifecycle;
  machine?: Machine;
  /** Oldest major version of PostgreSQL that will do; for tests. */
  oldestPostgres?: number;
}

/** Shorter than the time-out of an examination, so that the finding can name the dependency. */
const CONNECT_MS = 4_000;
const STATEMENT_MS = 5_000;

export function createExaminationContext(options: ContextOptions): ExaminationContext {
  const {
    settings,
    settingsProblems,
    loadJobs,
    lackingSecrets,
    lifecycle,
    machine = thisMachine,
    oldestPostgres,
  } = options;
  const database = once(async () => {
    const { openRunningDatabase } = await import('../postgres/open.ts');
    return openRunningDatabase(settings, {
      ...(oldestPostgres === undefined ? {} : { oldestVersion: oldestPostgres }),
      poolSize: 3,
      statementTimeoutMs: STATEMENT_MS,
      connectionTimeoutMs: CONNECT_MS,
      graceMs: 1_000,
      applicationName: 'vedette doctor',
      logger: silentLogger,
      lifecycle,
    });
  });
  const tables = once(async () => {
    const { pendingMigrations } = await import('../postgres/migrate.ts');
    const opened = await database();
    return opened && (await pendingMigrations(opened)).length === 0 ? opened : null;
  });
  return {
    settings,
    settingsProblems,
    machine,
    loadJobs: once(loadJobs),
    lackingSecrets,
    database,
    tables,
    stream: once(async () => {
      const { openStream } = await import('../streaming/open.ts');
      const opened = await tables();
      return opened && openStream(settings, { database: opened, logger: silentLogger, lifecycle });
    }),
    kafka: once(async () => {
      if (!settings.kafkaConnection || settings.stream.driver === 'embedded') return null;
      const { surveyKafka } = await import('../streaming/kafkajs/survey.ts');
      const survey = await surveyKafka({ ...settings.kafkaConnection, logger: silentLogger });
      lifecycle.defer(() => survey.close());
      return survey;
    }),
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
