// Run by tap after the tests, as a program of its own: the last run that uses the server stops it.
import { leaveServer } from './postgres-server.ts';

await leaveServer(process.ppid);
