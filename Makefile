# make demo       set up, make synthetic data, train, test, draw pictures   (about 15 minutes)
# make test       set up, run the quick tests                               (about 15 minutes)
# make test-long  the quick tests and those that take longer
# make lint       ruff
# make clean      remove the demo's output (not the environment)
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: setup demo test test-long lint clean

setup:
	@$(PYTHON) tools/setup_env.py --venv $(VENV)

demo: setup
	mmpose-ext synthetic --out $(DEMO)/data --train 1000 --val 200 --seed 0
	mim train mmpose configs/demo/attention_resnet18_128x96.py --work-dir $(DEMO)/train
	mim test mmpose configs/demo/attention_resnet18_128x96.py $(DEMO)/train/last.pth \
		--work-dir $(DEMO)/test --show-dir pictures
	$(BIN)/python tools/demo_report.py $(DEMO)

test: setup
	$(BIN)/python -m pytest -m 'not long'

test-long: setup
	$(BIN)/python -m pytest

lint: setup
	ruff check .
	ruff format --check .

clean:
	rm -rf build
