# Two commands matter: `make book` and `make test`. Each sets up what it needs; a second run repeats nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8000

# tinysoundfont declares PyAudio, which has no wheel and only serves live playback: installed without it.
BARE := tinysoundfont==0.3.7

.DEFAULT_GOAL := help
.PHONY: help setup weights book test slow lint serve lock clean

help:
	@echo "make book    build the book into _build/html"
	@echo "make test    run the tests"
	@echo "make serve   show the built book on http://127.0.0.1:$(PORT)"
	@echo "make lint    ruff and codespell"
	@echo "make slow    the tests that take minutes"
	@echo "make lock    pin the newest versions in constraints.txt"
	@echo "make clean   remove everything that was built"

$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable ".[book,test]"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps $(BARE)
	touch $@

setup: $(READY)
