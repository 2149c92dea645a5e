# One way in. `make help` prints the targets from their comments.

# For the last line of `make account` under `make -C`. make 4.3 heeds it only on its command line; there, add -s.
MAKEFLAGS += --no-print-directory

RUN := @deploy/local/bootstrap run && .venv/bin/python -m stack
DEV := @deploy/local/bootstrap dev &&
BIN := .venv/bin
MEMBERS := libs/common libs/simulators services/gateway services/billing services/dispatcher services/storage services/notifier deploy/local
SOURCES := $(addsuffix /src,$(filter-out deploy/local,$(MEMBERS))) deploy/local/stack

# Distribution names carry a prefix that packages do not.
space := $(subst ,, )
comma := ,
NAMES := $(subst $(space),$(comma),$(foreach name,common simulators gateway billing dispatcher storage notifier,reapi-$(name)=$(name)))
DEPTRY := $(CURDIR)/$(BIN)/deptry --no-ansi --known-first-party stack --package-module-name-map $(NAMES)

.DEFAULT_GOAL := help
.PHONY: help up down logs status account prove test chaos-long bench bench-ledger catalogue pages lint types format clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

up: ## set everything up, start it, prove it with one image and one video; harmless when it runs already
	$(RUN) up

down: ## stop everything of this stack
	$(RUN) down

logs: ## follow what all parts say
	$(RUN) logs

status: ## what runs, where; fails if anything does not
	$(RUN) status

# As typed, through the environment: neither make nor the shell may find anything to run in an e-mail address.
account: override export EMAIL := $(value EMAIL)
account: override export CREDITS := $(value CREDITS)
account: override export RATE := $(value RATE)
account: override export INFLIGHT := $(value INFLIGHT)
account: override export ACCOUNT_ID := $(value ACCOUNT_ID)
account: ## make an account: EMAIL=... CREDITS=... [RATE=per minute] [INFLIGHT=at a time]; last line is JSON (make -s -C ...)
	$(if $(and $(value EMAIL),$(value CREDITS)),,$(error usage: make account EMAIL=who@example.org CREDITS=12.5 [RATE=60] [INFLIGHT=10]))
	$(RUN) account --email="$$EMAIL" --credits="$$CREDITS" $${RATE:+--rate="$$RATE"} $${INFLIGHT:+--inflight="$$INFLIGHT"} $${ACCOUNT_ID:+--account-id="$$ACCOUNT_ID"}

test: ## every test, at the size that every change has to pass
	$(DEV) $(BIN)/python -m pytest -q tests

prove: ## every test and the benchmark, at the size that figures are quoted for
	$(DEV) PROOF=prove $(BIN)/python -m pytest -q -s --timeout 3600 tests && $(BIN)/python tests/bench

chaos-long: ## kill every part in turn under load, for hours
	$(DEV) PROOF=long $(BIN)/python -m pytest -q -s --timeout 36000 tests/chaos

bench: ## rates, latencies, CPU and memory of the whole stack on this machine
	$(DEV) $(BIN)/python tests/bench

bench-ledger: ## holds a second over many accounts and on one, and how long a lone one takes
	$(DEV) $(BIN)/python tests/bench/ledger.py

catalogue: ## every model: parameters, price and margin of each SKU on each route, what fewer than two routes can carry
	@deploy/local/bootstrap run && $(BIN)/python -m common.catalogue

pages: ## write docs/failures.md anew from the tests' tables
	$(DEV) PYTHONPATH=tests $(BIN)/python -m support.failure_table

lint: ## style, formatting, forbidden imports, undeclared dependencies
	$(DEV) $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports
	@for member in $(MEMBERS); do echo "$$member"; (cd $$member && $(DEPTRY) --known-first-party $$(basename $$member) $$(ls -d src stack 2>/dev/null)) || exit 1; done

types: ## static types, strict
	$(DEV) $(BIN)/mypy $(SOURCES)

format: ## rewrite the code in the project's format
	$(DEV) $(BIN)/ruff check --fix . && $(BIN)/ruff format .

clean: ## stop the stack and delete its state; downloads in .cache stay
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m stack clean
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
