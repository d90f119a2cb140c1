# Every target builds its own prerequisites. `make help` lists the targets.

PYTHON ?= python3
STORE ?= store
CACHE ?= cache
HOST ?= 127.0.0.1
PORT ?= 8080
ENGINE ?= auto
LAYER ?= sst
ZOOM ?= 0-4
MRF ?= mrf
URL ?= http://$(HOST):$(PORT)/\#layer=sst
PYTEST_ARGS ?=
MUTANTS ?= --sample 40
TEST_WORKERS ?= 2
FAULTS ?= faults.xml
REQUESTS ?= 200000
GPU_EXTRAS ?= test,gpu-check
BENCH_GPU ?=
BENCH_DATA ?=
FACTOR ?= 4
FACTORS ?= 4,1

VENV := .venv
GPU_VENV := .venv-gpu
PEERS_VENV := .venv-peers
DEPLOY_VENV := .venv-deploy
BIN := $(VENV)/bin
VIEWER := service/viewer
PAGE := $(VIEWER)/dist/index.html
KERNEL_SOURCES := $(wildcard pyramid/kernel/source/*) pyramid/kernel/build.py
PAGE_SOURCES := $(wildcard $(VIEWER)/src/*.* $(VIEWER)/src/*/* $(VIEWER)/static/*) \
  $(addprefix $(VIEWER)/,build.mjs package.json package-lock.json)

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup serve test test-faults soak probe-loop check docs tables mutants format mrf warm bench bench-convert bench-service bench-viewer bench-scaling bench-links bench-mrf bench-before gpu-check peers-check wheel-check deploy-check sbom screenshot clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16
	@echo
	@echo "Variables: PYTHON=$(PYTHON) STORE=$(STORE) CACHE=$(CACHE) HOST=$(HOST) PORT=$(PORT) ENGINE=$(ENGINE)"
	@echo "           LAYER=$(LAYER) ZOOM=$(ZOOM) MRF=$(MRF)"

# --- set-up ---

# One stamp per Python version: another version (make PYTHON=python3.13 ...) recreates the environment, a plain `make`
# keeps the existing one.
ifeq ($(origin PYTHON),file)
VENV_STAMP := $(or $(firstword $(wildcard $(VENV)/.made-with-*)),$(VENV)/.made-with-default)
GPU_VENV_STAMP := $(or $(firstword $(wildcard $(GPU_VENV)/.made-with-*)),$(GPU_VENV)/.made-with-default)
PEERS_VENV_STAMP := $(or $(firstword $(wildcard $(PEERS_VENV)/.made-with-*)),$(PEERS_VENV)/.made-with-default)
else
ASKED := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
VENV_STAMP := $(VENV)/.made-with-$(or $(ASKED),unknown)
GPU_VENV_STAMP := $(GPU_VENV)/.made-with-$(or $(ASKED),unknown)
PEERS_VENV_STAMP := $(PEERS_VENV)/.made-with-$(or $(ASKED),unknown)
endif

$(VENV_STAMP) $(GPU_VENV_STAMP) $(PEERS_VENV_STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lazytile needs Python 3.11 or newer; select one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv --clear $(@D)
	@touch $@

$(VENV)/.installed: $(VENV_STAMP) pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(PAGE): $(VENV)/.installed $(PAGE_SOURCES)
	$(BIN)/python scripts/build_viewer.py
	@touch $@

# The native kernel. Where no compiler is and none can be installed, tiles are computed with NumPy, and this says so.
$(VENV)/.kernel: $(VENV)/.installed $(KERNEL_SOURCES)
	@command -v "$${CXX:-g++}" >/dev/null || command -v clang++ >/dev/null || \
	  { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends g++; } >/dev/null 2>&1 || true
	@$(BIN)/python scripts/build_kernel.py
	@touch $@

setup: $(VENV)/.installed $(VENV)/.kernel $(PAGE) ## Create .venv with every dependency, and bundle the viewer

# --- the demo: a real dataset and a synthetic one ---

demo/.made: $(VENV)/.installed scripts/make_demo_data.py $(wildcard pyramid/demo/*.py)
	$(BIN)/python scripts/make_demo_data.py --out demo
	@touch $@

# An existing dataset is kept; `make clean` removes it.
$(STORE)/air.zarr: | demo/.made
	$(BIN)/lazytile convert demo/air_temperature.nc --store $(STORE) --name air

$(STORE)/sst.zarr: | demo/.made
	$(BIN)/lazytile convert demo/sst.nc --store $(STORE) --name sst

DEMO := $(STORE)/air.zarr $(STORE)/sst.zarr

serve: setup $(DEMO) ## Serve two demo datasets and print the address of the viewer
	$(BIN)/lazytile serve --prefetch --store $(STORE) --cache $(CACHE) --host $(HOST) --port $(PORT) --engine $(ENGINE)

mrf: setup $(DEMO) ## Export a demo layer (LAYER) as an MRF into MRF
	$(BIN)/lazytile mrf $(LAYER) $(MRF) --store $(STORE)
	@ls -l $(MRF)

warm: setup $(DEMO) ## Fill the tile cache with a demo layer (LAYER) at zooms ZOOM
	$(BIN)/lazytile warm $(LAYER) --zoom $(ZOOM) --store $(STORE) --cache $(CACHE)

# --- checks ---

test: setup ## Run all tests (PYTEST_ARGS: arguments for pytest)
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile $(PYTEST_ARGS)

test-faults: setup ## Test what clients see on a failing machine, the long tests too; writes docs/reliability.md
	$(BIN)/python -m pytest tests/faults -m "slow or not slow" --junitxml=$(FAULTS) -o junit_family=xunit1 $(PYTEST_ARGS); \
	status=$$?; $(BIN)/python scripts/document_faults.py $(FAULTS) docs/reliability.md && exit $$status

# REQUESTS: how many; the store is one of synthetic datasets. Fails if memory, descriptors or threads go on growing.
soak: $(VENV)/.installed ## Send a server REQUESTS mixed requests, and watch its memory
	$(BIN)/python scripts/soak.py --requests $(REQUESTS)

probe-loop: $(VENV)/.installed ## Measure every callback of a server's event loop under requests of all kinds
	$(BIN)/python scripts/probe_loop.py --seeds 1 2 3

check: $(VENV)/.installed ## Lint, check format and types, imports between packages, docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_viewer.py
	$(BIN)/python -m pytest -q tests/test_imports.py tests/test_layers.py tests/test_docstrings.py

mutants: $(VENV)/.installed ## Sample mutation testing over the core (MUTANTS: arguments for scripts/mutants.py)
	$(BIN)/python scripts/mutants.py $(MUTANTS)

docs: $(VENV)/.installed ## Build the documentation as a site in build/site, and follow every link of it
	$(BIN)/python scripts/build_docs.py

tables: $(VENV)/.installed ## Write the tables of settings, metrics and packages in the documents from the code
	$(BIN)/python scripts/document_tables.py

format: $(VENV)/.installed ## Format the code and apply the linter's fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# BENCH_DATA: the folder that scripts/bench_mrf.py describes; without it that benchmark is skipped. PEERS: the folder
# that scripts/bench_tiles.py describes; with it the run measures other servers too, at full size.
bench: $(VENV)/.installed $(DEMO) ## Run the benchmarks
	$(BIN)/python scripts/bench_colormaps.py
	$(BIN)/python scripts/bench_tiles.py $(if $(PEERS),--peers '$(PEERS)',--factors 4)
	$(BIN)/python scripts/bench_checks.py $(STORE) sst
	$(BIN)/python scripts/bench_convert.py demo/sst.nc
	$(if $(BENCH_DATA),$(BIN)/python scripts/bench_mrf.py --data '$(BENCH_DATA)' --factors 4)

# FILE=demo/sst_full.nc for full size; scripts/make_demo_data.py --full generates it. Fails if a limit is exceeded.
bench-convert: FILE ?= demo/sst.nc
bench-convert: $(VENV)/.installed demo/.made ## Benchmark the conversion of FILE against xarray and Dask; updates docs/benchmarks.md
	$(BIN)/python scripts/bench_convert.py $(FILE) --factor $(FACTOR) --document docs/benchmarks.md

bench-service: setup $(DEMO) ## Benchmark the request path against a bare aiohttp handler (wrk if installed); updates docs/benchmarks.md
	$(BIN)/python scripts/bench_service.py --store $(STORE) --document docs/benchmarks.md
	$(BIN)/python scripts/bench_floods.py --store $(STORE) --document docs/benchmarks.md

# BENCH_DATA and BENCH_VENV as scripts/bench_links.py describes them, and PEERS, the folder of the other servers.
bench-links: $(VENV)/.installed ## Benchmark Zarr that is linked against other tile servers; updates docs/benchmarks.md
	$(BIN)/python scripts/bench_links.py --data '$(BENCH_DATA)' $(if $(PEERS),--peers '$(PEERS)') --document docs/benchmarks.md

bench-scaling: setup $(DEMO) ## Measure and simulate one and two processes and hosts; updates docs/scaling.md
	$(BIN)/python scripts/bench_scaling.py $(STORE) sst --document docs/scaling.md

# COMMIT is any earlier one; WORK keeps its checkout, its kernel and both stores (git worktree remove WORK/tree ends that).
bench-before: FILE ?= demo/sst.nc
bench-before: WORK ?= bench-results/before
bench-before: setup demo/.made ## Compare tiles/s with those of another commit (COMMIT=e6e1acb, FILE=demo/sst_full.nc, WORK=FOLDER)
	@test -n '$(COMMIT)' || { echo "usage: make bench-before COMMIT=e6e1acb [FILE=demo/sst_full.nc] [WORK=FOLDER]"; exit 2; }
	$(BIN)/python scripts/bench_before.py '$(COMMIT)' '$(FILE)' --work '$(WORK)'

# Of the viewer of the server at http://HOST:PORT/ (make serve), with LAYER (it needs several times).
bench-viewer: $(VENV)/.installed ## Measure the viewer of the running server in headless Chromium (HOST, PORT, LAYER=air, SLOW=1)
	$(BIN)/python scripts/bench_viewer.py 'http://$(HOST):$(PORT)/' --layer '$(if $(filter command line environment,$(origin LAYER)),$(LAYER),air)' --slow '$(or $(SLOW),1)'

bench-mrf: $(VENV)/.installed ## Benchmark the MRF export against GDAL (BENCH_DATA, FACTORS=4,1); updates docs/benchmarks.md
	@test -n '$(BENCH_DATA)' || { echo "usage: make bench-mrf BENCH_DATA=FOLDER (scripts/bench_mrf.py describes the folder)"; exit 2; }
	$(BIN)/python scripts/bench_mrf.py --data '$(BENCH_DATA)' --factors $(FACTORS) --document docs/benchmarks.md

$(GPU_VENV)/.installed: $(GPU_VENV_STAMP) pyproject.toml
	$(GPU_VENV)/bin/python -m pip install --quiet --editable '.[$(GPU_EXTRAS)]'
	@$(GPU_VENV)/bin/python scripts/build_kernel.py
	@touch $@

# GPU_EXTRAS=test,gpu-cuda12 where the driver is of CUDA 12. Without network: PIP_NO_INDEX=1 PIP_FIND_LINKS=FOLDER.
gpu-check: $(GPU_VENV)/.installed ## Test and time the GPU's code in a separate environment; without a GPU, test what needs none
	$(GPU_VENV)/bin/python -m pytest -n $(TEST_WORKERS) --dist loadfile tests/gpu tests/pyramid/engines/test_cuda.py $(PYTEST_ARGS)
	$(GPU_VENV)/bin/python scripts/bench_gpu.py $(BENCH_GPU)

$(PEERS_VENV)/.installed: $(PEERS_VENV_STAMP) pyproject.toml
	$(PEERS_VENV)/bin/python -m pip install --quiet --editable '.[test,peers-check]'
	@touch $@

peers-check: $(PEERS_VENV)/.installed ## Test that other tile servers read our stores, in a separate environment
	$(PEERS_VENV)/bin/python -m pytest tests/peers $(PYTEST_ARGS)

wheel-check: $(VENV)/.installed ## Build sdist and wheel of HEAD, and use the wheel in a fresh environment
	$(BIN)/python scripts/check_wheel.py

$(DEPLOY_VENV)/.made: scripts/check_deploy.py
	$(if $(filter file,$(origin PYTHON)),$(BIN)/python,$(PYTHON)) -m venv --clear $(@D)
	@touch $@

deploy-check: $(VENV_STAMP) $(DEPLOY_VENV)/.made ## Lint deploy/ and the project's configuration files with the tools of their makers
	$(DEPLOY_VENV)/bin/python scripts/check_deploy.py

sbom: $(VENV_STAMP) $(DEPLOY_VENV)/.made ## Write the bill of materials (CycloneDX) of the locked environment to build/sbom.json
	@mkdir -p build
	$(DEPLOY_VENV)/bin/python -m pip install --quiet cyclonedx-bom
	$(DEPLOY_VENV)/bin/cyclonedx-py requirements constraints/py311.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.json

screenshot: $(VENV)/.installed ## Take docs/screenshot.png of the running server (URL) with headless Chromium
	$(BIN)/python scripts/screenshot.py '$(URL)'

# Only the default folders: a store at another STORE is left alone.
clean: ## Remove everything that make created here
	rm -rf pyramid/kernel/lib $(VENV) $(GPU_VENV) $(PEERS_VENV) $(DEPLOY_VENV) $(VIEWER)/dist $(VIEWER)/node_modules demo store cache mrf bench-results build dist
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
