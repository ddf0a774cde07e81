// Run by tap before the tests, as a program of its own: starts the server that all tests share.
import { useServer } from './postgres-server.ts';

await useServer(process.ppid);
