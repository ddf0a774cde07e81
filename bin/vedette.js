#!/usr/bin/env node
// The `vedette` command. In a checkout it builds what is stale first.
import '../scripts/check-node.mjs';

import('../scripts/build.mjs')
  .then(({ build }) => build())
  .then(() => import('../dist/cli.js'))
  .catch((error) => {
    console.error(error.message || error);
    process.exit(1);
  });
