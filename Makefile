# `make run` starts the gateway on this machine, `make test` proves it. Both install what they need into .venv.

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ifneq ($(shell $(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))'),True)
$(error $(PYTHON) is not Python 3.11 or newer; name one with PYTHON=...)
endif
VENV := .venv/$(VERSION)
BIN := $(VENV)/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

NODE := tests/node

.PHONY: run test check rehearsal lint types bench clean

run: $(VENV)/run.installed .venv/sam/installed
	@exec $(BIN)/python -m tests.local

test: $(VENV)/test.installed .venv/sam/installed $(NODE)/node_modules/installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

# What a site answers, and what that means for this gateway: make check SITE=https://... ARGS="--user --save FILE"
check: $(VENV)/check.installed
	@PYTHONPATH=layers/shotgrid_login $(BIN)/python -m shotgrid_login check $(SITE) $(ARGS)

# The move to two-factor authentication, with the vendor's own clients.
rehearsal: $(VENV)/test.installed .venv/sam/installed
	@$(BIN)/python -m tests.rehearsal

lint: $(VENV)/test.installed .venv/sam/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	SAM_CLI_TELEMETRY=0 .venv/sam/bin/sam validate --lint
	.venv/sam/bin/cfn-lint template.yaml docs/examples/*.yaml

# The declarations beside the modules of functions/pages, from their JSDoc.
types: $(NODE)/node_modules/installed
	rm -f functions/pages/files/*.d.ts
	$(NODE)/node_modules/.bin/tsc --project $(NODE)

bench: $(VENV)/test.installed .venv/sam/installed
	@$(BIN)/python -m tests.bench

clean:
	rm -rf .venv .aws-sam $(NODE)/node_modules

$(VENV)/run.installed: tests/local/requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) --requirement $<
	@touch $@

$(VENV)/check.installed: layers/dependencies/requirements.txt $(VENV)/run.installed
	$(BIN)/python $(PIP_INSTALL) --requirement $<
	@touch $@

$(VENV)/test.installed: tests/requirements.txt $(VENV)/run.installed
	$(BIN)/python $(PIP_INSTALL) --requirement $<
	@touch $@

$(NODE)/node_modules/installed: $(NODE)/package-lock.json $(VENV)/test.installed
	PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --prefix $(NODE) --no-audit --no-fund --silent
	@touch $@

.venv/sam/installed: tests/local/requirements-sam.txt
	$(PYTHON) -m venv .venv/sam
	.venv/sam/bin/python $(PIP_INSTALL) --requirement $<
	@touch $@
