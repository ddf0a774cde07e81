#!/usr/bin/env bash
# Ends and removes the containers and the network of the tests.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../engine.sh
find_compose || exit 1
ensure_env
"${compose[@]}" down --remove-orphans --volumes
