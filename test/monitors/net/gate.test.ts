import { test } from 'tap';
import { createGate } from '../../../src/monitors/net/gate.ts';
import { check } from '../support.ts';

const INTERNAL = [
  '0.0.0.0',
  '10.255.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.255.255.254',
  '168.63.129.16',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.192',
  '192.0.2.1',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '0:0:0:0:0:0:0:1',
  'fc00::1',
  'fd00:ec2::254',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  '2001:db8::1',
  // IPv4 addresses in disguise: mapped, compatible, translated, NAT64, 6to4, Teredo, ISATAP.
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::FFFF:10.0.0.1',
  '::127.0.0.1',
  '::ffff:0:10.0.0.1',
  '64:ff9b::127.0.0.1',
  '64:ff9b::a9fe:a9fe',
  '64:ff9b:1::a00:1',
  '2002:7f00:1::',
  '2002:c0a8:101::1',
  '2001:0:4136:e378:8000:63bf:80ff:fffe',
  '2600::5efe:10.0.0.1',
  '2600::200:5efe:7f00:1',
];
const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '100.128.0.1',
  '172.32.0.1',
  '192.1.0.1',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '::ffff:8.8.8.8',
  '64:ff9b::808:808',
  '2002:808:808::1',
];

test('addresses inside are refused with a reason, in whatever disguise; public ones are not', async (t) => {
  const gate = createGate({ mode: 'deny_internal' });
  for (const address of INTERNAL) t.match(gate.refusal(address), /./, address);
  for (const address of PUBLIC) t.equal(gate.refusal(address), null, address);
  for (const address of ['localhost', '0x7f.1', '2130706433', '127.1', '', '1.2.3.4.5']) {
    t.match(gate.refusal(address), /is not an address$/, `${address} is refused rather than guessed`);
  }
  t.equal(
    gate.refusal('169.254.169.254'),
    '169.254.169.254 is link-local, where clouds serve metadata (169.254.0.0/16)',
  );
});

test('networks that are allowed are let through, in disguise as well; off lets everything through', async (t) => {
  const gate = createGate({ mode: 'deny_internal', allow: ['10.1.0.0/16', '127.0.0.5', 'fd12::/16'] });
  for (const address of ['10.1.2.3', '127.0.0.5', 'fd12::9', '::ffff:10.1.2.3']) t.equal(gate.refusal(address), null);
  for (const address of ['10.2.0.1', '127.0.0.1', 'fd13::9']) t.match(gate.refusal(address), /./);
  const off = createGate({ mode: 'off' });
  for (const address of INTERNAL) t.equal(off.refusal(address), null);
});

test('odd notations of an address are read before the gate is asked', async (t) => {
  const gate = createGate({ mode: 'deny_internal' });
  for (const host of [
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '0177.0.0.1',
    '2130706433',
    '0x7f000001',
    '127.0.0.1.',
    '①②⑦.0.0.1',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    'localhost',
    'LOCALHOST',
    'a.localhost',
  ]) {
    const result = await check({ uri: `http://${host}:1/` }, { gate });
    t.match(result, { outcome: 'down', reason: 'forbidden_address' }, host);
  }
});
