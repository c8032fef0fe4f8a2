# make demo       set up, make synthetic data, train, test, draw pictures (make clean to start again)
# make demo-strongpose   the same for StrongPose (bottom-up), without the pictures
# make demo-cluster      the same for the cluster-wise network (bottom-up)
# make test       set up the environment, run the quick tests
# make test-long  the quick tests and the longer ones
#                 (both list the slowest tests and the lines of mmpose_ext that no test ran)
# make test-arithmetic   the quick tests (or TESTS=tests/apps) with other numbers of threads and other
#                 vector instructions, which round sums differently
# make test-env   the quick tests in several environments of MMPose's users, one after another;
#                 ENV=py38-torch20 selects one (make test-env ENV=--list prints all names)
# make docs       the documentation site, into build/docs/html
# make lint       ruff, import-linter (imports between folders go one way), mypy and vermin (Python 3.8)
# make clean      remove the demo's output (not the environment)
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
DEMO_CONFIG := configs/demo/attention_resnet18_128x96.py
CLUSTER := build/demo-cluster
CLUSTER_CONFIG := configs/demo/cluster_hourglass2_160x160.py
STRONGPOSE := build/demo-strongpose
STRONGPOSE_CONFIG := configs/demo/strongpose_resnet18_193x193.py
TESTS ?= tests
ARITHMETICS := OMP_NUM_THREADS=1 OMP_NUM_THREADS=2 OMP_NUM_THREADS=4 ATEN_CPU_CAPABILITY=default \
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=SSE41 ONEDNN_MAX_CPU_ISA=AVX2
COVERAGE := --cov --cov-report=term-missing:skip-covered
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: setup demo demo-cluster demo-strongpose test test-long test-arithmetic test-env docs lint clean

setup:
	@$(PYTHON) tools/setup_env.py --venv $(VENV)

demo: $(DEMO)/train/epoch_9.pth
	mim test mmpose $(DEMO_CONFIG) --checkpoint $< --work-dir $(DEMO)/test --out $(DEMO)/test/metrics.json \
		--cfg-options test_evaluator.outfile_prefix=$(DEMO)/test/predictions
	python tools/demo_report.py $(DEMO)

# kept between calls; an interrupted training resumes from its last complete checkpoint
$(DEMO)/train/epoch_9.pth: | setup
	mmpose-ext synthetic --out $(DEMO)/data --train 2500 --val 250 --people 1 3 --seed 0
	mim train mmpose $(DEMO_CONFIG) --work-dir $(DEMO)/train --resume

demo-strongpose: $(STRONGPOSE)/train/epoch_4.pth
	mim test mmpose $(STRONGPOSE_CONFIG) --checkpoint $< --work-dir $(STRONGPOSE)/test

$(STRONGPOSE)/train/epoch_4.pth: | setup
	mmpose-ext synthetic --out $(STRONGPOSE)/data --train 3600 --val 300 --people 1 3 --size 240 240
	mim train mmpose $(STRONGPOSE_CONFIG) --work-dir $(STRONGPOSE)/train --resume

demo-cluster: $(CLUSTER)/train/epoch_6.pth
	mim test mmpose $(CLUSTER_CONFIG) --checkpoint $< --work-dir $(CLUSTER)/test \
		--out $(CLUSTER)/test/metrics.json \
		--cfg-options test_evaluator.outfile_prefix=$(CLUSTER)/test/predictions
	python tools/demo_report.py $(CLUSTER)

$(CLUSTER)/train/epoch_6.pth: | setup
	mmpose-ext synthetic --out $(CLUSTER)/data --train 3500 --val 500 --people 1 3 --size 256 256 --seed 0
	mim train mmpose $(CLUSTER_CONFIG) --work-dir $(CLUSTER)/train --resume

test: setup
	python -m pytest -m 'not long' $(COVERAGE)

test-long: setup
	python -m pytest $(COVERAGE)

test-arithmetic: setup
	@failed=; for setting in $(ARITHMETICS); do echo "== $$setting"; \
		env $$setting python -m pytest -q -m 'not long' $(TESTS) || failed="$$failed $$setting"; done; \
		test -z "$$failed" || { echo "failed with:$$failed"; exit 1; }

test-env:
	@$(PYTHON) tools/test_env.py $(ENV)

docs: setup
	python -m sphinx -q -W --keep-going -b html -d build/docs/doctrees docs build/docs/html

lint: setup
	ruff check .
	ruff format --check .
	lint-imports
	mypy
	vermin -t=3.8- --no-tips --no-parse-comments --violations mmpose_ext tests tools setup.py

clean:
	rm -rf build
