# `make quickstart` and `make test` are all one needs; both set themselves up and are quick when nothing changed.
# The virtual environment carries a stamp named after everything it was made from; another name means another install.

PYTHON ?= python3
VENV ?= .venv
OUT ?= vaescope-quickstart
PYTEST_ARGS ?= -n 2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip --disable-pip-version-check -qq
say = @printf '\n== %s\n' "$(1)"

# What the environment was made from: the folder (scripts and the editable install hold its path), the Python asked for,
# the requirements and their pins.
KEY := $(shell { pwd; echo '$(PYTHON)'; cat pyproject.toml constraints.txt; } | cksum | tr -s ' ' '-')
DEV := $(VENV)/made-dev-$(KEY)
CORE := $(firstword $(wildcard $(DEV)) $(VENV)/made-core-$(KEY))

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo; echo "  PYTHON=python3.12 chooses the interpreter (3.11 or newer), PYTEST_ARGS='-k cka' what pytest is told."

.PHONY: quickstart
quickstart: $(CORE)  ## train, compare and report: the page is vaescope-quickstart/report.html
	$(call say,the quickstart study)
	@$(RUN) vaescope run quickstart --out "$(OUT)"

.PHONY: docs
docs: $(DEV)  ## the documentation site, without a warning: build/docs/index.html
	$(call say,sphinx)
	@OMP_NUM_THREADS=1 $(RUN) sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs

.PHONY: test
test: check docs  ## everything that must hold before a change is handed in
	$(call say,pytest)
	@OMP_NUM_THREADS=1 $(RUN) pytest -m "not slow" $(PYTEST_ARGS)

.PHONY: check
check: $(DEV)  ## format, lint, types and imports, without the tests
	$(call say,ruff format --check)
	@$(RUN) ruff format --check --quiet . || { echo "Not formatted: run make format."; exit 1; }
	$(call say,ruff check)
	@$(RUN) ruff check --quiet .
	$(call say,pyright)
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) pyright --pythonpath "$(VENV)/bin/python"
	$(call say,lint-imports)
	@"$(VENV)/bin/lint-imports"

.PHONY: test-slow
test-slow: $(DEV)  ## the tests that take minutes
	$(call say,pytest -m slow)
	@OMP_NUM_THREADS=1 $(RUN) pytest -m slow

.PHONY: benchmarks
benchmarks: $(DEV)  ## the figures the documents claim, measured here (an hour, 25 GB of disk)
	@set -e; for file in benchmarks/*.py; do \
	  [ -e "$$file" ] || { echo "No benchmarks yet."; break; }; \
	  printf '\n== %s\n' "$$file"; $(VENV)/bin/python "$$file"; \
	done

.PHONY: format
format: $(DEV)  ## rewrite the sources as ruff formats them
	@$(RUN) ruff format --quiet .
	@$(RUN) ruff check --quiet --fix .

.PHONY: constraints
constraints:  ## pin anew everything that core and dev need, at today's versions
	$(call say,every version anew; torch keeps the pin it has)
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; "$(PYTHON)" -m venv "$$folder"; \
	pip="$$folder/bin/python -m pip --disable-pip-version-check -qq"; \
	$$pip install "$$(grep '^torch==' constraints.txt)" '.[dev]'; $$pip check; \
	{ grep '^#' constraints.txt; $$pip freeze --exclude vaescope | sed 's/+[a-z0-9]*$$//' | LC_ALL=C sort -f; } > "$$folder/pins"; \
	cp "$$folder/pins" constraints.txt

.PHONY: clean
clean:  ## remove the environment and every cache; studies stay
	rm -rf "$(VENV)" .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find src tests benchmarks -name __pycache__ -type d -exec rm -rf {} +

# An environment without any stamp is one whose making was interrupted, or somebody else's: it is made anew.
# One with a stamp of another name is brought up to date. The stamp goes first and comes back last.
define make_venv
	@command -v "$(PYTHON)" >/dev/null || { echo "vaescope needs Python 3.11 or newer, and there is no $(PYTHON) here. Install it, or name yours: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("vaescope needs Python 3.11 or newer, and $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v[:2])'
	$(call say,set-up: installing into $(VENV); some minutes the first time as PyTorch is large)
	@set -- "$(VENV)"/made-*; if [ ! -e "$$1" ] || [ "$$(cat "$$1")" != "$(CURDIR) $(PYTHON)" ] || ! $(RUN) pip --version >/dev/null 2>&1; then \
	  rm -rf "$(VENV)" && "$(PYTHON)" -m venv "$(VENV)"; \
	fi
	@rm -f "$(VENV)"/made-*
	@$(PIP) install -c constraints.txt -e '$(1)'
	@$(PIP) check
	@printf '%s' "$(CURDIR) $(PYTHON)" > "$@"
endef

$(VENV)/made-core-$(KEY):
	$(call make_venv,.)

$(VENV)/made-dev-$(KEY):
	$(call make_venv,.[dev])
