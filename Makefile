# TT Deploy: every command of the house. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONUNBUFFERED := 1

# Made anew when the lock or the set-up changes; `uv sync` itself decides what there is to do.
READY := .venv/.ready

.PHONY: help setup demo test test-fast lint check fix lab-up lab-down screenshots bench downtime endurance clean

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## Install what this machine lacks (uv, the locked packages)

$(READY): pyproject.toml uv.lock tools/setup.sh
	@tools/setup.sh
	@touch $@

demo: $(READY) ## Release a real application to a real host in the lab, and look at it
	@python -m tools.demo

test: $(READY) ## Run every test, quickest first (STAGES="fast slow")
	@tools/contained.sh tools/test.sh $(STAGES)

test-fast: $(READY) ## Run the tests that need no server and no lab
	@tools/contained.sh tools/test.sh fast

lint: $(READY) ## Run the checks that run nothing of ours (CHECKS="types shell" for some)
	@tools/check.sh $(CHECKS)

check: lint test-fast ## Run what a commit must pass: lint and the fast tests

fix: $(READY) ## Repair what can be repaired: formatting, imports, simple lint
	@ruff check --fix .
	@ruff format .

lab-up: $(READY) ## Bring the lab up: engine, registry, instance, services, Prefect
	@python -m lab up

lab-down: $(READY) ## Take the lab down and remove everything it made
	@python -m lab down

screenshots: $(READY) ## Take the pictures of docs/images from the lab that is up
	@python -m tools.screenshots

bench: $(READY) ## Measure what the flows cost beside the host scripts
	@python -m lab up >/dev/null
	@python -m benchmarks

downtime: $(READY) ## Measure what a deploy costs those who are served, beside today's script
	@python -m lab up >/dev/null
	@python -m benchmarks.downtime

endurance: $(READY) ## Many deploys, many deaths, a fleet of three, under load (about 30 min)
	@python -m lab up >/dev/null
	@python -m benchmarks.endurance $(TRIALS)

clean: ## Remove everything that these commands made in this directory
	@if [[ -f .lab/lab.json ]]; then $(MAKE) lab-down; fi
	@rm -rf .venv .tools .lab tools/node/node_modules .coverage .*_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
