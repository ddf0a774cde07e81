import { type Examination, ok, problem, warning } from '../examination.ts';

const NOTICEABLE_MS = 500;
const HARMFUL_MS = 5_000;

/**
 * Compares this machine's clock with the database's: results are stamped by the former, leases and retention use the
 * latter.
 */
export const clock: Examination = {
  name: 'clock',
  settings: ['database', 'data_dir'],
  async examine({ database: connect, machine }) {
    const database = await connect();
    if (!database) return [];
    const before = machine.wallMs();
    const { rows } = await database.query<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    );
    const after = machine.wallMs();
    // The database read its clock somewhere between the two.
    const difference = Math.round((before + after) / 2 - (rows[0]?.now ?? 0));
    const doubt = Math.ceil((after - before) / 2);
    const found = `this machine is ${Math.abs(difference)} ms ${difference < 0 ? 'behind' : 'ahead of'} PostgreSQL (give or take ${doubt} ms)`;
    const size = Math.abs(difference) - doubt;
    const advice = 'Let both be set by NTP (timedatectl status, chronyc tracking).';
    if (size > HARMFUL_MS) return [problem('clock', found, advice)];
    return [size > NOTICEABLE_MS ? warning('clock', found, advice) : ok('clock', found)];
  },
};
