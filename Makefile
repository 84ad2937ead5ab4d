# Two commands: `make demo` shows the program at work, `make test` runs every check. Both install what they need.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: asyncapi bench bench-replay demo faults faust grafana scale soak test lint types imports clean

demo: $(INSTALLED)
	$(BIN)/odr demo

bench: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks.bench

bench-replay: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks.replay

# What scrapes and rules cost with many sellers; SCALE="--sellers 2000 --rate 5000" for other than 10,000 and 20,000.
scale: $(INSTALLED)
	$(BIN)/python -m tests.benchmarks.scale $(SCALE)

# What stock Faust's tables make of the same events; FAUST="--runs 9" for more than one run.
faust: $(INSTALLED)
	$(BIN)/python -m tests.stock_faust.compare $(FAUST)

# Every fault with so many seeds, each at its full length, and a table of what was lost and doubled.
SEEDS ?= 5
faults: $(INSTALLED)
	FAULT_SEEDS=$(SEEDS) $(BIN)/pytest tests/faults

# A steady stream with a random fault each minute; SOAK="--minutes 5 --rate 10000" for other than half an hour.
soak: $(INSTALLED)
	$(BIN)/python -m tests.faults.soak $(SOAK)

grafana: $(INSTALLED)
	$(BIN)/python -m grafana.generate

# The committed document is that of the defaults: no variable of this shell has a say.
asyncapi: $(INSTALLED)
	env -i $(BIN)/odr schema --asyncapi > asyncapi.new
	mv asyncapi.new stream/asyncapi.json

test: lint types imports
	$(BIN)/pytest --numprocesses 2 --dist loadfile

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
