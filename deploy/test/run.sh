#!/usr/bin/env bash
# The integration tests in containers; the exit code is theirs. Without Docker: npm run test:kafka, which starts a Kafka
# and a PostgreSQL of its own.
#   ./run.sh [--processes]
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../engine.sh
if [ "${1:-}" = --processes ] || ! find_compose; then
  without_docker "$@" || exit 1
  cd ../.. && exec npm run test:kafka
fi
ensure_env
code=0
"${compose[@]}" up --build --abort-on-container-exit --exit-code-from tests || code=$?
./cleanup.sh
exit "$code"
