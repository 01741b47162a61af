# `make demo` and `make test` set up all that they need in .venv, on any machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_EXPERIMENTS ?= 60
DEMO_SEED ?= 1

.PHONY: demo test test-sandbox check install figure clean

demo: $(VENV)/.installed
	$(BIN)/aster run circle-packing --experiments $(DEMO_EXPERIMENTS) --slots 2 --seed $(DEMO_SEED)

# Most tests wait more than they compute. What is about seconds runs last, with nothing beside it.
PYTEST := $(BIN)/python -m pytest -q
TOGETHER := -n 4 --dist loadgroup
SANDBOX_TESTS := tests/sandbox tests/execution tests/exploits tests/crash

test: check
	$(PYTEST) $(TOGETHER) -m "not alone"
	$(PYTEST) -m alone

# What differs between root and an ordinary user: run it as both.
test-sandbox: $(VENV)/.installed-dev
	$(PYTEST) $(TOGETHER) -m "not alone and not anyuser" $(SANDBOX_TESTS)
	$(PYTEST) -m "alone and not anyuser" $(SANDBOX_TESTS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

install: $(VENV)/.installed

figure: $(VENV)/.installed
	$(BIN)/python docs/figures/make.py

$(VENV)/.installed: pyproject.toml scripts/bootstrap.py
	$(PYTHON) scripts/bootstrap.py $(VENV) .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml scripts/bootstrap.py
	$(PYTHON) scripts/bootstrap.py $(VENV) ".[dev]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
