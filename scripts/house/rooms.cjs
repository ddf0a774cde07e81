// The rooms of src and what each may import besides itself, core/ and errors.ts. A new room needs an entry here.
// Dependencies point inward: main, cli -> app -> api, web, scheduler, processor -> contracts -> core. The two halves,
// scheduler and monitors on one side, processor and aggregates on the other, meet only in messages/ and in contracts.
const ROOMS = {
  core: [],
  // Knows no domain: it could serve any other program.
  postgres: ['root'],
  settings: ['aggregates', 'streaming'],

  messages: [],
  monitors: ['messages'],
  secrets: [],
  streaming: ['postgres'],
  access: ['postgres'],
  // Reports of programs: whoever takes them and whoever reads them are wired in app/.
  push: ['postgres'],
  jobs: ['access', 'monitors', 'postgres', 'push', 'secrets', 'settings'],
  installation: ['access', 'jobs', 'monitors', 'postgres', 'settings'],

  scheduler: ['jobs', 'messages', 'monitors', 'postgres', 'secrets', 'streaming'],

  aggregates: ['messages'],
  processor: ['aggregates', 'installation', 'jobs', 'messages', 'postgres', 'stats', 'streaming'],

  stats: ['aggregates', 'jobs', 'lag', 'messages', 'postgres', 'processor'],
  lag: ['installation', 'postgres', 'streaming'],
  plan: ['aggregates', 'processor'],
  // It examines the work of others, and nothing but its command depends on it.
  doctor: ['access', 'installation', 'jobs', 'lag', 'postgres', 'push', 'root', 'settings', 'stats', 'streaming'],

  api: ['access', 'aggregates', 'jobs', 'lag', 'messages', 'monitors', 'push', 'stats'],
  web: ['access', 'api', 'jobs', 'messages', 'stats'],

  app: [
    ...['access', 'aggregates', 'api', 'installation', 'jobs', 'lag', 'monitors', 'postgres', 'processor', 'scheduler'],
    ...['push', 'secrets', 'settings', 'stats', 'streaming', 'web'],
  ],
  cli: [
    ...[
      'access',
      'aggregates',
      'api',
      'app',
      'doctor',
      'installation',
      'jobs',
      'lag',
      'main',
      'messages',
      'monitors',
      'plan',
    ],
    ...['postgres', 'processor', 'push', 'root', 'scheduler', 'settings', 'stats', 'streaming'],
  ],
  main: ['app', 'settings'],
};

/** Files beside the rooms that any room may import, unless its entry above says less. */
const OPEN_FILES = ['errors'];

module.exports = { ROOMS, OPEN_FILES };
