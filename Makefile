# Two commands for a fresh machine:
#   make quickstart   sets up and runs the whole way on a synthetic database (about five minutes after installation)
#   make test         sets up and runs the tests
# Needs Python 3.11 or later; with a Rust toolchain the tokenizer's fast core is built, without one NumPy serves.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RUST_SOURCES := $(wildcard rust/Cargo.toml rust/pyproject.toml rust/src/*.rs)

.PHONY: setup quickstart test lint format

setup: $(VENV)/.package $(VENV)/.rust

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or later; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv is several times faster; where it can't reach an index that pip is set up for, pip does the same.
$(VENV)/.package: pyproject.toml | $(VENV)/bin/python
	@echo "installing ECG-Bench and what it needs (PyTorch alone is about 3 GB; once)"
	@$(BIN)/python -m pip install --quiet uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[test]' \
		|| $(BIN)/python -m pip install --quiet -e '.[test]'
	@touch $@

$(VENV)/.rust: $(RUST_SOURCES) | $(VENV)/.package
	@if ! command -v cargo >/dev/null; then \
		echo "no Rust toolchain: the exact NumPy tokenizer serves; for the fast one, install Rust and run make setup again"; \
	elif $(BIN)/uv pip install --quiet --python $(BIN)/python --reinstall-package ecg-byte ./rust \
		|| $(BIN)/python -m pip install --quiet --force-reinstall --no-deps ./rust; then \
		touch $@; \
	else \
		echo "the Rust core could not be built (see above): the exact NumPy tokenizer serves"; \
	fi

quickstart: setup
	$(BIN)/ecg-bench quickstart

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if command -v cargo >/dev/null; then cd rust && cargo fmt --check && \
		cargo clippy --all-targets -- -D warnings && cargo clippy --features python -- -D warnings && cargo test; fi

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
