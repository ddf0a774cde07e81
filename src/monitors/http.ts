import { HttpCheck } from './http-check.ts';
import { httpFacts } from './http-facts.ts';
import { type HttpOptions, httpOptions, httpSecrets } from './http-options.ts';
import { httpProblems } from './http-problems.ts';
import type { MonitorType, ProbeRequest } from './monitor.ts';
import { sharedNames } from './names.ts';

/** Checks a website: one request (and the redirects it leads to), judged by status, headers, body and time. */
export const http: MonitorType<HttpOptions> = {
  name: 'http',
  description: 'a request to an http or https address',
  options: httpOptions,
  secrets: httpSecrets,
  facts: httpFacts,
  problems: httpProblems,
  host: ({ uri }) => new URL(uri).hostname,
  prepare(options, { gate, userAgent, names = sharedNames(), self = unknownSelf }) {
    const check = new HttpCheck(options, { gate, names, userAgent, self });
    return Object.assign((request: ProbeRequest) => check.run(request), {
      keeps: options.keep_alive === true,
      close: () => check.close(),
    });
  },
};

const unknownSelf = async () => 'nothing here knows where the API is';
