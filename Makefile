# What a newcomer types. Everything is installed into .venv; nothing outside this folder is touched, except that
# `make test` as root also installs the Debian packages its service tests talk to.

PYTHON ?= python3
BIN := .venv/bin
REFEREE := .venv-referee/bin
SERVICES := mosquitto influxdb chromium
ARGS ?=

.PHONY: help demo test referee bench dashboards clean

help:
	@echo "make demo   cycle ten emulated cells and watch them     (ARGS='--exit --cycles 10 --report report.json')"
	@echo "make test   lint, types, import contracts, all tests"
	@echo "make referee  hold the cell model to PyBaMM and the wire to foreign code, in a venv of its own (2 GB)"
	@echo "make bench  measure the figures in the README, in the same venv"
	@echo "make dashboards  build grafana/dashboards from code"

demo: .venv/.installed
	@$(BIN)/harness demo $(ARGS)

test: .venv/.installed-dev services
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest $(ARGS)

referee: .venv-referee/.installed
	$(REFEREE)/pytest tests/emulator/test_cell_referee.py tests/drivers/test_methodscript_foreign.py

bench: .venv-referee/.installed services
	$(REFEREE)/python -m tests.benchmarks $(ARGS)

dashboards: .venv/.installed-dev
	$(BIN)/python -m grafana.build

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "harness: Python 3.11 or newer is needed, $(PYTHON) is older or absent; name one with make PYTHON=python3.12"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "harness: Python's venv module is missing; install it, on Debian: apt install python3-venv"; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.installed: .venv/.made pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

.venv/.installed-dev: .venv/.made pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ .venv/.installed

.venv-referee/.installed: .venv/.made pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-referee
	$(REFEREE)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,pybamm,foreign]'
	@touch $@

.PHONY: services
services:
	@missing=""; \
	test -x /usr/sbin/mosquitto || command -v mosquitto >/dev/null || missing="$$missing mosquitto"; \
	command -v influxd >/dev/null || missing="$$missing influxdb"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update --quiet --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends $$missing; \
	else \
		echo "Tests that talk to$$missing are skipped; to run them: sudo apt install$$missing"; \
	fi

clean:
	rm -rf .venv .venv-referee .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-station
