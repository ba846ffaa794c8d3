# Plain `make` lists the targets and the variables. Each target first installs what it needs into .venv.

.DEFAULT_GOAL := help

PYTHON ?= python3
SECONDS ?= 60
USERS ?= 250
ROUNDS ?= 7
BASELINE ?= 5386fa1

ifneq ($(filter-out help ci clean,$(or $(MAKECMDGOALS),help)),)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2] * (sys.version_info >= (3, 11)))')
ifeq ($(VERSION),)
$(error $(PYTHON) is not Python 3.11 or newer; name another one with PYTHON=...)
endif
endif

VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
SAM := .venv/sam/bin
NODE := tests/node
CLIENT := .venv/sg-python-api
CHECKOV := .venv/checkov
PEERS := .venv/peers

# One region of each partition: the default one, China and GovCloud. Checkov does not depend on the region.
REGIONS := us-east-1 cn-north-1 us-gov-west-1

PYTEST = $(BIN)/python -m pytest -n auto $(ARGS)
INSTALL = @$(PYTHON) tests/local/install.py $@ $<
COMPILE = .venv/uv/bin/uv pip compile --quiet --generate-hashes --no-build --custom-compile-command "make $@" $(ARGS)

# uv does not compile what it installs. Python compiles a module at its first import and stores the result, but not if
# this variable is set. Then every start of `sam` or `pytest` takes seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test unit integration engines lint rehearsal soak bench load types requirements ci clean

help: ## list the targets and the variables
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'PYTHON=python3.13        use this Python, 3.11 or newer'
	@echo 'ARGS="-k refresh"        pass arguments to pytest (test, unit, integration, engines)'
	@echo 'SECONDS=60               the time for soak, and for each of the three kinds of rounds of load'
	@echo 'USERS=250                the users of load who wait at the same time'
	@echo 'ROUNDS=7                 how often bench starts each function'
	@echo 'BASELINE=5386fa1         the commit that bench compares with'
	@echo 'PARTS="cold calls"       what bench measures: cold, calls, warm, growth, page, morning (default), instructions'
	@echo 'PORT=8000                the first of the four ports of run'
	@echo 'SITE=identity            the kind of the fake site for run: passwords (the default), identity or sso'
	@echo 'SHOTGRID_SITE_URL=...    the site for run, instead of the fake site'
	@echo 'ALLOWED_ORIGINS=...      the origins of further pages that can use the gateway of run, separated by commas'

run: $(VENV)/run.installed .venv/sam/installed ## start the gateway and a fake site on this machine
	@exec $(BIN)/python -m tests.local

test: $(VENV)/test.installed .venv/sam/installed $(NODE)/node_modules/installed $(CLIENT)/installed ## run the suite (needs Chromium)
	$(PYTEST) tests/unit tests/site tests/integration tests/end_to_end tests/browser

unit: $(VENV)/test.installed ## run the unit tests and the tests of the fake site
	$(PYTEST) tests/unit tests/site

engines: $(VENV)/test.installed .venv/sam/installed ## run the main flows in Firefox and WebKitGTK
	$(PYTEST) tests/engines

integration: $(VENV)/test.installed .venv/sam/installed $(NODE)/node_modules/installed $(CLIENT)/installed ## run unit and the tests on local AWS
	$(PYTEST) tests/unit tests/site tests/integration

lint: $(VENV)/test.installed .venv/sam/installed $(CHECKOV)/installed ## check code, types and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml functions layers ops
	printf '%s\n' $(REGIONS) | SAM_CLI_TELEMETRY=0 xargs -P 3 -n 1 $(SAM)/sam validate --lint --region
	$(SAM)/cfn-lint --regions $(REGIONS) -- template.yaml docs/examples/*.yaml
	CKV_SKIP_PACKAGE_UPDATE_CHECK=true $(CHECKOV)/bin/checkov --quiet --compact --skip-download --framework cloudformation --file template.yaml

rehearsal: $(VENV)/test.installed .venv/sam/installed $(CLIENT)/installed ## rehearse two changes of a site and print a table for each
	@$(BIN)/python -m tests.rehearsal

soak: $(VENV)/test.installed ## run the randomized tests for SECONDS and print counts
	@$(BIN)/python -m tests.soak $(SECONDS)

bench: $(VENV)/test.installed .venv/sam/installed $(PEERS)/installed ## print cold starts, calls and response times (needs Python 3.13)
	@PYTHONPATH=layers/shotgrid_login $(BIN)/python -m tests.bench --rounds $(ROUNDS) --baseline $(BASELINE) $(PARTS)

load: $(VENV)/test.installed .venv/sam/installed ## let USERS wait for their approval while others use the gateway
	@$(BIN)/python -m tests.load $(USERS) $(SECONDS)

types: $(NODE)/node_modules/installed ## write the .d.ts files of functions/pages again, from the JSDoc
	rm -f functions/pages/files/*.d.ts
	PATH="$(CURDIR)/$(BIN):$$PATH" $(NODE)/node_modules/.bin/tsc --project $(NODE)

requirements: $(VENV)/test.installed ## write each requirements.txt from its .in (ARGS=--upgrade: newer versions)
	$(COMPILE) --python-version 3.11 --universal tests/local/requirements-uv.in -o tests/local/requirements-uv.txt
	$(COMPILE) --python-version 3.11 --universal tests/local/requirements-sam.in -o tests/local/requirements-sam.txt
	$(COMPILE) --python-version 3.11 --universal tests/local/requirements.in -o tests/local/requirements.txt
	$(COMPILE) --python-version 3.13 --python-platform aarch64-manylinux_2_28 \
	  layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	$(COMPILE) --python-version 3.11 --universal tests/requirements.in -o tests/requirements.txt
	$(COMPILE) --python-version 3.11 --universal \
	  tests/requirements-sg-python-api.in -o tests/requirements-sg-python-api.txt
	$(COMPILE) --python-version 3.11 --universal tests/requirements-checkov.in -o tests/requirements-checkov.txt
	$(COMPILE) --python-version 3.13 --universal tests/bench/peers/requirements.in -o tests/bench/peers/requirements.txt

ci: ## run everything that must pass before a change is merged
	@.ci/run

clean: ## remove everything that make has installed or built
	rm -rf .venv .aws-sam build $(NODE)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/run.installed: tests/local/requirements.txt
	$(INSTALL) "the local AWS and the fake site into $(VENV) (about 5 seconds)"

$(VENV)/test.installed: tests/requirements.txt
	$(INSTALL) "the packages for tests and checks into $(VENV) (about 10 seconds)"
	@touch $(VENV)/run.installed  # these packages include those of `make run`

.venv/sam/installed: tests/local/requirements-sam.txt
	$(INSTALL) "the SAM CLI into .venv/sam (about 5 seconds)"

$(CLIENT)/installed: tests/requirements-sg-python-api.txt
	$(INSTALL) "an independent Python client into $(CLIENT) (about 1 second)"

$(CHECKOV)/installed: tests/requirements-checkov.txt
	$(INSTALL) "Checkov into $(CHECKOV) (about 5 seconds)"

$(PEERS)/installed: tests/bench/peers/requirements.txt
	$(INSTALL) "the peers of the benchmark into $(PEERS) (about 5 seconds)"

$(NODE)/node_modules/installed: $(NODE)/package-lock.json $(VENV)/test.installed
	@echo "Installing the tests' JavaScript packages into $(NODE)/node_modules (about 10 seconds)"
	@PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(NODE) --no-audit --no-fund --silent
	@touch $@
