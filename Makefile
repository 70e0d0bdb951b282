# make demo    an environment in .venv, and a whole search in it (about 3 minutes)
# make test    the same with the test extras: lint, types, tests
# Python 3.11 or newer is taken as python3; say which with  make demo PYTHON=python3.12

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PARTS := setup.cfg pyproject.toml

# An installed copy is stale when the source changes; an editable one is not.
SOURCES := $(shell find evonas genomes -name '*.py')

.PHONY: demo test lint soak clean

demo: $(VENV)/demo.stamp
	$(BIN)/python scripts/demo.py

test: lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

soak: $(VENV)/test.stamp
	$(BIN)/python -m pytest -m soak

clean:
	rm -rf $(VENV)

$(VENV)/python.stamp:
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not installed: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "evonas needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V): make ... PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

# An editable install serves the demo too.
$(VENV)/demo.stamp: $(VENV)/python.stamp $(PARTS) $(SOURCES)
	@if [ -f $(VENV)/test.stamp ]; then $(MAKE) $(VENV)/test.stamp; else \
	  echo "Installing evonas and TensorFlow into $(VENV), which takes some minutes ..."; \
	  $(BIN)/pip install --quiet .; fi
	touch $@

$(VENV)/test.stamp: $(VENV)/python.stamp $(PARTS)
	$(BIN)/pip install --quiet --editable '.[test]'
	touch $@
