# hedged: `make demo` and `make test` are all a newcomer needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= 2

.PHONY: help demo test test-long mutants lint bench lock clean
.DEFAULT_GOAL := help

help:  ## show these lines
	@sed -n 's/^\([a-z-]*\):.*##/  make \1 /p' $(MAKEFILE_LIST) | awk '{ printf "  %s %-10s", $$1, $$2; $$1 = $$2 = ""; print }'

demo: $(READY)  ## run the whole cycle on paper over shipped real history, offline
	$(BIN)/hedged demo

test: lint  ## lint, types, import contracts, and the whole test suite, in two processes (WORKERS)
	$(BIN)/pytest -q --numprocesses $(WORKERS) --dist loadfile

test-long: $(READY)  ## the long campaigns, or a shard of one (PART, SEED0, COUNT); see tests/README.md for the last figures
	$(if $(PART),PYTHONPATH=tests $(BIN)/python -m campaign $(PART) \
		$(if $(SEED0),--seed0 $(SEED0)) $(if $(COUNT),--count $(COUNT)),$(BIN)/pytest -q -m long --run-long)

mutants: $(READY)  ## change one thing at a time in what decides and sends (MODULES), and count what the tests see
	PYTHONPATH=tests $(BIN)/python -m mutation $(MODULES)

lint: $(READY)  ## style, types and import contracts
	$(BIN)/ruff format --check --quiet daemon tests
	$(BIN)/ruff check --quiet daemon tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)  ## speed, as ratios against a reference in the same run
	PYTHONPATH=tests $(BIN)/python tests/bench

COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate --upgrade --quiet

lock: $(READY)  ## resolve the dependencies anew, with hashes and without addresses
	$(BIN)/pip install --quiet uv
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --output-file deploy/requirements.lock

clean:  ## remove what make has made
	rm -rf $(VENV) .mutants hedged-demo .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hedged needs Python 3.11 or newer; say for example: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $(READY)
