# Two commands for a newcomer: make quickstart, make test. Plain venv and pip; constraints.txt makes installs repeatable.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/pip --disable-pip-version-check --quiet --no-input
# Byte code of the tests is kept whatever the environment says: without, each worker compiles them anew in each run.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.PHONY: quickstart test test-all test-share mutants extras lint docs bench report clean

quickstart: $(VENV)/.user
	$(BIN)/scorefield quickstart

test: $(VENV)/.dev
	$(PYTEST) -m "not slow" --numprocesses auto --dist worksteal

# Everything, and how each promise fared: the table of docs/reliability.
test-all: $(VENV)/.dev
	$(PYTEST) --numprocesses auto --dist worksteal --promises=results/reliability.json

# What CI runs: those of `make test`, and one in 150 of the slow ones, others with each commit and each day.
test-share: $(VENV)/.dev
	$(PYTEST) --slow-share 150 --numprocesses auto --dist worksteal

# Breaks the library in one place at a time; the tests must notice each.
mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants.py

# Each extra in a fresh environment, torch untouched; TURN=N takes the one whose turn it is.
extras:
	$(PYTHON) -m tools.extras $(if $(TURN),--turn $(TURN))

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/basedpyright

# Pictures and tables are computed, notebooks executed, and all is cached: a quarter of an hour the first time.
docs: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

# report/report.pdf and report/poster.pdf, from the results on disk.
report: $(VENV)/.dev
	$(PIP) install -c constraints.txt -e '.[report]'
	$(BIN)/python report/build.py

clean:
	rm -rf $(VENV) build dist docs/_build docs/_generated

# torch comes first and pinned: unpinned, some indexes answer with gigabytes of CUDA.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt torch
	touch $@

$(VENV)/.user: $(VENV)/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e '.[metrics,tensorboard,video]'
	touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) install -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.user
