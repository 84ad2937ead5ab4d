# Two commands: `make demo` shows the program at work, `make test` runs every check. Both install what they need.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: bench demo faust test lint types imports clean

demo: $(INSTALLED)
	$(BIN)/odr demo

bench: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks.bench

faust: $(INSTALLED)
	$(BIN)/python -m tests.stock_faust.compare

test: lint types imports
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(INSTALLED)
	$(BIN)/mypy

imports: $(INSTALLED)
	$(BIN)/lint-imports

$(INSTALLED): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/pip install --quiet --editable . --group dev
	touch $@

clean:
	rm -rf $(VENV) .odr dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
