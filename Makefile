# `make run` and `make test` see to everything they need; `make help` lists the rest.
# The project's path must hold no spaces.

CARGO ?= cargo
ATOMIK = $(CARGO) run --quiet --release -p atomik-cli --
# Compiling takes minutes the first time, and says so; what runs afterwards speaks for itself.
BUILD_ATOMIK = $(CARGO) build --release -p atomik-cli

# The main job: the regression over all reference configurations, then a real file, two versions of it, through model
# and RTL.
RUN_REGRESS ?= sim regress
RUN_DIFF ?= trace diff --depth 512 --lanes 4 --check both \
    hdl/atomik_regfile_w64_d512_l1.v hdl/atomik_regfile_w64_d512_l4.v

# Where `make hdl` writes the reference configurations.
HDL_DIR ?= hdl

.DEFAULT_GOAL := help
# Cargo uses every core by itself; two at once would only wait for each other's lock and mix their output.
.NOTPARALLEL:
.PHONY: help setup setup-fpga run fpga campaign test test-verilated bench lint doc hdl ci clean distclean

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

test: setup-fpga ## all tests
	$(CARGO) test --workspace
	@sh scripts/verilated-harness.sh

test-verilated: setup ## of these, the second harness alone (crate verilated)
	@sh scripts/verilated-harness.sh

bench: setup ## benchmarks, software model and simulation
	$(CARGO) bench -p atomik-algebra
	$(ATOMIK) sim bench

lint: ## formatting and lints, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

doc: ## documentation of the crates, warnings are errors
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps

hdl: ## regenerate the checked-in Verilog of the reference configurations, and the sources of the diagrams
	$(CARGO) run --quiet -p atomik-cli -- hdl generate --reference -o $(HDL_DIR)
	$(CARGO) run --quiet -p atomik-cli -- hdl waves --width 8 --depth 16 --lanes 2 -o $(HDL_DIR)/waves

ci: ## what the continuous integration runs
	@.ci/run

clean: ## remove what was built
	$(CARGO) clean
	rm -rf hdl/build

distclean: clean ## remove the installed tools, too
	rm -rf .tools
