"""The program on ATOMiK's public page, as it is written there; run with the wheel alone."""

# fmt: off
from atomik_core import DeltaStream
stream_a = DeltaStream(); stream_b = DeltaStream()
stream_a.load(addr=0, initial_state=0xCAFEBABE); stream_b.load(addr=0, initial_state=0xCAFEBABE)
stream_a.accum(addr=0, delta=0x000000FF); stream_b.accum(addr=0, delta=0x0000FF00)
stream_a.accum(addr=0, delta=0x0000FF00); stream_b.accum(addr=0, delta=0x000000FF)
assert stream_a.read(0) == stream_b.read(0)
# fmt: on

assert stream_a.read(0) == 0xCAFEBABE ^ 0xFFFF
print("program: ok")
