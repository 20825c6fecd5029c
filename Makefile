# Every target does its own set-up: a machine with Python 3.11 or newer, make and the package registries is enough.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUNNABLE := $(VENV)/.runnable
RELEASING := $(VENV)/.releasing
FOLDERS := domain middleware models resolvers schema server examples
# One more than there are cores: a good part of a run is waiting for servers, databases and browsers.
JOBS ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")
LOG := $(VENV)/install.log
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
SUITE = -n $(JOBS) --dist loadfile --no-loadscope-reorder -ra --durations=10
ROOT := __init__.py credentials.py keys.py verifiers.py
PACKAGES := $(addprefix spacekey/,$(ROOT) $(FOLDERS))

# Compiled files go to build/, also where the environment forbids to write any: the suite starts hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/compiled

.PHONY: help serve docs test test-rest test-all faults guards check format test-pythons bench screenshots docs-reference baseline release-prepare release house clean

help: ## what can be made here
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# What the server needs; make serve waits for no tools of development. What pip says is shown if it fails.
$(RUNNABLE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Spacekey needs Python 3.11 or newer; run: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	@echo "Installing the server into $(VENV), once: a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@$(PIP) --editable '.[server,redis]' >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

$(READY): $(RUNNABLE)
	@echo "Installing the tools of development into $(VENV), once: a minute or two."
	@$(PIP) --editable '.[server,redis]' --group dev >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

# The folders as the package they are: type checkers and import-linter see `spacekey.*` through these links. mypy starts
# there, since beside the folders themselves it would take each for a second package of the same name.
house: $(READY)
	@mkdir -p build/house/spacekey
	@for module in $(ROOT) py.typed; do ln -sfn ../../../spacekey/$$module build/house/spacekey/$$module; done
	@for folder in $(FOLDERS); do ln -sfn ../../../$$folder build/house/spacekey/$$folder; done
	@ln -sfn ../../bench build/house/bench
	@ln -sfn ../../release build/house/release

serve: $(RUNNABLE) ## start the server on SQLite with the four example systems
	$(BIN)/spacekey demo --serve

test: $(READY) ## run every test, each on one of the two databases; long forms are skipped and listed
	$(BIN)/python -m pytest $(SUITE) $(ARGS)

# What a release is made and tried with, in the same environment.
$(RELEASING): $(READY) pyproject.toml constraints.txt
	@echo "Installing the tools of a release into $(VENV), once."
	@$(PIP) --group release >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	@touch $@

test-rest: $(RELEASING) ## run what make test leaves out: the other database, long forms, real starts of every program
	SPACEKEY_TESTS=rest $(BIN)/python -m pytest $(SUITE) $(ARGS)

test-all: test test-rest ## run everything

test-pythons: house ## run part of the suite with the wheel on each Python that is here; packages and types for others
	$(BIN)/python -m release.pythons $(ARGS)

faults: $(READY) ## race 10,000 revocations against uses while everything goes wrong, and kill 1,000 writers
	SPACEKEY_FAULTS=long nice -n 10 $(BIN)/python -m pytest -q -s -m long --timeout 0 tests/chaos $(ARGS)

guards: $(READY) ## remove every guard of resolvers/ and middleware/graphql/ in turn and see a test fail
	SPACEKEY_GUARDS=long nice -n 10 $(BIN)/python -m pytest -q -m long --timeout 0 tests/guards $(ARGS)

check: $(READY) house ## format, lint, types, import contracts, dead code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cd build/house && $(abspath $(BIN))/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.mypy_cache $(PACKAGES) $(CURDIR)/tests $(CURDIR)/docs/generate.py $(CURDIR)/docs/build_site.py bench release
	cd build/house && $(abspath $(BIN))/lint-imports --config $(CURDIR)/pyproject.toml --cache-dir $(CURDIR)/.import_linter_cache
	$(BIN)/vulture

format: $(READY) ## put the sources into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## measure the budgets and write bench/RESULTS.md
	@$(PIP) --group bench >$(LOG) 2>&1 || { cat $(LOG); exit 1; }
	$(BIN)/python -m bench

screenshots: $(READY) ## picture every page of the dashboard into build/screenshots (needs a Chromium)
	$(BIN)/python docs/screenshots/take.py

docs-reference: $(READY) ## write the pages of docs/ that are made from the code
	$(BIN)/python docs/generate.py

docs: $(READY) house ## build the documentation site into build/site, and stop at any warning
	$(BIN)/python docs/build_site.py
	@echo "The site is in build/site; to look at it: $(BIN)/python -m http.server --directory build/site"

baseline: $(READY) ## make REST and GraphQL as they are now the contract that later changes are held to
	PYTHONPATH=tests $(BIN)/python -m contract.baseline

release-prepare: $(READY) ## write VERSION and today's date into pyproject.toml and the changelog, to be committed
	$(BIN)/python -m release prepare $(VERSION)

release: $(RELEASING) ## build sdist, wheel, bill of materials and checksums into dist/, from what is committed
	$(BIN)/python -m release build

clean: ## remove what was built, the virtual environment included
	rm -rf build $(VENV) .mypy_cache .ruff_cache .pytest_cache
