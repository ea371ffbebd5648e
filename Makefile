# Two commands matter: `make run` and `make test`. Both set themselves up and work from a clean clone.
#
#   make run            the web room at http://127.0.0.1:7860, over the sample knowledge base
#   make test           what this machine can test; one counted line for each part it lacks
#   make setup          the environment in .venv/ (ALL=1: with every extra)
#   make check          formatting, types, import contracts
#   make model-demo     a small model is made, taught who it is, packed, served, and asked in the web room
#   make lock           resolve pyproject.toml anew into constraints.txt, and llm/environments too
#
# A file in .venv/ stands for each set of packages that is in; a set is installed again only when
# pyproject.toml or constraints.txt is newer than its file.

VENV := .venv
BIN := $(VENV)/bin
PACKAGES := bot search net rag recommender asr_tts llm finetune_xtuner moderation adapters maodou benchmarks
SOURCES := pyproject.toml constraints.txt

# The first Python that will do, or the one that is named: make setup PYTHON=/opt/python3.13/bin/python3
PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; print("$(name)" if (3, 11) <= sys.version_info < (3, 15) else "")' 2>/dev/null)))

# The lock holds for what pip builds on the way, too (older pips read the first name, newer the second).
PIP = PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	$(BIN)/python -m maodou.installing

.PHONY: help run test setup check model-demo lock
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#   make/make/p' Makefile

run: setup
	@$(BIN)/maodou up $(ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest -q --numprocesses 2 --dist loadfile $(ARGS)

setup: $(if $(ALL),$(VENV)/.all,$(VENV)/.base)
	@:

check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(wildcard $(PACKAGES))
	@$(BIN)/lint-imports

model-demo: $(VENV)/.dev
	@$(BIN)/python -m maodou.model_demo --environments $(VENV)/environments $(ARGS)

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "毛豆需要 Python 3.11 到 3.14，这里没有找到。装一个，或者指明它在哪里：" \
		"· Maodou needs Python 3.11, 3.12, 3.13 or 3.14, and found none of them. Install one, or name it:" \
		"make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.13" >&2; exit 2; }
	@echo "正在建环境 · Making the environment in $(VENV)/ with $$($(PYTHON) --version) …"
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.base: $(SOURCES) | $(BIN)/python
	@echo "安装依赖：第一次约 120 个包，下载 180 MB，占 0.8 GB，一两分钟（看网速）" \
		"· Installing: the first time about 120 packages, 180 MB to download, 0.8 GB on disk, a minute or two …"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(SOURCES) | $(BIN)/python
	@echo "安装依赖和测试要用的包 · Installing, with what the tests need …"
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.base

$(VENV)/.all: $(SOURCES) | $(BIN)/python
	@echo "安装全部依赖，要几 GB · Installing, with every extra: some GB …"
	@$(PIP) -e '.[all,dev]'
	@touch $@ $(VENV)/.base $(VENV)/.dev

# uv resolves once for every Python and system that pyproject.toml allows; pip then installs by it.
lock: | $(BIN)/python
	@$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/python -m pip install --quiet uv
	@grep -o 'setuptools==[0-9.]*' pyproject.toml | head -n 1 > $(VENV)/lock/build.txt
	@$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
		--no-header --no-emit-index-url --no-emit-find-links $(UPGRADE) pyproject.toml $(VENV)/lock/build.txt \
		-o constraints.txt
	@echo "constraints.txt: $$(grep -c == constraints.txt) packages"
	@$(BIN)/python -m llm.environments lock --uv $(VENV)/lock/bin/uv
