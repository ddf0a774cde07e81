// `npm run local`: installs and builds what is missing, then becomes scripts/local/main.ts.
import './check-node.mjs';
import { build } from './build.mjs';
import { ensureInstalled } from './ensure-install.mjs';

ensureInstalled();
await build();
await import('tsx');
await import('./local/main.ts');
