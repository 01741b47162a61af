# `make demo` and `make test` set up all that they need in .venv, on any machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_EXPERIMENTS ?= 60
DEMO_SEED ?= 1

.PHONY: demo test test-sandbox check install figure clean

demo: $(VENV)/.installed
	$(BIN)/aster run circle-packing --experiments $(DEMO_EXPERIMENTS) --slots 2 --seed $(DEMO_SEED)

test: check
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

# What differs between root and an ordinary user: run it as both.
test-sandbox: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup tests/sandbox tests/execution tests/exploits tests/crash

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
