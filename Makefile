# make run | logs | clean | test          all of it on this machine, in containers
# make run ENV=prod                       deploy/prod: the roles alone
ENV ?= local
SERVICE ?=

.PHONY: run logs clean test

run:
	./deploy/$(ENV)/run.sh

logs:
	cd deploy/$(ENV) && . ../engine.sh && find_compose && "$${compose[@]}" logs --follow --tail 100 $(SERVICE)

clean:
	./deploy/$(ENV)/cleanup.sh

test:
	./deploy/test/run.sh

SHELL := /usr/bin/env bash
