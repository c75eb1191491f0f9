"""Part of ATOMiK's wheel: a module compatible with the package atomik-core 0.4.0.

    >>> from atomik_core import DeltaStream
    >>> sender, receiver = DeltaStream(), DeltaStream()
    >>> for stream in sender, receiver:
    ...     stream.load(addr=0, initial_state=0xCAFEBABE)
    >>> receiver.apply(sender.accum(addr=0, delta=0xFF))
    True
    >>> hex(receiver.read(0))
    '0xcafeba41'

It has the names and the behaviour of that package, except where that loses or corrupts data: there
it does the right thing or refuses. docs/python.md of the project lists every difference. The
package's benchmarks and its bindings to a kernel module are left out. `atomik` has more: layouts
with fields that add, whole arrays, traces, and replication that survives loss and duplication.
"""

from typing import NoReturn

from atomik._atomik import AtomikContext, AtomikTable, DeltaMessage, DeltaStream
from atomik._checks import warn_if_both

from .async_transport import AsyncCallbackTransport, AsyncSyncTable
from .fingerprint import Fingerprint
from .persistent import PersistentSyncTable
from .sync import SyncTable
from .transport import CallbackTransport, MemoryTransport

#: The version of the package whose interface this is.
__version__ = "0.4.0"

__all__ = [
    "AsyncCallbackTransport",
    "AsyncSyncTable",
    "AtomikContext",
    "AtomikTable",
    "CallbackTransport",
    "DeltaMessage",
    "DeltaStream",
    "Fingerprint",
    "MemoryTransport",
    "PersistentSyncTable",
    "SyncTable",
]

_LEFT_OUT = {
    "DeviceContext": "there is no kernel module; a board is driven by `atomik device`",
    "DeviceTable": "there is no kernel module; a board is driven by `atomik device`",
    "bench_bandwidth": "`make bench-python` measures this package",
    "bench_change_detection": "`make bench-python` measures this package",
    "bench_convergence": "`make bench-python` measures this package",
    "bench_rollback": "`make bench-python` measures this package",
    "bench_throughput": "`make bench-python` measures this package",
}


def __getattr__(name: str) -> NoReturn:
    if name in _LEFT_OUT:
        raise AttributeError(f"ATOMiK's atomik_core leaves out {name}: {_LEFT_OUT[name]}")
    raise AttributeError(f"module 'atomik_core' has no attribute {name!r}")


warn_if_both()
