# kvtui: every target sets up what it needs, from nothing.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Not there where libvirt-python could not be had; every make looks whether it can by now.
LIBVIRT := $(VENV)/.libvirt
# Debian's packages for the parts that the tests drive for real.
TEST_PACKAGES := busybox-static cpio dialog dnsmasq-base e2fsprogs iptables less libvirt-daemon libvirt-daemon-driver-qemu mc \
	openssh-client openssh-server procps qemu-system-x86 qemu-utils tmux vim vttest whiptail
# As many workers as a small machine has cores: guests by emulation stall when more of them share those.
JOBS ?= 2

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "kvtui needs Python 3.11 or later; PYTHON=python3.12 make ... chooses another one" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/packages python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

$(LIBVIRT): $(STAMP) requirements-libvirt.lock
	@.ci/libvirt $(VENV)

.PHONY: setup
setup: $(STAMP) $(LIBVIRT) ## install kvtui and its tools into .venv

.PHONY: demo
demo: $(STAMP) $(LIBVIRT) ## run kvtui on the embedded demo cluster
	@$(BIN)/kvtui demo

.PHONY: test
test: $(STAMP) ## run the tests, with the real programs they drive
	@.ci/packages $(TEST_PACKAGES) || echo "going on without them: tests of what is not there are skipped"
	@$(MAKE) --silent $(LIBVIRT)
	$(BIN)/pytest -n $(JOBS) --dist loadfile $(ARGS)

.PHONY: check
check: $(STAMP) ## lint, types, layers, spelling, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell kvtui tests themes README.md CHANGELOG.md Makefile pyproject.toml .ci
	@git ls-files 'kvtui/*.py' 'tests/*.py' | xargs wc -l | awk '$$2 != "total" && $$1 > 500 {print $$2 ": " $$1 " lines, 500 is the limit"; bad = 1} END {exit bad}'

.PHONY: format
format: $(STAMP) ## let ruff mend and format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: screenshots
screenshots: $(STAMP) ## draw the README's pictures from the demo cluster
	TEXTUAL_COLOR_SYSTEM=truecolor $(BIN)/python -m tests.screenshots

.PHONY: readme
readme: $(STAMP) ## renew the table of keys in README.md
	$(BIN)/python -m tests.readme

.PHONY: bench
bench: $(STAMP) $(LIBVIRT) ## measure what has a budget
	$(BIN)/python -m tests.bench

.PHONY: lock
lock: $(STAMP) ## renew requirements.lock and requirements-libvirt.lock
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["libvirt"])' | \
		$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url - -o requirements-libvirt.lock

.PHONY: clean
clean: ## remove everything that was built or installed here
	rm -rf $(VENV) dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
