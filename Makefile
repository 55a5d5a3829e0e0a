PYTHON ?= python3
# The build of PyTorch; for that without CUDA, some gigabytes less: TORCH='torch --extra-index-url https://download.pytorch.org/whl/cpu'
TORCH ?= torch
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DOCS_STAMP := $(VENV)/.ready-docs
PAGES := README.md CONTRIBUTING.md CHANGELOG.md docs
export TOKENIZERS_PARALLELISM ?= false
export HF_HUB_OFFLINE ?= 1

.PHONY: demo test test-slow test-gpu lint format types bench explore faults fuzz forgeries honest mutants sweep tables docs test-docs test-site dist notebooks setup clean

## demo: set up, then the main job on the built-in data, with a report at the end
demo: $(STAMP)
	$(BIN)/gradmask demo
	@echo 'The program is $(BIN)/gradmask; to call it as gradmask: export PATH="$$PWD/$(BIN):$$PATH"'

## test: set up, then the tests
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist=worksteal -m "not slow"

## test-slow: the long tests
test-slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

## test-gpu: the tests of the core with models and batches on a GPU; DEVICE=cuda:1 takes another one
DEVICE ?= cuda
test-gpu: $(STAMP)
	OMP_NUM_THREADS=1 GRADMASK_TEST_DEVICE=$(DEVICE) $(BIN)/python -m pytest -q -n 4 --dist=worksteal \
	  tests/model/test_partitioned.py tests/model/test_removal.py tests/model/test_labels.py tests/partitioning tests/conformance

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mdformat --check $(PAGES)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/mdformat $(PAGES)

types: $(STAMP)
	$(BIN)/pyrefly check

## bench: the benchmarks behind docs/performance.md; QUICK=1 shows in minutes that they run
bench: $(STAMP)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

## explore: the tests of properties, with examples that no run has tried before
explore: $(STAMP)
	HYPOTHESIS_PROFILE=explore OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist=worksteal -m "hypothesis and not slow"

## faults: kill runs and let their disks, data and processes fail; the table of docs/reliability.md
faults: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.campaign

## fuzz: 500 malformed inputs; the table of docs/security.md
fuzz: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.campaign

## forgeries: 239 forged exports, each with old and new hashes; none may pass gradmask verify (docs/security.md)
forgeries: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q tests/security/test_forgeries.py

## honest: 210 honest exports of all architectures; gradmask verify must prove each (docs/security.md)
honest: $(STAMP)
	OMP_NUM_THREADS=1 PYTHONPATH=tests:. $(BIN)/python -m tests.security.honest

## sweep: every model type of the Auto mappings, tiny; the tables of docs/architectures.md (about 25 minutes)
sweep: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.sweep.campaign

## mutants: 120 mutants of verification, removal, routing and guards (docs/security.md)
mutants: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.security.mutants

## tables: write the generated parts of the documentation again
tables: $(STAMP)
	GRADMASK_UPDATE_DOCS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -k up_to_date \
	  tests/contract/test_docs.py tests/lab/recipe/test_docs.py tests/stacks/test_docs.py tests/docs/test_site.py
	$(BIN)/mdformat docs

## docs: the generated parts, the pictures, and the site in build/site; a broken link or anchor is an error
docs: tables $(DOCS_STAMP)
	$(BIN)/python -m website.pictures
	$(BIN)/python -m website

## test-docs: every command of the documentation as pasted, on small runs (what is quick is part of make test)
test-docs: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow tests/docs --ignore tests/docs/test_axe.py

## test-site: builds the site, then axe-core on every page, on a desktop and a phone, light and dark; needs Chromium
test-site: $(DOCS_STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m slow tests/docs/test_axe.py

## dist: the wheel and the source archive; the wheel is installed in a fresh environment, and runs a short demo there
dist: $(STAMP)
	rm -rf dist build/fresh
	$(BIN)/pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build
	$(PYTHON) -m venv build/fresh
	build/fresh/bin/pip install --quiet --disable-pip-version-check -c constraints.txt numpy $(TORCH)
	build/fresh/bin/pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	cd build/fresh && bin/gradmask demo --set train.steps=8 --set evaluate.measures=[]

## notebooks: the examples in cells, run, as notebooks with their output (some minutes)
NOTEBOOKS := removable_language removable_topic two_skills customer_documents protein_family grpo_reward_hack
notebooks: $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[notebooks]"
	cd examples && for name in $(NOTEBOOKS); do \
		PYTHONWARNINGS=ignore $(abspath $(BIN))/python -m jupytext --quiet --to ipynb --execute --set-kernel python3 $$name.py --output $$name.ipynb || exit 1; done

setup: $(STAMP)

# PyTorch first and alone: the build that is asked for is found then, and nothing after it pulls another one.
$(STAMP): pyproject.toml constraints.txt
	@echo 'Setting up $(VENV): some minutes, of which PyTorch takes most'
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("gradmask needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt numpy $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

$(DOCS_STAMP): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
