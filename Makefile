# Plaza's commands. `make` alone lists them; each one installs what it misses, once.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# A shell that rustup was installed from has no cargo in its PATH yet.
export PATH := $(PATH):$(HOME)/.cargo/bin

# What run, demo and bench start. PROFILE=debug builds in half the time and serves slower.
PROFILE ?= release
TARGET := $(or $(CARGO_TARGET_DIR),target)
PLAZA := $(abspath $(TARGET))/$(PROFILE)/plaza
DEBUG_PLAZA := $(abspath $(TARGET))/debug/plaza
BUILD := cargo build --locked $(if $(filter release,$(PROFILE)),--release)

.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: ## Build and serve in this folder, on a PostgreSQL of Plaza's own
	@scripts/need build postgres
	$(BUILD)
	@scripts/run $(PLAZA) serve

.PHONY: test
test: ## Run every test, long loops in their short form; the slowest are in target/slow-tests.txt
	@scripts/need build postgres receivers
	@scripts/test

.PHONY: soak
# A release has no debug assertions, and other arithmetic where numbers overflow. The pictures take a quarter of the cases.
soak: ## Run every test in release, with the long loops in full; PLAZA_SEED=N repeats one
	@scripts/need build postgres receivers
	@PLAZA_SOAK=on PROPTEST_CASES=40000 scripts/test --release

QUICK_CHECKS := check-format check-imports check-prose check-shell check-docker check-openapi
BUILDING_CHECKS := check-clippy check-doc check-generated

.PHONY: check $(QUICK_CHECKS) check-dependencies check-building $(BUILDING_CHECKS)
# One after the other, what fails fastest first; `make -k check` shows every fault. The tools that look at the dependencies are
# built in a folder of their own, so that they take up what the builds here leave of the processor. Packages are installed before, by one
# process.
check: ## Format, imports, lints, docs, licences, generated files, OpenAPI, Docker and shell
	@scripts/need build lints
	@$(MAKE) -j1 $(QUICK_CHECKS)
	@$(MAKE) -j2 check-dependencies check-building

check-building:
	@$(MAKE) $(BUILDING_CHECKS)

check-format:
	@scripts/need lints
	cargo fmt --all --check

# No two files import each other, directly or by way of others.
check-imports:
	@scripts/need python
	@scripts/circles src

# The glossary of docs/ARCHITECTURE.md: one word for one thing.
check-prose:
	@scripts/need python
	@scripts/prose src crates docs migrations openapi bench demo README.md CONTRIBUTING.md CHANGELOG.md

check-shell:
	@scripts/python lint shellcheck $$(grep --recursive --files-with-matches -E '^#!.*bash|shellcheck shell=bash' .ci demo scripts)

check-docker:
	@scripts/python lint hadolint Dockerfile
	@scripts/linter dclint --max-warnings 0 compose.yaml

# cargo-deny's advisories are left out: they need a clone of a database from an address that is no package registry.
check-dependencies:
	@scripts/need build
	@scripts/cargo-tool cargo-deny --locked check --hide-inclusion-graph bans licenses sources
	@scripts/cargo-tool cargo-machete --with-metadata

check-clippy:
	@scripts/need build lints
	cargo clippy --locked --workspace --all-targets -- -D warnings

check-doc:
	@scripts/need build
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

# What the program or a tool writes, and somebody may have edited or forgotten.
check-generated:
	@scripts/need build
	@scripts/print-schema --check
	cargo build --locked
	$(DEBUG_PLAZA) openapi --check
	$(DEBUG_PLAZA) reference --check

check-openapi:
	@scripts/linter redocly lint
	@scripts/linter spectral lint --fail-severity warn openapi/openapi.json openapi/openapi-3.0.json

.PHONY: generate
generate: ## Write openapi/, docs/{errors,fields,settings}.md and src/schema.rs anew
	@scripts/need build postgres
	cargo build --locked
	$(DEBUG_PLAZA) openapi --write openapi
	$(DEBUG_PLAZA) reference --write docs
	@scripts/scratch $(DEBUG_PLAZA) scripts/print-schema

.PHONY: demo
demo: ## Walk the tour on real pictures and check every answer
	@scripts/need build postgres demo receivers
	$(BUILD)
	@demo/run $(PLAZA)

.PHONY: bench
bench: ## Measure against pgbench, Pillow, easy-thumbnails and vipsthumbnail; writes bench/results.md
	@scripts/need build postgres bench
	$(BUILD)
	$(BUILD) --example pictures
	@scripts/python bench python bench/run $(PLAZA)

.PHONY: bench-deep
bench-deep: ## Measure lists at a million posts, which takes half an hour; writes bench/deep.md
	@scripts/need build postgres bench
	$(BUILD)
	@scripts/python bench python bench/deep $(PLAZA)

.PHONY: fuzz
fuzz: ## Throw schemathesis at every operation of a scratch server
	@scripts/need build postgres scratch
	cargo build --locked
	@scripts/scratch $(DEBUG_PLAZA) scripts/fuzz

.PHONY: clean
clean: ## Remove everything built or installed here; data/ and media/ stay
	rm -rf target node_modules
