// Run at the end of .ci/run: the checkout goes, and nobody would use its server again.
import { removeServer } from './postgres-server.ts';

await removeServer();
