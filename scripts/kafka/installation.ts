import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../cache-folder.mjs';

const pom = join(import.meta.dirname, 'pom.xml');

/** Why no Kafka can be run here, or undefined when it can. */
export function whyNoKafka(): string | undefined {
  if (spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0) return 'java (17 or newer) is not installed';
  const isFetched = existsSync(jarFolder());
  if (!isFetched && spawnSync('mvn', ['-v'], { stdio: 'ignore' }).status !== 0) return 'mvn (Maven) is not installed';
  return undefined;
}

export function kafkaVersion(): string {
  const version = /<kafka\.version>(.*)<\/kafka\.version>/.exec(readFileSync(pom, 'utf8'))?.[1];
  if (version === undefined) throw new Error(`${pom} does not say kafka.version`);
  return version;
}

/** The jars of Apache Kafka, fetched by Maven on first use; about 60 MB, shared by every checkout of this user. */
export function installKafka(): string {
  const folder = jarFolder();
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${partial}`, '-DincludeScope=runtime'];
  const run = spawnSync('mvn', ['-B', '-q', '-f', pom, ...goal], { encoding: 'utf8' });
  if (run.status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    throw new Error(`Maven could not fetch Apache Kafka: ${run.stdout}${run.stderr}${run.error ?? ''}`);
  }
  try {
    renameSync(partial, folder);
  } catch (error) {
    // Somebody else was faster.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

function jarFolder(): string {
  const digest = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  return join(cacheFolder(), `kafka-${kafkaVersion()}-${digest}`);
}
