# Two commands set everything up:  make demo   and   make test
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test test-azure smoke-azure lint docs bench format clean
.DEFAULT_GOAL := help
help:
	@echo "make demo    install into $(VENV) and run the demo"
	@echo "make test    install what the tests need and run them all"
	@echo "make test-azure  the tests of Azure, against servers on this machine (needs Node.js)"
	@echo "make smoke-azure the same line on your own workspace (costs money)"
	@echo "make lint    ruff, mypy --strict, import-linter"
	@echo "make docs    build the pages into build/docs; a warning is an error"
	@echo "make bench   measure against librosa, scikit-learn and the tutorial; writes bench/results.md"

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Earmark needs Python 3.11 or newer; got " + sys.version.split()[0] + ". Type: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

# Stamps: an install is repeated only when what it depends on changed.
$(VENV)/.train: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[train]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.train

$(VENV)/.lint: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[train,serve,lint]'
	@touch $@ $(VENV)/.train

# A second environment with nothing but the core, in which prediction is tested.
$(VENV)-core/.core: pyproject.toml
	$(PYTHON) -m venv $(VENV)-core
	$(VENV)-core/bin/python -m pip install --quiet --editable .
	@touch $@

demo: $(VENV)/.train
	$(BIN)/earmark demo

test: $(VENV)/.test $(VENV)-core/.core
	EARMARK_CORE_PYTHON="$(abspath $(VENV)-core/bin/python)" $(BIN)/python -m pytest -n auto --dist worksteal

# What speaks to Azure is tested in environments of its own: its packages and those of [test] do not go together.
$(VENV)-azure/.azure: pyproject.toml
	$(PYTHON) -m venv $(VENV)-azure
	$(VENV)-azure/bin/python -m pip install --quiet --upgrade pip  # that of Python 3.11 ends in an error over OpenTelemetry's versions
	$(VENV)-azure/bin/python -m pip install --quiet --editable '.[test-azure]'
	@touch $@

# And what Azure ML serves a model with: as its environment there, with SciPy, whose FFT rounds in its own way.
$(VENV)-azure-serve/.serve: pyproject.toml
	$(PYTHON) -m venv $(VENV)-azure-serve
	$(VENV)-azure-serve/bin/python -m pip install --quiet --editable . 'scipy>=1.13' 'azureml-inference-server-http>=1.5,<2'
	@touch $@

# Azurite answers as Azure's Blob storage does.
.azurite/.azurite: Makefile
	npm install --prefix .azurite --no-audit --no-fund --silent azurite@3.35
	@touch $@

test-azure: $(VENV)-azure/.azure $(VENV)-azure-serve/.serve .azurite/.azurite
	EARMARK_AZURE_SERVE_PYTHON="$(abspath $(VENV)-azure-serve/bin/python)" $(VENV)-azure/bin/python -m pytest tests/azure -n auto --dist loadfile

smoke-azure:
	examples/smoke_azure.sh

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@ $(VENV)/.test $(VENV)/.train

bench: $(VENV)/.bench
	$(BIN)/python bench/run.py

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[train,docs]'
	@touch $@ $(VENV)/.train

docs: $(VENV)/.docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(VENV)-core $(VENV)-azure $(VENV)-azure-serve .azurite build dist
