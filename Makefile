# Every command a newcomer needs. `make` lists them.

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
STORE ?= lapel-data
DATA ?= ../shared/data/garments/labels.csv
ATTRIBUTES ?= garment_type,collar,neckline,sleeve_length,closure,pattern,color,skirt_length,pant_length,coat_length

SEEDS ?= 0 1 2
EPOCHS ?= 80
# What the two sizes are trained with, beside the defaults of `lapel train`.
CHANGES := --drawn 0.19 --new-grounds 0.45 --recolour 0.35 --stretch 0.25 --mixup 0.2 --balance 0.25
SMALL ?= --backbone compact24 --input-size 192 $(CHANGES) --tune 24 --design-space
BASE ?= --backbone resnet18 --input-size 224 $(CHANGES) --tune 24 --design-space
RIVALS ?=

SERVE := .venv
DEV := .venv-dev
# Another Python that has torch and the other packages trains without anything being installed:
# make train-small TRAIN_PYTHON=python3
TRAIN_PYTHON ?= $(DEV)/bin/python
TRAIN_READY = $(if $(filter $(DEV)/%,$(TRAIN_PYTHON)),$(DEV)/.installed)
PACKED := packed/garments
TRAIN_DATA ?= $(if $(wildcard $(PACKED)/labels.csv $(PACKED).tar),$(PACKED)/labels.csv,$(DATA))
# pip of the system installs into a bare environment, so that Debian's python3-venv is not needed.
INSTALL = $(PYTHON) -m pip --python $(1)/bin/python install --quiet --disable-pip-version-check

.PHONY: help run demo test check fix bench openapi pack train train-small train-base rivals \
  evaluate pictures clean

help:  ## List these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(SERVE)/.installed  ## Install what serving needs and start the service (HOST=, PORT=, STORE=)
	LAPEL_HOST=$(HOST) LAPEL_PORT=$(PORT) LAPEL_STORE=$(STORE) $(SERVE)/bin/lapel serve

demo: $(SERVE)/.installed  ## The same, with a catalog of 300 drawn garments to search
	LAPEL_HOST=$(HOST) LAPEL_PORT=$(PORT) $(SERVE)/bin/lapel demo --serve

# One thread a worker: training in several workers at once would share the cores badly.
test: $(DEV)/.installed  ## Install everything and run the tests
	OMP_NUM_THREADS=1 $(DEV)/bin/pytest -n auto --dist loadfile --cov --cov-report=term:skip-covered

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

openapi: $(DEV)/.installed  ## Write the contract that tests hold service and client to
	$(DEV)/bin/python -m service.contract > tests/service/openapi.json
	$(DEV)/bin/python client/generate.py tests/service/openapi.json > client/lapel_client/answers.py

pack: $(TRAIN_READY)  ## Pack the garment photographs for another machine: packed/garments.tar (DATA=)
	$(TRAIN_PYTHON) -m model.training.pack --data $(DATA) --out $(PACKED)

train: runs/small-0.onnx  ## Train the shipped model, one seed, about 5 hours (TRAIN_DATA=, EPOCHS=)

# Both go on where they were stopped; what is finished is left as it is. Packed photographs are
# used where there are any.
train-small: $(SEEDS:%=runs/small-%.onnx)  ## Train the default size, a model a seed, into runs/ (SEEDS=, EPOCHS=, SMALL=)

train-base: $(SEEDS:%=runs/base-%.onnx)  ## Train the larger size; wants a GPU (SEEDS=, EPOCHS=, BASE=)

rivals: $(TRAIN_READY) $(TRAIN_DATA)  ## Train and measure every published design beside ours (RIVALS=)
	$(TRAIN_PYTHON) -m model.training.rivals --data $(TRAIN_DATA) $(RIVALS)

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

runs/small-%.onnx: | $(TRAIN_READY) $(TRAIN_DATA)
	$(train) --seed $* $(SMALL) --epochs $(EPOCHS) --work runs/small-$* --out $@

runs/base-%.onnx: | $(TRAIN_READY) $(TRAIN_DATA)
	$(train) --seed $* $(BASE) --epochs $(EPOCHS) --work runs/base-$* --out $@

# By module, since an entry point needs an installation.
train = $(TRAIN_PYTHON) -c 'import typer; from model.training.cli import run_train as train; typer.run(train)' \
  --data $(TRAIN_DATA) --attributes $(ATTRIBUTES) --about model/weights/about.json

$(PACKED)/labels.csv: $(wildcard $(PACKED).tar)
	tar -xmf $(PACKED).tar -C $(dir $(PACKED))
