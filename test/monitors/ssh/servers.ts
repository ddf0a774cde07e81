import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import ssh2, { type AuthContext, type Connection, type ServerChannel } from 'ssh2';
import type { Test } from 'tap';
import { freePort } from '../../../scripts/free-port.ts';
import { createDataFolder } from '../../helpers/data-folder.ts';
import { type Site, serveProgram, serveRaw } from '../support.ts';

export const PASSWORD = 'open:s€same/';

type KeyPair = ReturnType<typeof newKey>;

export const newKey = () => ssh2.utils.generateKeyPairSync('ed25519');

/** Of the second field of a public key, as ssh-keygen computes it. */
export function fingerprintOf({ public: text }: KeyPair): string {
  const key = Buffer.from(text.split(' ')[1], 'base64');
  return `SHA256:${createHash('sha256').update(key).digest('base64').replaceAll('=', '')}`;
}

interface SshServer {
  port: number;
  user: string;
  hostKey: KeyPair;
  /** In the form of ssh-keygen. */
  userKey: KeyPair;
}

export interface StubOptions {
  authenticate?: (context: AuthContext) => void;
  onSession?: (channel: ServerChannel, command: string) => void;
  onConnection?: (connection: Connection) => void;
}

/** A server of ssh2's own, whose commands are run by a shell. It lets in by what `authenticate` says. */
export function serveSsh(
  t: Test,
  hostKey: KeyPair,
  { authenticate = (context) => context.accept(), onSession = runShell(t), onConnection = () => {} }: StubOptions = {},
): Promise<Site> {
  const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (connection) => {
    onConnection(connection);
    connection.on('authentication', authenticate).on('error', () => {});
    connection.on('session', (accept) => {
      accept().on('exec', (accept, reject, { command }) => {
        if (command === 'forbidden') reject();
        else onSession(accept(), command);
      });
    });
  });
  return serveRaw(t, (socket) => server.injectSocket(socket), 'ssh');
}

const runShell =
  (t: Test) =>
  (channel: ServerChannel, command: string): void => {
    const shell = spawn('sh', ['-c', command]);
    t.teardown(() => {
      shell.kill('SIGKILL');
      // What is left in them would keep the process.
      for (const pipe of shell.stdio) pipe?.destroy();
    });
    for (const stream of [shell.stdin, channel, channel.stderr]) stream.on('error', () => {});
    channel.pipe(shell.stdin);
    shell.stdout.pipe(channel, { end: false });
    shell.stderr.pipe(channel.stderr, { end: false });
    shell.on('close', (code, signal) => {
      if (signal === null) channel.exit(code ?? 255);
      else channel.exit(signal);
      channel.end();
    });
  };

/** Lets in who has the key. */
const byKey =
  ({ public: text }: KeyPair) =>
  (context: AuthContext) => {
    const key = Buffer.from(text.split(' ')[1], 'base64');
    if (context.method !== 'publickey') return context.reject(['publickey']);
    const parsed = ssh2.utils.parseKey(text);
    if (parsed instanceof Error || !context.key.data.equals(key)) return context.reject(['publickey']);
    const { blob, signature, hashAlgo } = context;
    // The first request only asks whether the key would do.
    if (blob === undefined || signature === undefined || parsed.verify(blob, signature, hashAlgo)) context.accept();
    else context.reject(['publickey']);
  };

async function startStub(t: Test): Promise<SshServer> {
  const [hostKey, userKey] = [newKey(), newKey()];
  const { port } = await serveSsh(t, hostKey, { authenticate: byKey(userKey) });
  return { port, user: 'probe', hostKey, userKey };
}

const SSHD = '/usr/sbin/sshd';

async function startReal(t: Test): Promise<SshServer> {
  const [hostKey, userKey, port] = [newKey(), newKey(), await freePort()];
  const folder = await createDataFolder(t);
  writeFileSync(`${folder}/keys`, `${userKey.public}\n`);
  const settings = [
    ...['ListenAddress 127.0.0.1', `Port ${port}`, `HostKey ${folder}/key`, 'PidFile none', 'UsePAM no', 'UseDNS no'],
    ...[`AuthorizedKeysFile ${folder}/keys`, 'StrictModes no', 'PermitRootLogin prohibit-password'],
    ...['PasswordAuthentication no', 'KbdInteractiveAuthentication no', 'MaxStartups 100'],
  ];
  writeFileSync(`${folder}/key`, hostKey.private, { mode: 0o600 });
  writeFileSync(`${folder}/config`, `${settings.join('\n')}\n`);
  // Where its unprivileged part lives.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true });
  await serveProgram(t, SSHD, ['-D', '-e', '-f', `${folder}/config`], port, folder);
  return { port, user: userInfo().username, hostKey, userKey };
}

/** Each with the reason why it cannot be started here. */
export const SERVERS = [
  { name: "ssh2's own server", start: startStub, lacks: false },
  { name: 'sshd of OpenSSH', start: startReal, lacks: existsSync(SSHD) ? false : `there is no ${SSHD}` },
] as const;

/** A packet before the keys are agreed on (RFC 4253, 6): its length is one of 8, at least 4 bytes of it are padding. */
export function packetOf(payload: Buffer): Buffer {
  const length = Math.ceil((5 + payload.length + 4) / 8) * 8;
  const packet = Buffer.alloc(length);
  packet.writeUInt32BE(length - 4);
  packet[4] = length - 5 - payload.length;
  payload.copy(packet, 5);
  return packet;
}

export const IDENTIFICATION = 'SSH-2.0-Hostile_1.0\r\n';

/** A proposal of algorithms with these lists. */
export function proposalOf(lists: readonly string[]): Buffer {
  const parts = lists.map((list) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(list.length);
    return Buffer.concat([length, Buffer.from(list)]);
  });
  return Buffer.concat([Buffer.from([20]), Buffer.alloc(16), ...parts, Buffer.alloc(5)]);
}

const CIPHER = 'aes128-ctr';
const MAC = 'hmac-sha2-256';
export const PROPOSAL = proposalOf([
  ...['curve25519-sha256', 'ssh-ed25519', CIPHER, CIPHER, MAC, MAC, 'none', 'none', '', ''],
]);

/** Says bytes, one after the other. */
export const says =
  (...parts: readonly (string | Buffer)[]) =>
  (socket: Socket): void => {
    for (const part of parts) socket.write(part);
  };
