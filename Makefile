# Every command a newcomer needs. `make` lists them.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
STORE ?= lapel-data
DATA ?= ../shared/data/garments/labels.csv
ATTRIBUTES ?= garment_type,collar,neckline,sleeve_length,closure,pattern,color,skirt_length,pant_length,coat_length

SERVE := .venv
DEV := .venv-dev
# pip of the system installs into a bare environment, so that Debian's python3-venv is not needed.
INSTALL = $(PYTHON) -m pip --python $(1)/bin/python install --quiet --disable-pip-version-check

.PHONY: help run demo test check fix bench openapi train evaluate pictures clean

help:  ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(SERVE)/.installed  ## Install what serving needs and start the service (HOST=, PORT=, STORE=)
	LAPEL_HOST=$(HOST) LAPEL_PORT=$(PORT) LAPEL_STORE=$(STORE) $(SERVE)/bin/lapel serve

demo: $(SERVE)/.installed  ## The same, with a catalog of 300 drawn garments to search
	LAPEL_HOST=$(HOST) LAPEL_PORT=$(PORT) $(SERVE)/bin/lapel demo --serve

test: $(DEV)/.installed  ## Install everything and run the tests
	$(DEV)/bin/pytest --cov --cov-report=term:skip-covered

check: $(DEV)/.installed  ## Lint, types and the arrows between rooms; changes nothing
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

fix: $(DEV)/.installed  ## Format, and mend what can be mended
	$(DEV)/bin/ruff check --fix .
	$(DEV)/bin/ruff format .

bench: $(DEV)/.installed  ## Measure speed and size against baselines, about 10 minutes (BENCH=)
	$(DEV)/bin/python -m bench $(BENCH)

openapi: $(DEV)/.installed  ## Write the contract that a test holds the service to
	$(DEV)/bin/python -m service.contract > tests/service/openapi.json

train: $(DEV)/.installed  ## Train the shipped model on the garment photographs, 1 to 2 hours (DATA=)
	$(DEV)/bin/lapel train --data $(DATA) --attributes $(ATTRIBUTES) \
	  --about model/weights/about.json --work runs/first --out runs/first.onnx
	$(DEV)/bin/lapel train --data $(DATA) --attributes $(ATTRIBUTES) \
	  --about model/weights/about.json --start-from runs/first --epochs 5 --learning-rate 5e-4 \
	  --work runs/lapel --out runs/lapel.onnx

evaluate: $(DEV)/.installed  ## Measure the shipped model on the test split (DATA=)
	$(DEV)/bin/lapel evaluate model/weights/lapel.onnx --data $(DATA) --split test

pictures: $(DEV)/.installed  ## Queries and their top hits on the test split, as pictures (DATA=)
	$(DEV)/bin/lapel pictures model/weights/lapel.onnx --data $(DATA) --split test \
	  --attribute collar --attribute sleeve_length --attribute pattern --out runs/pictures

clean:  ## Remove environments and caches; data stays
	rm -rf $(SERVE) $(DEV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage

$(SERVE)/.installed: pyproject.toml
	$(PYTHON) -m venv --without-pip $(SERVE)
	$(call INSTALL,$(SERVE)) -e '.[cpu]'
	touch $@

$(DEV)/.installed: pyproject.toml
	$(PYTHON) -m venv --without-pip $(DEV)
	$(call INSTALL,$(DEV)) -e '.[cpu,train,dev]'
	touch $@
