import { Registry } from '../core/registry.ts';
import { dns } from './dns/index.ts';
import { group } from './group/index.ts';
import { grpc } from './grpc/index.ts';
import { http } from './http/index.ts';
import { kafka } from './kafka/index.ts';
import type { MonitorType } from './monitor.ts';
import { ping } from './ping/index.ts';
import { postgres } from './postgres/index.ts';
import { push } from './push.ts';
import { redis } from './redis/index.ts';
import { socks } from './socks/index.ts';
import { ssh } from './ssh/index.ts';
import { tcp } from './tcp/index.ts';
import { telnet } from './telnet/index.ts';
import { tls } from './tls/index.ts';
import { udp } from './udp/index.ts';
import { websocket } from './websocket/index.ts';

/** Every monitor type, one line each. */
export const monitors = new Registry<MonitorType>('monitor type', [
  http,
  tcp,
  tls,
  dns,
  udp,
  redis,
  postgres,
  kafka,
  grpc,
  ping,
  websocket,
  push,
  group,
  ssh,
  telnet,
  socks,
]);
