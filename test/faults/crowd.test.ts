import { test } from 'tap';
import { type PostgresMajor, whyNoPostgres } from '../../scripts/postgres/installation.ts';
import { noKafkaFor } from '../kafka/broker.ts';
import { DRIVERS, type Driver, surviveInCrowd } from './crowd.ts';
import { createRandom } from './random.ts';

const FAULTS = Number(process.env.VEDETTE_FAULTS ?? 8);
const MAJORS: readonly PostgresMajor[] = [14, 15, 16, 18];

/** `VEDETTE_CROWD=rdkafka:15,embedded:14`; without it each driver on a version that the day chooses. */
function chooseRuns(): Array<[Driver, PostgresMajor]> {
  const given = process.env.VEDETTE_CROWD;
  if (given) {
    return given.split(',').map((run) => {
      const [driver, major] = run.split(':');
      return [driver as Driver, Number(major) as PostgresMajor];
    });
  }
  const day = Math.floor(Date.now() / 86_400_000);
  const majors = createRandom(day).shuffle(MAJORS);
  return DRIVERS.map((driver, index) => [driver, majors[index]]);
}

for (const [driver, major] of chooseRuns()) {
  const name = `${driver} on PostgreSQL ${major}: 800 jobs through ${FAULTS} faults: exact, and never still for long`;
  const why = whyNoPostgres(major);
  const noPostgres = why !== undefined && `NO POSTGRESQL ${major}: ${why}`;
  const skip = noPostgres || (driver !== 'embedded' && noKafkaFor(driver));
  test(name, { skip, timeout: 300_000 + FAULTS * 20_000 }, (t) => surviveInCrowd(t, { driver, major, faults: FAULTS }));
}
