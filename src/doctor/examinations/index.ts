import type { Examination } from '../examination.ts';
import { certificates } from './certificates.ts';
import { clock } from './clock.ts';
import { counting } from './counting.ts';
import { dataFolder } from './data-folder.ts';
import { disk } from './disk.ts';
import { fleet } from './fleet.ts';
import { jobs } from './jobs.ts';
import { kafkaServers } from './kafka-servers.ts';
import { kafkaTopics } from './kafka-topics.ts';
import { nativeDriver } from './native-driver.ts';
import { node } from './node.ts';
import { port } from './port.ts';
import { postgres } from './postgres.ts';
import { postgresRights } from './postgres-rights.ts';
import { push } from './push.ts';
import { secrets } from './secrets.ts';
import { settings } from './settings.ts';

/** In the order in which their findings are shown. */
export const examinations: readonly Examination[] = [
  node,
  settings,
  jobs,
  secrets,
  port,
  dataFolder,
  disk,
  certificates,
  postgres,
  postgresRights,
  clock,
  nativeDriver,
  kafkaServers,
  kafkaTopics,
  fleet,
  counting,
  push,
];
