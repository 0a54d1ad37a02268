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

$(VENV)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "needs Python 3.11 or later; name one with PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.package: pyproject.toml $(VENV)/bin/uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -e '.[test]'
	touch $@

$(VENV)/.rust: $(RUST_SOURCES) $(VENV)/bin/uv
	@if command -v cargo >/dev/null; then \
		$(BIN)/uv pip install --quiet --python $(BIN)/python --reinstall-package ecg-byte ./rust && touch $@; \
	else \
		echo "no Rust toolchain: the exact NumPy tokenizer serves. For the fast one install Rust (rustup) and run make setup"; \
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
