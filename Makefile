# make demo    installs into .venv and runs a whole search (about 3 minutes)
# make test    installs the test extras; lint, types, tests
# make docs    builds the documentation in site/, checking every link
# make soak    the long tests; make soak BATTERY=0.1 runs each of the reliability battery a tenth as often
# The first Python of 3.11 or newer is used; choose another with  make demo PYTHON=/path/to/python

NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(or $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python $(NEW_ENOUGH) 2> /dev/null && echo $$python && break; done),python3)
VENV := .venv
BIN := $(VENV)/bin
# Tests start some hundred processes: without bytecode, each of them compiles evonas.
unexport PYTHONDONTWRITEBYTECODE

PARTS := setup.cfg pyproject.toml

# An installed copy is stale when the source changes; an editable one is not.
SOURCES := $(shell find evonas genomes -name '*.py')

.PHONY: demo test quick lint soak docs clean

demo: $(VENV)/demo.stamp
	$(BIN)/python scripts/demo.py

# Lint runs beside the tests: mypy has one process, and tests sometimes wait for clocks. More processes would only import
# the same libraries, which takes a tenth of a process's time.
test: $(VENV)/test.stamp
	$(MAKE) --no-print-directory --jobs=2 lint quick

quick: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not soak'

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(VENV)/test.stamp
	EVONAS_BATTERY=$(or $(BATTERY),1) $(BIN)/python -m pytest -m 'soak or battery'

docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV)

$(VENV)/python.stamp:
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not installed: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) $(NEW_ENOUGH) || { echo "evonas needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V):" \
	  "install a newer one, or name it with PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# An editable install works for the demo, too.
$(VENV)/demo.stamp: $(VENV)/python.stamp $(PARTS) $(SOURCES)
	@if [ -f $(VENV)/test.stamp ]; then $(MAKE) $(VENV)/test.stamp; else \
	  echo "Installing evonas and TensorFlow into $(VENV), which takes some minutes ..."; \
	  $(BIN)/pip install --quiet .; fi
	touch $@

# Python compiles the modules that the tests import, which are not all.
$(VENV)/test.stamp: $(VENV)/python.stamp $(PARTS)
	$(BIN)/pip install --quiet --no-compile --editable '.[test]'
	touch $@

$(VENV)/docs.stamp: $(VENV)/python.stamp $(PARTS)
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@
