#!/usr/bin/env bash
# Every role of Vedette in containers, on the PostgreSQL and the Kafka of .env. Without Docker there is deploy/systemd.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")"
. ../engine.sh
find_compose || { echo "Without it: the units in deploy/systemd run the same processes." >&2 && exit 1; }
[ -f .env ] || { echo "There is no .env: copy .env.example and fill it in." >&2 && exit 1; }
for file in ca.pem service.cert service.key; do
  [ -r "certificates/$file" ] || { echo "There is no certificates/$file: Kafka's operator hands it out." >&2 && exit 1; }
done
[ -r jobs/jobs.json ] || { echo "There is no jobs/jobs.json: what is to be checked." >&2 && exit 1; }
"${compose[@]}" up --build --detach
"${compose[@]}" ps
