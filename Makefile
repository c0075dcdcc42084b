# Every target creates the virtual environment that it needs.
PYTHON ?= python3
BIN := .venv/bin
MINIMAL := .venv-minimal/bin
OLDEST := .venv-oldest/bin
PYTEST := -m pytest -q --numprocesses auto --maxprocesses 4 --dist worksteal

.PHONY: help demo test test-minimal test-oldest bench docs docs-serve docs-look dist release clean

help:  ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/installed  ## evolve a small CNN on scikit-learn's digits; goes on with ARGS=--resume
	$(BIN)/python examples/digits.py $(ARGS)

test: .venv/installed test-minimal  ## check format, lint and types; run the tests, twice
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python $(PYTEST)

test-minimal: .venv-minimal/installed  ## run the tests with only the required packages
	$(MINIMAL)/python $(PYTEST)

test-oldest: .venv-oldest/installed  ## run the tests with the oldest packages that are allowed
	$(OLDEST)/python $(PYTEST) $(ARGS)

bench: .venv/installed  ## time the population forward beside PyTorch and JAX
	$(BIN)/pip install -qq torch==2.13.0 jax
	$(BIN)/python benchmarks/population_forward.py $(ARGS)

docs: .venv/docs  ## build the documentation, to be opened in a browser
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open file://$(CURDIR)/build/site/index.html"

docs-serve: .venv/docs  ## show the documentation at http://127.0.0.1:8000, and every change to it
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

docs-look: docs  ## open every page in Chromium: screenshots, and a list of what is wrong
	$(BIN)/python tests/docs_in_browser.py

dist: .venv/installed  ## build the source distribution and the wheel, and check them
	rm -rf dist
	$(BIN)/python -m build --outdir dist . > build.log || (cat build.log; false)
	rm build.log
	$(BIN)/twine check --strict dist/*

release: .venv/installed  ## check, build, commit and tag a release: VERSION=1.2.0
	$(BIN)/python .ci/release $(VERSION)

clean:  ## remove environments, caches and results
	rm -rf .venv .venv-minimal .venv-oldest build dist
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis runs

.venv/installed: pyproject.toml
	@echo "setting up .venv: a minute or two"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install -qq --editable '.[all,dev]'
	@touch $@

.venv/docs: .venv/installed
	$(BIN)/pip install -qq --editable '.[docs]'
	touch $@

.venv-minimal/installed: pyproject.toml
	$(PYTHON) -m venv .venv-minimal
	$(MINIMAL)/pip install -qq --editable '.[test]'
	touch $@

.venv-oldest/installed: pyproject.toml .ci/oldest.py
	$(PYTHON) -m venv .venv-oldest
	$(PYTHON) .ci/oldest.py > .venv-oldest/constraints.txt
	$(OLDEST)/pip install -qq --constraint .venv-oldest/constraints.txt --editable '.[all,dev]'
	touch $@
