#!/usr/bin/env bash
# Kafka, PostgreSQL and every role of Vedette in containers. Without Docker: the same shape as processes, npm run local.
#   ./run.sh [--processes]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../engine.sh
if [ "${1:-}" = --processes ] || ! find_compose; then
  without_docker "$@" || exit 1
  cd ../.. && exec npm run local
fi
ensure_env
"${compose[@]}" up --build --detach
port=$(sed -n 's/^VEDETTE_PORT=//p' .env)
echo "The page is on http://127.0.0.1:${port:-8080}/ in a moment; the API asks for the key of .env. Logs: make logs. End: ./cleanup.sh"
