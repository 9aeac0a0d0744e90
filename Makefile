# SPDX-License-Identifier: Apache-2.0
# Each target does the set-up it needs; an unchanged set-up is skipped in well under a second.
.DEFAULT_GOAL := help
.PHONY: help setup build test test-lowest coverage lint docs demo bench image clean

export PYTHON ?= python3

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install what is missing into .venv and build the messages
	@scripts/setup

build:  ## build messages and package again with colcon
	@rm -f install/setup-stamp
	@scripts/setup

test: setup  ## run all tests; TEST=test/ros for a part of them, TEST=quick for those that end within two minutes; TEST_WORKERS=2
	@scripts/test $(or $(TEST),test)

test-lowest:  ## run the quick tests with the oldest versions that pyproject.toml allows, without ROS
	@scripts/test-lowest

coverage: setup  ## run the tests and report which lines they reach, also by processes that they start; TEST= as above
	@scripts/test $(or $(TEST),test) --cov --cov-report=term:skip-covered --cov-report=html

lint: setup  ## all that .pre-commit-config.yaml names: ruff, pyright, codespell …; mends what can be mended, and fails then
	@scripts/extra dev pre-commit run --all-files

docs: setup  ## build the site of the documentation in out/docs; any warning is an error
	@scripts/extra docs mkdocs build --strict

demo: setup  ## replay the recorded drive through the node; results in out/demo
	@scripts/run mtl-perception demo --out out/demo

bench: setup  ## measure what the node costs beside the network
	@scripts/run python -m mtl_perception.ros.benchmark.node_overhead

image:  ## build the image mtl_perception:cpu, or DEVICE=cuda
	docker build --build-arg DEVICE=$(or $(DEVICE),cpu) --tag mtl_perception:$(or $(DEVICE),cpu) .

clean:  ## remove what was built; .venv and out stay
	rm -rf build install log *.egg-info .pytest_cache
