# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Generated; do not edit. Regenerate with:
#     @COMMAND@
"""cocotb test of @NAME@: every output against a model, in every cycle.

    pip install cocotb                     # 2.0 or later
    python3 @NAME@_cocotb.py icarus        # or verilator
"""

import os
import pathlib
import random
import sys

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge

NAME = "@NAME@"
WIDTH = @WIDTH@
DEPTH = @DEPTH@
ADDR = @ADDR@  # bits of an address; without an address port the one address is 0
LANES = @LANES@
LATENCY = @LATENCY@
CLEAR = @CLEAR@
FIELDS = [@FIELDS@]  # kind and bits, lowest bits first

NOP, LOAD, ACCUM, READ, SWAP, DELTA, DRAIN = range(7)


def plus(a, b):
    """The sum of two words, field by field."""
    out = low = 0
    for kind, bits in FIELDS:
        mask = (1 << bits) - 1
        x, y = a >> low & mask, b >> low & mask
        out |= ((x ^ y if kind == "xor" else x + y) & mask) << low
        low += bits
    return out


class Model:
    """The register file: commands take effect in the order (cycle, lane)."""

    def __init__(self):
        self.wait = None  # cycles until ready; None before the first reset
        self.reset()

    def reset(self):
        self.reference = [0] * DEPTH
        self.delta = [0] * DEPTH
        self.due = [None] * LATENCY

    def outputs(self):
        """What `ready` and the response port show in this cycle; None if it is undefined."""
        return None if self.wait is None else (self.wait == 0, self.due[0])

    def step(self, rst, commands):
        """One cycle with commands (lane, op, address, word)."""
        self.due = self.due[1:] + [None]
        if rst:
            self.reset()
            self.wait = CLEAR - 1
        elif self.wait:
            self.wait -= 1
        elif self.wait == 0:
            for lane, op, address, word in commands:
                self.take(op if lane == 0 else ACCUM, address, word)

    def take(self, op, address, word):
        delta = self.delta[address]
        state = plus(self.reference[address], delta)
        if op in (READ, SWAP, DELTA, DRAIN):
            self.due[-1] = (state if op in (READ, SWAP) else delta, delta == 0)
        if op == ACCUM:
            self.delta[address] = plus(delta, word)
        elif op in (LOAD, SWAP, DRAIN):
            self.reference[address] = word if op == LOAD else state
            self.delta[address] = 0


def drive(dut, rst, commands):
    """Offers commands; what is not used is random, because not every simulator has X."""
    valid = address = data = 0
    for lane in range(LANES):
        used = [c for c in commands if c[0] == lane]
        _, op, a, word = used[0] if used else (lane, NOP, random.randrange(DEPTH), None)
        valid |= bool(used) << lane
        if word is None or (lane == 0 and op not in (LOAD, ACCUM)):
            word = random.getrandbits(WIDTH)
        address |= a << lane * ADDR
        data |= word << lane * WIDTH
    ops = [op for lane, op, _, _ in commands if lane == 0]
    dut.rst.value = rst
    dut.cmd_valid.value = valid
    dut.cmd_op.value = ops[0] if ops else random.randrange(8)
    dut.cmd_data.value = data
    if DEPTH > 1:
        dut.cmd_addr.value = address


@cocotb.test()
async def outputs_are_those_of_the_model(dut):
    seed = int(os.environ.get("SEED", "1"))
    cycles = int(os.environ.get("CYCLES", "5000")) + CLEAR
    random.seed(seed)
    model = Model()
    cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
    reset_left = 2
    pool, busy, reads = [0], 0.0, 0.5
    responses = 0
    for cycle in range(cycles):
        await FallingEdge(dut.clk)
        if cycle % 128 == 0:
            first, size = random.randrange(DEPTH), 1 << random.randrange(DEPTH.bit_length())
            pool = [(first + i) % DEPTH for i in range(min(size, DEPTH))]
            busy, reads = random.random(), random.random()
        if reset_left:
            reset_left -= 1
        elif random.random() < 1 / (4 * CLEAR + 500):
            reset_left = random.choice([1, 2, 3, random.randint(1, 2 * CLEAR)])
        commands = []
        for lane in range(LANES):
            if random.random() < busy:
                op = random.randrange(8) if lane == 0 and random.random() < reads else ACCUM
                commands.append((lane, op, random.choice(pool), random.getrandbits(WIDTH)))
        drive(dut, reset_left > 0, commands)
        await ReadOnly()
        expected = model.outputs()
        if expected is not None:
            ready, response = expected
            where = f"cycle {cycle}, seed {seed}"
            assert dut.ready.value == ready, f"ready, {where}"
            assert dut.rsp_valid.value == (response is not None), f"rsp_valid, {where}"
            if response is not None:
                responses += 1
                got = (int(dut.rsp_data.value), bool(dut.rsp_clean.value))
                assert got == response, f"expected {response}, got {got}, {where}"
        model.step(reset_left > 0, commands)
        await RisingEdge(dut.clk)
    assert responses > 0, "no response"
    dut._log.info("%d responses compared in %d cycles", responses, cycles)


def main(simulator):
    from cocotb_tools.runner import get_results, get_runner

    folder = pathlib.Path(__file__).resolve().parent
    files = (folder / f"{NAME}.sim.f").read_text().split()
    runner = get_runner(simulator)
    build = folder / f"{NAME}_{simulator}"
    runner.build(
        sources=[folder / file for file in files],
        hdl_toplevel=NAME,
        build_dir=build,
        always=True,
    )
    results = runner.test(hdl_toplevel=NAME, test_module=f"{NAME}_cocotb", build_dir=build)
    tests, failed = get_results(results)
    return 0 if tests > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["icarus"]))
