#!/usr/bin/env node
// The `vedette` command. In a checkout it builds what is stale first.
import '../scripts/check-node.mjs';
import module from 'node:module';

// Newer Nodes keep what they compiled, which makes the next start faster.
module.enableCompileCache?.();

import('../scripts/build.mjs')
  .then(({ build }) => build())
  .then(() => import('../dist/cli.js'))
  .catch((error) => {
    console.error(error.message || error);
    process.exit(1);
  });
