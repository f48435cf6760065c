# The whole project on a bare machine: `make` runs the default scale, `make test` the tests. `make help` lists all.
# Another interpreter: make PYTHON=python3.12        Another scale: make SCALE=smoke        Fewer cores: make CORES=2

PYTHON ?= python3
CORES ?= all
SCALE ?=
ARGS ?=

VENV := .venv
PEERS := .venv-peers
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
SNAKEMAKE = $(BIN)/snakemake --cores $(CORES) $(if $(SCALE),--config scale=$(SCALE)) $(ARGS)

# Rules call `python`: it has to be the one that was set up here.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := run
.PHONY: run smoke plan watch test bench bench-peers lint format schema methods setup setup-dev clean help

run: $(VENV)/.ready  ## Reproduce everything at the default scale (config.yaml)
	$(SNAKEMAKE)

smoke: $(VENV)/.ready  ## Every rule and every method for a few steps, into results/smoke
	$(BIN)/snakemake --cores $(CORES) --config scale=smoke $(ARGS)

plan: $(VENV)/.ready  ## Show what a run costs, its stages, what sharing saves; nothing is run
	$(BIN)/python scripts/show_plan.py --config $(or $(SCALE),config.yaml) $(ARGS)

watch: $(VENV)/.ready  ## Show the stages that run now: step, speed, time left
	$(BIN)/python scripts/watch.py $(ARGS)

test: $(VENV)/.ready-dev  ## Run the tests
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.ready  ## Print the time of a training step over its floor, of a start, of dry runs
	$(BIN)/python scripts/bench.py $(ARGS)

bench-peers: $(PEERS)/.ready  ## Print time and memory of our word losses beside TRL's and Liger's
	$(PEERS)/bin/python scripts/bench_peers.py $(ARGS)

lint: $(VENV)/.ready-dev  ## Check style, types, workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

format: $(VENV)/.ready-dev  ## Format sources and workflow
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile rules

schema: $(VENV)/.ready  ## Write config/schema.yaml anew from the configuration's models
	$(BIN)/python -m retort.config > config/.schema.yaml
	mv config/.schema.yaml config/schema.yaml

methods: $(VENV)/.ready  ## Write docs/methods*.md anew from the recipes: every method with its equations
	$(BIN)/python -m retort.recipes glmd > docs/.methods.md
	mv docs/.methods.md docs/methods.md
	$(BIN)/python -m retort.recipes cka > docs/.methods.md
	mv docs/.methods.md docs/methods-cka.md
	$(BIN)/python -m retort.recipes atkd > docs/.methods.md
	mv docs/.methods.md docs/methods-atkd.md

setup: $(VENV)/.ready  ## Only create .venv with what a run needs

setup-dev: $(VENV)/.ready-dev  ## Only create .venv with what tests and checks need, too

clean:  ## Remove environments and caches; results stay
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache .hypothesis

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target text; do printf '%-16s %s\n' "$$target" "$$text"; done

# Stamps: the environment is set up again only when the pinned versions changed.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "error: no $(PYTHON) found, Retort needs Python 3.11 or newer; install it or use: make PYTHON=<python>" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is $$($(PYTHON) --version 2>&1)," \
			"Retort needs Python 3.11 or newer; use: make PYTHON=<newer python>" >&2; \
		exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		rm -rf $(VENV); \
		echo "error: $(PYTHON) cannot create $(VENV); install its venv module (Debian, Ubuntu: python3-venv)" >&2; \
		exit 1; }

$(VENV)/.ready: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing pinned packages into $(VENV) (once, a few minutes)"
	$(PIP) -r requirements.txt
	$(PIP) --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: requirements-dev.txt $(VENV)/.ready
	$(PIP) -r requirements-dev.txt
	@touch $@

# An environment apart, because what we compare with may want other versions of what we use.
$(PEERS)/.ready: requirements-bench.txt requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing what is compared with into $(PEERS) (once, a few minutes)"
	$(BIN)/python -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet -r requirements.txt
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --editable .
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps -r requirements-bench.txt
	@touch $@
