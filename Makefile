PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: install demo test systems nightly check bench bench-libraries docs

install: .venv/dev.done
demo: .venv/demo.done ; $(BIN)/querist demo
test: install ; $(BIN)/python -m pytest -n 2 --dist worksteal -m "not systems"
systems: install ; $(BIN)/python -m pytest -n 2 --dist worksteal -m systems --durations=10
nightly: install ; QUERIST_NIGHTLY=1 $(BIN)/python -m pytest tests/loop/test_kill.py
check: install ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports
bench: install ; $(BIN)/python benchmarks/run.py
bench-libraries: install ; $(BIN)/python benchmarks/compare.py
docs: install ; $(BIN)/python docs/reference.py

.venv/bin/python: ; $(PYTHON) -m venv .venv
.venv/demo.done: pyproject.toml constraints.txt | .venv/bin/python ; $(PIP) -e '.[demo]' && touch $@
.venv/dev.done: pyproject.toml constraints.txt | .venv/bin/python ; $(PIP) -e '.[dev]' && touch $@
