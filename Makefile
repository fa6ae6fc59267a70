# Two commands matter: `make book` and `make test`. Each sets up what it needs; a second run sets nothing up again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 8000

# tinysoundfont declares PyAudio, which has no wheel and only serves live playback: installed without it.
BARE := tinysoundfont==0.3.7

# The networks of pages and tests are small: a second thread mostly waits for the first, with a core that another notebook needs.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup cache notebooks book site page test portable slow lint serve lock clean

help:
	@echo "make book    build the book into _build/html"
	@echo "make site    the same as a folder for any static host, _build/site"
	@echo "make page    build one page into _build/page: make page PAGE=book/recipe"
	@echo "make test    run the tests"
	@echo "make serve   show the built book on http://127.0.0.1:$(PORT)"
	@echo "make lint    ruff, codespell, nbstripout, mypy and the list of words"
	@echo "make portable  some of them, as on an older processor and with two threads"
	@echo "make slow    the tests that take minutes"
	@echo "make lock    pin the newest versions in constraints.txt"
	@echo "make clean   remove everything that was built"

$(READY): pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable ".[book,test]"
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps $(BARE)
	touch $@

setup: $(READY)

# What pages and slow tests need, made once in the user's cache: the weights of the pretrained taggers (a download of 29 MB)
# and the notes of the corpus `sheet-music` (some minutes of reading files).
cache: $(READY)
	$(BIN)/tagging prepare pretrained sheet-music

notebooks: cache
	$(BIN)/python book/_tools/execute_notebooks.py _build/.jupyter_cache

book: notebooks
	$(BIN)/jupyter-book build . --all -W -n --keep-going
	$(BIN)/python book/_tools/check_book.py _build/html
	@echo "The book is in _build/html. Look at it with: make serve"

site: book
	$(BIN)/python book/_tools/make_site.py _build/html _build/site

# executes the page if it is a notebook; links to other pages lead nowhere
page: $(READY)
	@test -f "$(basename $(PAGE)).ipynb" -o -f "$(basename $(PAGE)).md" || { echo "name a page that exists: make page PAGE=book/recipe"; exit 1; }
	mkdir -p _build/page
	printf 'format: jb-book\nroot: $(basename $(PAGE))\n' > _build/page/_toc.yml
	$(BIN)/jupyter-book build . --toc _build/page/_toc.yml --path-output _build/page
	@echo "The page is _build/page/_build/html/$(basename $(PAGE)).html"

test: $(READY)
	$(BIN)/python -m pytest -m "not slow"

# some of them again, as on an older processor and with two threads
LOOP := tests/training/test_loop.py
portable: $(READY)
	OMP_NUM_THREADS=2 ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=default \
		$(BIN)/python -m pytest -m "not slow" tests/models/acceleration tests/audio \
		$(LOOP)::test_one_process_trains_in_several_precisions $(LOOP)::test_64_clips_can_be_memorised \
		$(LOOP)::test_a_killed_run_ends_as_if_it_had_not_been

slow: cache
	$(BIN)/python -m pytest -m slow

# the settings of ruff, codespell and mypy are in pyproject.toml
lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/nbstripout --verify --keep-id book/*.ipynb
	$(BIN)/mypy
	$(BIN)/python -m pytest -q --durations=0 --no-header tests/test_names.py

serve: $(READY)
	@test -f _build/html/index.html || { echo "there is no book yet: run make book first"; exit 1; }
	@echo "The book is at http://127.0.0.1:$(PORT) (Ctrl-C ends)"
	$(BIN)/python -m http.server --directory _build/html --bind 127.0.0.1 $(PORT)

lock: $(READY)
	printf 'torch==2.11.0\ntorchaudio==2.11.0\n' > $(VENV)/.torch
	$(BIN)/uv pip compile --universal --upgrade --python-version 3.11 --all-extras --no-header --no-annotate \
		--constraint $(VENV)/.torch pyproject.toml --output-file constraints.txt

clean:
	rm -rf $(VENV) .mypy_cache _build book/_static/vendor
