import type { MonitorType, ProbeRequest } from '../monitor.ts';
import { sharedNames } from '../net/names/resolver.ts';
import { HttpCheck } from './check.ts';
import { httpFacts } from './facts.ts';
import { type HttpOptions, httpOptions, httpReferences, httpSecrets } from './options.ts';
import { encodedCredentials } from './plan.ts';
import { httpExcludes, httpProblems } from './problems.ts';

/** Checks a website: one request (and the redirects it leads to), judged by status, headers, body and time. */
export const http: MonitorType<HttpOptions> = {
  name: 'http',
  description: 'a request to an http or https address',
  schemes: ['http', 'https'],
  options: httpOptions,
  secrets: httpSecrets,
  references: httpReferences,
  encodedSecrets: encodedCredentials,
  facts: httpFacts,
  problems: httpProblems,
  excludes: httpExcludes,
  host: ({ uri }) => new URL(uri).hostname,
  prepare(options, { gate, userAgent, names = sharedNames(), self = unknownSelf }) {
    const check = new HttpCheck(options, { gate, names, userAgent, self });
    return Object.assign((request: ProbeRequest) => check.run(request), {
      keeps: options.keep_alive === true || options.tls?.resume === true,
      close: () => check.close(),
    });
  },
};

const unknownSelf = async () => 'nothing here knows where the API is';
