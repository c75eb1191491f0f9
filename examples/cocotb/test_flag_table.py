# SPDX-License-Identifier: MIT OR Apache-2.0
"""cocotb test of an integration of a register file (../dpi/flag_table.sv) against the golden model.

    pip install cocotb                     # 2.0 or later
    PYTHONPATH=/opt/atomik/share/atomik/cocotb ATOMIK_LIBRARY=/opt/atomik/lib/libatomik.so \\
        python3 test_flag_table.py icarus

Environment: HDL, the folder of the generated design; TABLE, the integration; BUILD, where to build;
CYCLES, how many to run; COCOTB_RANDOM_SEED, the seed.
"""

import os
import pathlib
import random
import sys

import cocotb
from atomik_checker import Checker
from atomik_model import Model
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

HERE = pathlib.Path(__file__).resolve().parent
HDL = pathlib.Path(os.environ.get("HDL", HERE / "../../hdl")).resolve()
TABLE = pathlib.Path(os.environ.get("TABLE", HERE / "../dpi/flag_table.sv")).resolve()
BUILD = pathlib.Path(os.environ.get("BUILD", HERE / "build")).resolve()
NAME = "atomik_regfile_w8_d16_l2"


def drive(dut, rst):
    """Random commands at few addresses, so that they meet there."""
    dut.rst.value = rst
    for source in ["host", "sensor"]:
        getattr(dut, f"{source}_valid").value = random.randrange(4) != 0
        getattr(dut, f"{source}_addr").value = random.randrange(4)
        getattr(dut, f"{source}_data").value = random.getrandbits(8)
    dut.host_op.value = random.randrange(8)


@cocotb.test()
async def the_table_is_the_golden_model(dut):
    with Model(HDL / f"{NAME}.json") as model:
        # The integration's border, lane 0 first: the host is lane 0, the sensor lane 1.
        ports = {
            "rst": [dut.rst],
            "ready": [dut.ready],
            "cmd_valid": [dut.host_valid, dut.sensor_valid],
            "cmd_op": [dut.host_op],
            "cmd_addr": [dut.host_addr, dut.sensor_addr],
            "cmd_data": [dut.host_data, dut.sensor_data],
            "rsp_valid": [dut.rsp_valid],
            "rsp_data": [dut.rsp_data],
            "rsp_clean": [dut.rsp_clean],
        }
        checker = Checker(model, dut.clk, ports)
        cocotb.start_soon(Clock(dut.clk, 10, "ns").start())
        comparing = cocotb.start_soon(checker.run())
        for cycle in range(int(os.environ.get("CYCLES", "5000"))):
            await FallingEdge(dut.clk)
            drive(dut, rst=cycle < 2 or random.randrange(500) == 0)
        comparing.cancel()
    assert checker.responses >= 100, f"only {checker.responses} responses"
    dut._log.info("%d cycles, %d responses compared", checker.cycles, checker.responses)


def main(simulator):
    from cocotb_tools.runner import get_results, get_runner

    runner = get_runner(simulator)
    runner.build(
        sources=[HDL / f"{NAME}.v", TABLE],
        hdl_toplevel="flag_table",
        build_dir=BUILD,
        build_args=["-g2012"] if simulator == "icarus" else [],
        always=True,
    )
    results = runner.test(hdl_toplevel="flag_table", test_module="test_flag_table", build_dir=BUILD)
    tests, failed = get_results(results)
    return 0 if tests > 0 and failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["icarus"]))
