# The first call of a target makes the environment; a change of its pins makes it again.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
# cpu: everything, with the tests; gpu: serving and training on GPUs, in an environment beside it.
PINS ?= cpu
VENV := $(if $(filter cpu,$(PINS)),.venv,.venv-$(PINS))
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILE = $(BIN)/uv pip compile --python-version 3.11 --python-platform x86_64-unknown-linux-gnu \
	--generate-hashes --custom-compile-command "make lock" --quiet
# Several processes share the machine: each has one thread, and none spins.
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE
export HF_HUB_OFFLINE := 1
# Tests start a hundred processes; without bytecode each compiles torch, vLLM and TRL again, for 20 seconds of CPU time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: environment
environment: $(READY) ## make the environment (PINS=gpu: .venv-gpu, to train on GPUs)

.PHONY: demo
demo: $(READY) ## run the main job on a local Kafka, S3 and vLLM, and write a page of evidence
	$(BIN)/zoomin demo $(ARGS)

.PHONY: up
up: $(READY) ## start the local Kafka and S3 alone, in the foreground
	$(BIN)/zoomin up $(ARGS)

.PHONY: label-studio
label-studio: $(READY) ## start the local Kafka, S3 and a real Label Studio, to label by hand (variables: build/local.env)
	mkdir -p build
	$(BIN)/zoomin up --label-studio --dir build/label-studio $(ARGS) > build/local.env

WORKERS ?= 2
.PHONY: unit
unit: check ## check lint and types and run the unit tests (ARGS= for pytest)
	$(BIN)/pytest -n $(WORKERS) tests/unit $(ARGS)

# Each worker takes a file of tests at a time (tests/support/scheduling.py); ARGS="-n 0 ..." runs without workers.
# With ARGS, coverage is not measured: a part of the tests does not reach its floor.
.PHONY: test
test: check ## check lint, types, all tests and their coverage (CI=true: nothing is skipped; ARGS= for pytest, WORKERS=)
	rm -rf build/coverage
	$(if $(ARGS),$(BIN)/pytest,$(BIN)/coverage run -m pytest) -n $(WORKERS) --times $(ARGS)
	$(if $(ARGS),,$(BIN)/python -m tests.support.coverage_by_room)

.PHONY: check
check: $(READY) ## check lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: bench
bench: $(READY) ## measure speed and memory side by side, into build/bench.json
	$(BIN)/python -m tests.bench $(ARGS)

EVENTS ?= 1000
KILLS ?= 4
DELIVERY ?= at_least_once
.PHONY: chaos
chaos: $(READY) ## inject faults into real processes and check the topics, into build/chaos.json (EVENTS= KILLS= DELIVERY= SEED= SWAPS=)
	$(BIN)/python -m tests.chaos --events $(EVENTS) --kills $(KILLS) --delivery $(DELIVERY) $(if $(SEED),--seed $(SEED)) $(if $(SWAPS),--swaps) $(ARGS)

.PHONY: hostile
hostile: $(READY) ## send hostile images, events and answers through a worker, into build/hostile.json (SEED=)
	$(BIN)/python -m tests.hostile $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: label-demo
label-demo: $(READY) ## go from traffic to labels, an estimate and a snapshot, on real servers (ARGS="--events 200")
	$(BIN)/python -m tests.label_demo $(ARGS)

.PHONY: loop-demo
loop-demo: $(READY) ## let new kinds appear, be labeled, trained on and caught, on real servers (ARGS="--fresh"); a stopped one goes on
	$(BIN)/python -m tests.loop_demo $(ARGS)

.PHONY: decode-cases
decode-cases: $(READY) ## compare zoomin decode with the pixels that are expected of the files in a folder (DIR=)
	$(BIN)/python -m tests.support.decode_cases $(DIR)

.PHONY: gpu-check
gpu-check: $(READY) ## try serving and training, into build/gpu.json (PINS=gpu on GPUs, or ARGS="--size 3b --cpu")
	$(BIN)/zoomin-train gpu-check $(ARGS)

MODEL ?= models/zoomin-tiny
COUNT ?= 200
.PHONY: overlay
overlay: $(READY) ## count the verdicts that text drawn over images changes (MODEL= COUNT=)
	$(BIN)/zoomin-train overlay $(MODEL) --count $(COUNT) $(ARGS)

.PHONY: train-tiny
train-tiny: $(READY) ## train the tiny model from nothing, into build/zoomin-tiny; an interrupted run resumes (SEED= OUT=)
	$(BIN)/zoomin-train tiny --to-the-end --seed $(or $(SEED),0) --out $(or $(OUT),build/zoomin-tiny) $(ARGS)

.PHONY: schemas
schemas: $(READY) ## write docs/schemas/ from pipeline/wire/messages.py
	$(BIN)/python -m pipeline.wire.schemas

.PHONY: docs
docs: $(READY) ## write docs/reference/ from the code
	$(BIN)/python -m tests.support.reference

.PHONY: licenses
licenses: $(READY) ## list the licenses of the packages in the image
	$(BIN)/python infra/licenses.py

.PHONY: lock
lock: $(READY) ## pin the packages of pyproject.toml again
	$(COMPILE) pyproject.toml --extra cpu --extra local --extra train --group dev --output-file requirements/cpu.txt
	$(COMPILE) pyproject.toml --extra gpu --extra train --output-file requirements/gpu.txt
	$(COMPILE) pyproject.toml --extra cpu --output-file requirements/serve-cpu.txt
	$(COMPILE) pyproject.toml --extra gpu --output-file requirements/serve-gpu.txt
	$(COMPILE) --group label-studio --output-file requirements/label-studio.txt

.PHONY: clean
clean: ## delete the environment and build/; ~/.cache/zoomin stays
	rm -rf .venv .venv-gpu build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(READY): requirements/$(PINS).txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON) here; install Python 3.11 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$($(PYTHON) --version) is too old; Python 3.11 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making the environment in $(VENV) (once; about 6 GB, a minute or two on a good line)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "make: $(PYTHON) cannot make environments; install its venv package (Debian: python3-venv)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || { echo "make: the package registry does not answer; check the network or the index that pip is set to" >&2; exit 1; }
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv pip install --python $(BIN)/python --requirements requirements/$(PINS).txt --compile-bytecode --quiet || { echo "make: not every package could be fetched; run make again, what is here already stays" >&2; exit 1; }
	@$(BIN)/uv pip install --python $(BIN)/python --quiet --no-deps --editable .
	@touch $(READY)
