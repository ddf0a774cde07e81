#!/usr/bin/env bash
# Ends and removes the containers and the network; the data too, unless told to keep them.
#   ./cleanup.sh [--keep-data]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../engine.sh
find_compose || exit 1
ensure_env
if [ "${1:-}" = --keep-data ]; then "${compose[@]}" down --remove-orphans; else "${compose[@]}" down --remove-orphans --volumes; fi
