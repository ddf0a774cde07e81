import type { Socket } from 'node:net';
import { ProbeFailure, toFailure } from '../../failure.ts';
import type { ConnectTarget } from '../../net/dial.ts';
import { total } from '../../net/total.ts';
import { ResponseParser, type ResponseSink } from '../parser/response-parser.ts';
import { type JobProxy, proxyAuthorization } from './proxy.ts';

/** Asks an HTTP proxy for a tunnel (CONNECT, RFC 9110 9.3.6). Calls back once; the socket remains the caller's. */
export function openConnectTunnel(
  socket: Socket,
  proxy: JobProxy,
  { host, port }: ConnectTarget,
  callback: (failure: ProbeFailure | null) => void,
): void {
  let status = 0;
  const sink: ResponseSink = { onHead: (head) => (status = head.status), onBody: () => {} };
  // The answer to CONNECT has no body, whatever it says.
  const parser = new ResponseParser(sink, { isHeadRequest: true });
  const end = (failure: ProbeFailure | null) => {
    socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onEnd);
    callback(failure);
  };
  const onData = total((chunk: Buffer) => {
    parser.push(chunk);
    if (!parser.isDone) return;
    if (parser.fault) end(failure(`it does not answer CONNECT by HTTP: ${parser.fault.message}`));
    else if (status < 200 || status > 299) end(failure(refusalOf(status, proxy)));
    else if (parser.hasExcess) end(failure('it sends something before the tunnel is used'));
    else end(null);
  }, end);
  const onEnd = total(() => end(failure('it closed the connection instead of answering CONNECT')), end);
  const onError = total((error: Error) => end(toFailure(error, 'connect')), end);
  socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onEnd);
  const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const [name, value] = proxyAuthorization(proxy);
  const authorization = name === undefined ? '' : `${name}: ${value}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${authorization}\r\n`, 'latin1');
}

const failure = (message: string) => new ProbeFailure('connect', message);

/** Returns what an HTTP proxy means by a status, for people. */
export function refusalOf(status: number, { credentials }: JobProxy): string {
  if (status !== 407) return `it answers CONNECT with ${status}`;
  return credentials === null ? 'it asks for a user name and a password (407)' : 'it refuses the credentials (407)';
}
