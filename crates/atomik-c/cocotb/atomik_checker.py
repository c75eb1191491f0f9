# SPDX-License-Identifier: MIT OR Apache-2.0
"""Compares every output of a register file with the golden model, in every cycle (cocotb 2).

    checker = Checker(Model("atomik_regfile_w8_d16_l2.json"), dut.clk, ports_of(dut))
    cocotb.start_soon(checker.run())
"""

from cocotb.triggers import FallingEdge, ReadOnly

INPUTS = ("rst", "cmd_valid", "cmd_op", "cmd_addr", "cmd_data")


def ports_of(dut):
    """The ports of a generated register file, by name; the address port may be absent."""
    names = (*INPUTS, "ready", "rsp_valid", "rsp_data", "rsp_clean")
    return {name: [getattr(dut, name)] for name in names if hasattr(dut, name)}


class Checker:
    """Compares a design with a `Model`.

    `ports` has for each port of the register file a list of handles, the one with the lowest bits
    first; `ports_of` makes it for the design itself. Ports and clock may be anywhere: in an
    integration, take the signals at its border.

    Inputs must not change between the falling edge of the clock and the next rising edge, after
    what is written at the falling edge itself. Bits that are X or Z count as 0 in inputs, and
    differ in outputs.
    """

    def __init__(self, model, clock, ports):
        self.model, self.clock, self.ports = model, clock, ports
        self.cycles = 0  # cycles compared
        self.responses = 0  # responses compared

    def text(self, port):
        """The bits of a port, the highest first."""
        handles = self.ports.get(port, [])
        return "".join(str(handle.value) for handle in reversed(handles))

    def compare(self, port, expected):
        got = self.text(port)
        width = len(got)
        assert got == f"{int(expected):0{width}b}", (
            f"cycle {self.cycles} after the first reset: {port} expected {int(expected):#x}, got "
            + (f"{int(got, 2):#x}" if set(got) <= {"0", "1"} else got)
        )

    async def run(self):
        """Compares until a difference, which raises an AssertionError, or until it is cancelled."""
        known = str.maketrans({bit: "0" for bit in "XZUW-"} | {"L": "0", "H": "1"})
        while True:
            await FallingEdge(self.clock)
            await ReadOnly()
            if self.model.defined:
                self.compare("ready", self.model.ready)
                self.compare("rsp_valid", self.model.rsp_valid)
                if self.model.rsp_valid:
                    self.compare("rsp_data", self.model.rsp_data)
                    self.compare("rsp_clean", self.model.rsp_clean)
                    self.responses += 1
                self.cycles += 1
            inputs = {port: self.text(port).upper().translate(known) for port in INPUTS}
            self.model.clock(**{port: int(bits or "0", 2) for port, bits in inputs.items()})
