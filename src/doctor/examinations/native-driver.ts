import { chooseDriver } from '../../streaming/choose.ts';
import { whyNoRdkafka } from '../../streaming/rdkafka/index.ts';
import { type Examination, ok, problem, warning } from '../examination.ts';

export const nativeDriver: Examination = {
  name: 'stream',
  settings: ['stream', 'kafka'],
  async examine({ settings }) {
    const { driver } = settings.stream;
    const isKafka = settings.kafkaConnection !== null && driver !== 'embedded';
    const { name, reason } = await chooseDriver(driver, isKafka);
    if (!isKafka) return [ok('stream.driver', `${name}: ${reason}`)];
    const why = whyNoRdkafka();
    if (driver === 'rdkafka' && why !== undefined) {
      const advice = 'Run `npm run rdkafka:build` (needs python3, make, g++), or set stream.driver to auto or kafkajs.';
      return [problem('stream.driver', `rdkafka is asked for, but ${why}`, advice)];
    }
    if (driver === 'auto' && why !== undefined) {
      const advice =
        'Enough for a few thousand checks a second. For more, `npm run rdkafka:build` makes the native client.';
      return [warning('stream.driver', `kafkajs, the JavaScript client, because ${why}`, advice)];
    }
    return [ok('stream.driver', `${name}: ${reason}`)];
  },
};
