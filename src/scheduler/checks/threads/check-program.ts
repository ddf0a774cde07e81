// The program of a thread that runs checks.
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../core/clock.ts';
import { createPrepare } from '../../../jobs/prepare.ts';
import { MAX_WAITING, sharedWaiting } from '../../../monitors/http/transport/waiting-connections.ts';
import { monitors } from '../../../monitors/index.ts';
import { createGate } from '../../../monitors/net/gate.ts';
import { createSecretStore } from '../../../secrets/store.ts';
import { CheckServer } from './check-server.ts';
import type { MonitorSettings } from './check-thread.ts';

const { gate, allow, userAgent, secrets, threads } = workerData as MonitorSettings;
// File descriptors are those of the process.
sharedWaiting.limit = Math.ceil(MAX_WAITING / threads);
const server = new CheckServer(parentPort as MessagePort);
server.serve(
  createPrepare(
    monitors,
    {
      gate: createGate({ mode: gate, isPublic: () => server.isPublic, allow }),
      userAgent,
      self: server.findSelf,
    },
    createSecretStore(secrets, systemClock),
  ),
);
