# Sourced by the run.sh and cleanup.sh of the folders beside it, which are the working directory. Sets `compose`, or says
# what is missing and answers with 1.
compose=()

find_compose() {
  local missing
  if ! command -v docker >/dev/null && ! command -v docker-compose >/dev/null; then
    missing="Docker is not installed"
  elif ! docker info >/dev/null 2>&1; then
    missing="Docker is installed, but its engine does not answer (docker info says why)"
  elif docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    missing="Docker is installed without its plugin compose"
  fi
  [ ${#compose[@]} -gt 0 ] && return
  echo "$missing." >&2
  return 1
}

# A .env of one's own, made of the example at first.
ensure_env() {
  [ -f .env ] && return
  (umask 077 && cp .env.example .env)
  echo "Made $(pwd)/.env of .env.example: have a look at it."
}

# Whether to do without Docker: said on the command line, or answered on a terminal.
without_docker() {
  [ "${1:-}" = --processes ] && return
  [ -t 0 ] || { echo "To do the same without it: $0 --processes" >&2 && return 1; }
  local answer
  read -r -p "Do the same without it, as processes of this machine? [y/N] " answer
  [ "$answer" = y ]
}
