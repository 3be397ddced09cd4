# Review Queue. The verbs: setup, run, test, lint, bench, bench-compare, faults, simulate; `make lock`
# after a change of dependencies. Options: PORT=8001, ARGS="-k name", REV=main.

PORT ?= 8000
ARGS ?=
REV ?= HEAD
PY := .venv/bin/python
INSTALL := $(PY) -m uv pip install --quiet --python $(PY) --require-hashes --compile-bytecode
LOCK := $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-package review-queue --custom-compile-command "make lock"
RUNTIME := .venv/.runtime-is-installed
DEVELOPMENT := .venv/.development-is-installed

.PHONY: setup run test lint bench bench-compare faults simulate lock
.DEFAULT_GOAL := run

setup: $(RUNTIME)

run: $(RUNTIME)
	@exec $(PY) -m reviewqueue.serve --with-parent --port "$(PORT)" $(ARGS)

test: $(DEVELOPMENT)
	@exec $(PY) -m tests.run $(ARGS)

lint: $(DEVELOPMENT)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) .venv/bin/lint-imports
	$(PY) -m djlint --lint --quiet templates
	$(PY) manage.py check --fail-level WARNING
	$(PY) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(PY) .ci/audit.py

bench: $(DEVELOPMENT)
	@exec $(PY) -m benchmarks.run $(ARGS)

bench-compare: $(DEVELOPMENT)
	@exec $(PY) -m benchmarks.compare "$(REV)" $(ARGS)

simulate: $(DEVELOPMENT)
	@exec $(PY) -m benchmarks.simulate $(ARGS)

faults: $(DEVELOPMENT)
	@exec $(PY) -m benchmarks.faults $(ARGS)

# Nothing here removes a package, so that the two sets can be installed in any order.
$(RUNTIME): requirements.txt requirements-embedded.txt .venv/.uv-is-installed
	@echo "Installing the packages ..."
	@$(INSTALL) -r requirements.txt -r requirements-embedded.txt
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@echo "Installing the development packages ..."
	@$(INSTALL) -r requirements-dev.txt
	@touch $@

.venv/.uv-is-installed: requirements-uv.txt
	@sh .ci/make-venv
	@touch $@

lock: .venv/.uv-is-installed
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) --group embedded -c requirements.txt -o requirements-embedded.txt
	$(LOCK) --group dev -c requirements.txt -c requirements-embedded.txt -o requirements-dev.txt
	echo uv | $(LOCK) - -o requirements-uv.txt
