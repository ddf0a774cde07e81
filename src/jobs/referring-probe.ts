import type { Probe, ProbeRequest, ProbeResult } from '../monitors/monitor.ts';
import { tryAfter } from '../monitors/waited.ts';
import type { Secret, SecretStore } from '../secrets/store.ts';

export interface ReferringProbeOptions {
  /** The secrets that the job refers to. */
  names: readonly string[];
  store: SecretStore;
  /** Returns a probe that has their values, or one that says what is wrong with them. */
  make(secrets: readonly Secret[]): Probe;
  keeps: boolean;
}

/** Returns the probe of a job that refers to secrets. It is made when it is first needed, and again when a value has changed. */
export function createReferringProbe({ names, store, make, keeps }: ReferringProbeOptions): Probe {
  let made: { secrets: readonly Secret[]; probe: Probe } | null = null;

  const probeWith = (secrets: readonly Secret[]): Probe => {
    if (made?.secrets.every((secret, index) => secret === secrets[index])) return made.probe;
    made?.probe.close?.();
    made = { secrets, probe: make(secrets) };
    return made.probe;
  };
  const readFirst = async (request: ProbeRequest): Promise<ProbeResult> => {
    const startedAt = performance.now();
    const secrets = await store.read(names);
    return tryAfter(performance.now() - startedAt, probeWith(secrets), request, 'its secrets');
  };
  const check = (request: ProbeRequest): Promise<ProbeResult> => {
    const secrets = store.recent(names);
    return secrets === null ? readFirst(request) : probeWith(secrets)(request);
  };
  const close = () => {
    made?.probe.close?.();
    made = null;
  };
  return Object.assign(check, { keeps, close });
}
