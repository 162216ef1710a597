# Two commands on a fresh Debian machine with Python 3.11: `make demo` and `make test`.
# Each does all its own set-up. EXTRAS=medsam3 (some 6 GB) and EXTRAS=openai-whisper test those
# engines as well, EXTRAS=medsam3,openai-whisper both.

PYTHON ?= python3
EXTRAS ?=
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
# of the demo: a real archive; of the tests: peers and validators too
DEMO_PACKAGES := python3-venv orthanc orthanc-dicomweb orthanc-gdcm
TEST_PACKAGES := $(DEMO_PACKAGES) dcmtk dicom3tools pixelmed-apps postgresql espeak-ng flite chromium
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
comma := ,
# of an extra: torchvision, which medsam3 needs, goes with one torch alone
TORCH := $(if $(findstring medsam3,$(EXTRAS)),torch==2.14.1 torchvision==0.29.1,torch==2.13.0)
DEV := $(VENV)/.dev$(if $(EXTRAS),-$(subst $(comma),-,$(EXTRAS)))

.PHONY: help demo test test-llama lint serve page adapters models ohif clean system-demo system-test

help:
	@echo "make demo    the main job on a real study, from nothing (SERVE=1 keeps the web page open)"
	@echo "make test    lint, types, and every test"
	@echo "make test-llama  the agent with a small model of this machine (builds llama.cpp: 20 minutes)"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make serve   the DICOM node and the web page"
	@echo "make ohif    the OHIF viewer beside the page, 50 MB from npm's registry"
	@echo "make page    the web page alone, where its sources have changed"
	@echo "make clean   remove the environment and what the demo made"

demo: system-demo $(VENV)/.base page
	$(BIN)/radcopilot demo $(if $(SERVE),--serve)

test: system-test $(DEV) models ohif page adapters lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-llama: $(DEV)
	@sh .ci/llama-test $(PYTHON) $(BIN)/python

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

page: $(VENV)/.base
	@$(BIN)/python .ci/build_page.py

adapters: $(VENV)/.base
	@$(BIN)/python .ci/get_adapters.py

models: $(VENV)/.base
	$(BIN)/radcopilot models install default sample-study

ohif: $(VENV)/.base
	$(BIN)/radcopilot ohif install

serve: $(VENV)/.base page
	$(BIN)/radcopilot models install default
	$(BIN)/radcopilot serve

clean:
	rm -rf $(VENV) .venv-llama demo-output copilot/static web/node_modules tests/conformance/cornerstone/node_modules

$(VENV)/.base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(DEV): pyproject.toml $(VENV)/.base
	$(if $(EXTRAS),$(PIP) $(TORCH))
	$(PIP) --editable '.[dev$(if $(EXTRAS),$(comma)$(EXTRAS))]'
	touch $@

system-demo:
	@sh .ci/system-packages $(DEMO_PACKAGES)

system-test:
	@sh .ci/system-packages $(TEST_PACKAGES)
