# `make demo` and `make test` set up all that they need in .venv, on any machine with Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_EXPERIMENTS ?= 60
DEMO_SEED ?= 1
unexport PYTHONDONTWRITEBYTECODE  # hundreds of short processes: what they import is compiled once

.PHONY: demo test test-sandbox check install figure clean

demo: $(VENV)/.installed
	$(BIN)/aster run circle-packing --experiments $(DEMO_EXPERIMENTS) --slots 2 --seed $(DEMO_SEED)

# Most tests wait more than they compute. What is about seconds runs last, with nothing beside it. What failed beside
# others has to pass once more by itself: a machine that is taken away for seconds fails a test that kills and waits.
PYTEST := $(BIN)/python -m pytest -q
TOGETHER := -n 4 --dist loadgroup
AGAIN := $(PYTEST) --last-failed --last-failed-no-failures none
SANDBOX_TESTS := tests/sandbox tests/execution tests/exploits tests/crash

test: check
	$(PYTEST) $(TOGETHER) -m "not alone" || { [ $$? = 1 ] && $(AGAIN) -m "not alone"; }
	$(PYTEST) -m alone || { [ $$? = 1 ] && $(AGAIN) -m alone; }

# What differs between root and an ordinary user: run it as both.
test-sandbox: $(VENV)/.installed-dev
	$(PYTEST) $(TOGETHER) -m "not alone and not anyuser" $(SANDBOX_TESTS) || { [ $$? = 1 ] && $(AGAIN) -m "not alone and not anyuser" $(SANDBOX_TESTS); }
	$(PYTEST) -m "alone and not anyuser" $(SANDBOX_TESTS) || { [ $$? = 1 ] && $(AGAIN) -m "alone and not anyuser" $(SANDBOX_TESTS); }

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
