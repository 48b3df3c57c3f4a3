# Everything a developer or a newcomer types. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

ifeq ($(CI),true)
export CARGO_TARGET_DIR ?= $(HOME)/.cache/poco-target
# Nothing is built twice in a fresh clone, and what incremental builds need fills the disk.
export CARGO_INCREMENTAL ?= 0
endif

.PHONY: help setup build devnet up down demo test bench lint audit sim soak fuzz mutants clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: ## install what is missing, and say what
	@deploy/setup.sh

build: setup ## build every binary
	cargo build --workspace --bins

test: setup ## run every test
	@deploy/test.sh

bench: setup ## time, gas and memory of tasks beside the reference's, and the scheduler under load (RUNS=20, JSON=1)
	@cargo build --release --workspace --bins
	@cargo bench --quiet --workspace --bench market -- --runs $(or $(RUNS),20) $(if $(JSON),--json)
	@cargo run --quiet --release -p poco-load

lint: setup ## formatting and lints only
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	@deploy/deny.sh

audit: setup ## proofs and static analysis of the contracts (halmos, slither; long)
	cd contracts && npm run --silent audit

sim: ## a hundred thousand simulated markets (SEED: the first, WORLDS: how many)
	cargo run --release -p poco-sim -- $${SEED:-1} --worlds $${WORLDS:-100000} --goals

soak: setup ## kill, freeze and starve a real market, then see that nothing was lost (MINUTES=30, SEED=1; root)
	@cargo build --release --workspace --bins
	@cargo bench --quiet --workspace --bench soak -- --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

fuzz: setup ## feed what is decoded from outside with made-up bytes (SECONDS=60 for each target)
	@deploy/fuzz.sh $(or $(SECONDS),60)

mutants: setup ## plant faults in the contracts and in what decides, which the tests must catch (hours)
	cargo run -p poco-sim --bin poco-sim-mutants -- --write
	cd contracts && npm run --silent mutants -- --write

devnet: build ## a chain with all contracts, in the foreground (RPC_PORT, BLOCK_TIME, POCO_DATA)
	@exec deploy/devnet.sh

up: build ## a whole market in the background (WORKERS and ports: see deploy/settings.sh)
	@deploy/up.sh

down: ## stop what `make up` started (POCO_DATA)
	@deploy/down.sh

demo: build ## a whole market and three real runs, from order to checked result (KEEP=1 keeps it)
	@deploy/demo.sh

clean: ## stop up and demo, forget chain, market and results; builds stay (POCO_DATA)
	@deploy/clean.sh
