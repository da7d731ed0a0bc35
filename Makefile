# Every target does its own set-up; a machine needs Python 3.11, make and git. `make` alone lists the targets.

PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
    "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
BIN := .venv/bin
READY := .venv/.ready
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options
# What tests and measurements compare with, each in an environment of its own.
OTHERS := sekmet-fhir hl7v2-fhir-bridge

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long check bench format schema lock audit wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## create .venv from the lock file

# Build isolation is off: the build backend, too, comes from the lock with its hash.
$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing the locked packages into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(READY)  ## simulated hospital, adapter and receiver on this machine
	@$(BIN)/csor-adapter demo $(ARGS)

test: $(READY)  ## all tests that take seconds, two files at a time
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(READY)  ## the long forms: crash, order and canary tests at full size
	@HYPOTHESIS_PROFILE=long $(BIN)/python -m pytest -m long -s $(ARGS)

check: $(READY)  ## format, lint, types, import contracts, sizes, mappings
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python .ci/sizes.py
	@$(BIN)/csor-adapter check

bench: $(READY)  ## the bars, each a ratio measured in one run
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(READY)  ## rewrite the code in the house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schema: $(READY)  ## write the published JSON Schemas again from the models
	@$(BIN)/python -m adapter.csor.payload
	@$(BIN)/python -m adapter.mapping.rules

lock: $(READY)  ## resolve the dependencies anew and write the lock files
	@$(COMPILE) --upgrade --extra postgres --extra dev --output-file requirements/dev.txt pyproject.toml
	@$(COMPILE) --constraint requirements/dev.txt --extra postgres --output-file requirements/runtime.txt pyproject.toml
	@for each in $(OTHERS); do $(COMPILE) --upgrade --output-file requirements/$$each.txt requirements/$$each.in || exit 1; done

audit: $(READY)  ## known vulnerabilities in the locked packages
	@for each in dev $(OTHERS); do echo $$each; $(BIN)/pip-audit --require-hashes --disable-pip -r requirements/$$each.txt || exit 1; done

wheel: $(READY)  ## build the wheel, mappings and example configuration inside
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist

clean:  ## remove everything that is made
	rm -rf .venv dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .third-party
