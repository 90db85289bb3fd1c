# Needs make, git and a Python >= 3.11; everything else goes into .venv.
# `make PYTHON=/path/to/python …` names the Python to make it with.

PYTHON ?= python3.11 python3.12 python3.13 python3.14 python3 python
TEST_PROCESSES ?= 2
PYTEST := -m pytest -n $(TEST_PROCESSES) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help quickstart quickstart-cls quickstart-seg test test-all test-oldest test-interop campaign docs lint clean
# Small tensors gain nothing from more threads, and the test processes then do not fight over the cores.
test test-all test-oldest test-interop campaign: export OMP_NUM_THREADS := 1
# The notebooks start `backbones` by its name.
test test-all: export PATH := $(CURDIR)/.venv/bin:$(PATH)

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

quickstart: .venv/quickstart  ## draw a data set, train a detector on it and print its scores; resumes
	.venv/bin/backbones shapes data/shapes
	.venv/bin/backbones check data/shapes
	.venv/bin/backbones train quickstart run.resume=auto

quickstart-cls: .venv/quickstart  ## draw class folders, train a classifier on them and print its scores; resumes
	.venv/bin/backbones shapes data/shapes
	.venv/bin/backbones check data/shapes/classifier
	.venv/bin/backbones train quickstart_cls run.resume=auto

quickstart-seg: .venv/quickstart  ## draw a data set, train a segmenter on it and print its scores; resumes
	.venv/bin/backbones shapes data/shapes
	.venv/bin/backbones check quickstart_seg
	.venv/bin/backbones train quickstart_seg run.resume=auto

test: .venv/installed  ## run the tests, but for the slow ones
	.venv/bin/python $(PYTEST) -m "not slow" tests --nbmake docs/notebooks/fine_tune.ipynb

test-all: .venv/installed  ## run all tests
	.venv/bin/python $(PYTEST) tests --nbmake docs/notebooks

test-oldest: .venv-oldest/installed  ## run the tests with the lowest supported versions
	.venv-oldest/bin/python $(PYTEST) -m "not slow"

test-interop: .venv-interop/$(if $(DETECTRON2),detectron2,installed)  ## test backbones in other libraries, and trackers; DETECTRON2=path to its source
	.venv-interop/bin/python -m pytest -rs tests/resnet_backbones/interop tests/resnet_backbones/weights/test_dialects.py \
	  tests/engine/test_trackers.py

campaign: .venv/installed  ## kill, damage and fuzz for half an hour; CAMPAIGN="--seed 3 --only coco" for others
	PYTHONPATH=tests .venv/bin/python -m campaign --keep runs/campaign $(CAMPAIGN)

docs: .venv/docs  ## build the documentation as a site in build/site
	rm -rf build/pages build/site && mkdir -p build/pages
	git ls-files -z --cached --others --exclude-standard -- '*.md' '*.png' '*.jpg' '*.html' '*.csv' 'configs/*.yaml' LICENSE \
	  | grep -zv '^tests/' | tar -c --null -T - | tar -x -C build/pages
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --quiet

lint: .venv/installed  ## check spelling, style, formatting and types
	.venv/bin/python -m codespell_lib
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy

clean:  ## remove the environments, build products and caches; runs/ and data/ stay
	rm -rf .venv .venv-oldest .venv-interop build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

USE := '.[train]'
DEVELOP := '.[train,shards,dev]'

# The stamp is written last, so that after an interrupted install the next make takes it up again.
.venv/quickstart: pyproject.toml constraints.txt
	$(call install,.venv,constraints.txt,$(USE))

# transformers and ONNX's packages are no part of `dev`: they want newer versions of others than the lowest, which test-oldest
# installs. Their tests then skip; here they are small downloads that have their views tested with all the rest.
.venv/installed: pyproject.toml constraints.txt
	$(call install,.venv,constraints.txt,$(DEVELOP) transformers onnx onnxscript onnxruntime)

.venv/docs: .venv/installed
	.venv/bin/python -m pip install -c constraints.txt -e '.[docs]'
	@touch $@

.venv-oldest/installed: pyproject.toml constraints-oldest.txt
	$(call install,.venv-oldest,constraints-oldest.txt,$(DEVELOP))

# Tools that people use on backbones.
TOOLS := accelerate fvcore grad-cam peft thop torchinfo
# Of run.trackers; they are tested offline.
TRACKERS := wandb mlflow

.venv-interop/installed: pyproject.toml constraints.txt
	$(call install,.venv-interop,constraints.txt,$(DEVELOP) mmengine transformers onnx onnxscript onnxruntime $(TOOLS) $(TRACKERS))

# detectron2 wants an older omegaconf than we do, hence a folder of its own, and is compiled against the torch in it. Its
# stamp is its own too, so that it is installed although the folder was first made without it.
.venv-interop/detectron2: .venv-interop/installed
	.venv-interop/bin/python -m pip install setuptools wheel ninja
	.venv-interop/bin/python -m pip install --no-build-isolation $(DETECTRON2)
	@touch $@

# $(call install,FOLDER,CONSTRAINTS,PACKAGES): ours with its extras first, in FOLDER, made anew if it has no working pip.
# The sizes are those of Linux with Python 3.11 and torch 2.15: the wheels, and what they unpack to.
define install
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || { \
  python=$$($(find_python)) && echo "make: $(1) is made with $$python" && "$$python" -m venv --clear $(1); }
@[ -x $(1)/bin/backbones ] || printf 'make: %s\n' \
  "about 3.2 GB of packages are downloaded, which take 6.2 GB in $(1); most of it is torch with CUDA." \
  "Without an NVIDIA GPU, the CPU build of torch and torchvision does; https://pytorch.org/get-started/locally/" \
  "offers it, and $(1) keeps it, if it is installed there first, in the versions of $(2)."
$(1)/bin/python -m pip install -c $(2) -e $(3)
@touch $@
endef

# Prints the first Python that can make an environment; each is run, since a name on the PATH may be an empty shim.
# 3.11 comes first because the constraints are tested with it.
define find_python
for python in $(PYTHON); do \
  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
  then echo "$$python"; exit 0; fi; \
done; \
echo "make: a Python >= 3.11 with venv is needed, and none of these is one: $(PYTHON)." \
  "Install one (Debian and Ubuntu: apt install python3 python3-venv)" \
  "or name one: make PYTHON=/path/to/python …" >&2; exit 1
endef
