import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { noBroker, startKafka } from './broker.ts';
import { availableDrivers, kafkaOptions, openDriver } from './drivers.ts';

const why = noBroker();
if (why) t.test('groups on a real broker', { skip: why }, async () => undefined);
else await groups();

interface Batch {
  partition: number;
  epoch: number;
  offsets: number[];
  texts: string[];
}

/** What PostgreSQL is to processors: next offset and owner's epoch of each partition, compared and set. */
class Ledger {
  readonly counted: string[] = [];
  refused = 0;
  readonly #rows = new Map<number, { next: number | null; epoch: number }>();

  acquire(partition: number): { next: number | null; epoch: number } {
    const row = this.#rows.get(partition) ?? { next: null, epoch: 0 };
    const acquired = { next: row.next, epoch: row.epoch + 1 };
    this.#rows.set(partition, acquired);
    return { ...acquired };
  }

  count({ partition, epoch, offsets, texts }: Batch): boolean {
    const row = this.#rows.get(partition);
    if (!row || row.epoch !== epoch || (row.next !== null && row.next !== offsets[0])) {
      this.refused++;
      return false;
    }
    row.next = offsets[offsets.length - 1] + 1;
    this.counted.push(...texts);
    return true;
  }
}

async function groups(): Promise<void> {
  const cluster = await startKafka(t);
  const drivers = availableDrivers();
  const lineups = [
    ...drivers.map((name) => [name, name, name]),
    ...(drivers.length > 1 ? [[...drivers, drivers[1]]] : []),
  ];
  for (const lineup of lineups) {
    t.test(
      `${lineup.join(', ')}: members come, freeze beyond their session and are killed; all is counted once`,
      async (t) => {
        const driver = await openDriver(t, lineup[0], kafkaOptions(cluster.bootstrapServers));
        const topic = `groups-${randomBytes(6).toString('hex')}`;
        await driver.ensureTopics([{ topic, partitions: 6 }], { create: true });
        const producer = await driver.createProducer();
        const ledger = new Ledger();
        const servers = cluster.bootstrapServers.join(',');
        const start = (name: string) => startMember(t, ledger, [name, servers, topic]);
        let sent = 0;
        let isPublishing = true;
        const publishing = (async () => {
          while (isPublishing) {
            const records = Array.from({ length: 6 }, (_, partition) => {
              return { topic, partition, value: Buffer.from(String(sent++)) };
            });
            await producer.send(records);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        })();
        const progress = async (records: number) => {
          const target = ledger.counted.length + records;
          const end = Date.now() + 45_000;
          while (ledger.counted.length < target) {
            if (Date.now() > end)
              throw new Error(`stuck at ${ledger.counted.length} of ${sent}, refused ${ledger.refused}`);
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        };
        const first = start(lineup[0]);
        await progress(60);
        const second = start(lineup[1]);
        const third = start(lineup[2]);
        await progress(300);
        second.kill('SIGSTOP');
        await new Promise((resolve) => setTimeout(resolve, 6_000));
        await progress(300);
        second.kill('SIGCONT');
        await progress(300);
        first.kill('SIGKILL');
        await progress(1_200);
        third.kill('SIGKILL');
        await progress(600);
        isPublishing = false;
        await publishing;
        await progress(sent - ledger.counted.length);
        t.equal(ledger.counted.length, sent, 'as many as were sent');
        t.equal(new Set(ledger.counted).size, sent, 'each of them once');
        t.comment(
          `${sent} records counted, ${ledger.refused} batches of members that had lost their partition refused`,
        );
      },
    );
  }
}

function startMember(t: Test, ledger: Ledger, args: string[]): ChildProcess {
  const child = fork(join(import.meta.dirname, 'member.ts'), args, { execArgv: ['--import=tsx'], stdio: 'inherit' });
  t.teardown(() => child.kill('SIGKILL'));
  child.on('message', (message: { id: number; acquire?: number[]; batch?: Batch }) => {
    const { id, acquire, batch } = message;
    const answer = acquire ? acquire.map((partition) => ledger.acquire(partition)) : ledger.count(batch!);
    // A member that was killed meanwhile hears nothing any more.
    if (child.connected) child.send({ id, answer }, () => undefined);
  });
  return child;
}
