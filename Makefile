# The workbench. A machine needs Python 3.11 or newer, make and git; the rest comes from PyPI into
# .tools/ and .venv/, both inside this folder.

UV_VERSION := 0.13.8
WORKERS ?= 2
TESTS ?=
DEMO ?=
FAULTS ?=
SIZE ?= full
BENCH ?=
MUTANTS ?=
FUZZ_EXAMPLES ?= 2000

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first Python of this machine that is new enough; `make PY=/opt/python3.12/bin/python3` overrides it.
PY ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN := .venv/bin
UV := .tools/bin/uv
READY := .venv/.ready

# uv would fetch an interpreter from elsewhere if it found none; ours is the one that made .tools/.
export UV_PYTHON_DOWNLOADS := never
export UV_PYTHON := $(CURDIR)/.tools/bin/python
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
# Behind a company's proxy only the machine's own certificates will do; uv.lock holds the hashes.
CERTIFICATES := /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem
export UV_SYSTEM_CERTS ?= $(if $(wildcard $(CERTIFICATES)),true,false)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: $(READY) ## Run the whole story once, in a temporary folder (under 30 seconds)
	@$(BIN)/countersign demo $(DEMO)

.PHONY: test
test: $(READY) ## Run every test; TESTS=tests/trust for some, WORKERS=4 for more at once
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup $(TESTS)

.PHONY: check
check: $(READY) ## Format, lint, types, import contracts, migrations: all of them, then a verdict
	@$(MAKE) --no-print-directory --keep-going check-format check-lint check-types check-imports check-sql \
		|| { echo "check: not clean, see above" >&2; exit 1; }
	@echo "check: clean"

.PHONY: faults
faults: $(READY) ## Die at every effect (50 minutes on two busy cores); FAULTS=--go-on to go on
	@$(BIN)/python -m pytest -q --campaign tests/faults $(FAULTS)

.PHONY: fuzz
fuzz: $(READY) ## Try every parser and route with new inputs; FUZZ_EXAMPLES=20000 of them for each law
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest -q --timeout=0 tests/laws/test_parser_laws.py
	@API_EXAMPLES=$$(($(FUZZ_EXAMPLES) / 20)) $(BIN)/python -m pytest -q --timeout=0 tests/web/test_described.py

.PHONY: bench
bench: $(READY) ## Measure, with a named baseline in the same run; SIZE=S, M, L or full (as is, a quarter of an hour)
	@$(BIN)/python -m benchmarks --size $(SIZE) $(BENCH)

.PHONY: mutants
mutants: $(UV) ## Change the core on purpose, see which tests notice, write docs/mutation.md; MUTANTS=controller/trust for some
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/.cache/mutation-venv nice $(UV) run --quiet --frozen --group mutation \
		python -m tests.support.mutation_runs --workers $(WORKERS) $(MUTANTS)

.PHONY: format
format: $(READY) ## Format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

.PHONY: build
build: $(UV) ## Build the wheel into dist/
	@$(UV) build --quiet --wheel --out-dir dist
	@ls dist/*.whl

.PHONY: setup
setup: $(READY) ## Make .venv/ as uv.lock says; every other target does it when it must

.PHONY: clean
clean: ## Remove what was built and every cache
	@rm -rf dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find controller tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: pristine
pristine: clean ## Remove .venv/ and .tools/ as well
	@rm -rf .venv .tools

.PHONY: check-format check-lint check-types check-imports check-sql
check-format:
	@echo "check: format"; $(BIN)/ruff format --check --quiet --diff .
check-lint:
	@echo "check: lint"; $(BIN)/ruff check --quiet .
check-types:
	@echo "check: types"; $(BIN)/mypy
check-imports:
	@echo "check: import contracts"; $(BIN)/lint-imports --no-logo
check-sql:
	@echo "check: migrations"; $(BIN)/squawk --reporter gcc $(wildcard controller/stores/migrations/*.sql)

$(UV):
	@test -n "$(PY)" || { echo "needs Python 3.11 or newer: make PY=/path/to/python3.11" >&2; exit 1; }
	@$(PY) -m venv .tools || { rm -rf .tools; \
		echo "no venv module: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		'uv==$(UV_VERSION)' || { rm -rf .tools; exit 1; }

$(READY): pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --frozen
	@touch $@
