"""ATOMiK in Python: state = reference xor accumulator, or reference + accumulator.

    >>> import atomik
    >>> file = atomik.RegisterFile(16, depth=8)
    >>> file.load(3, 0xff00)
    >>> file.accum(3, 0x0f)
    >>> hex(file.read(3))
    '0xff0f'
    >>> file.rollback(3, 0x0f)
    >>> hex(file.read(3))
    '0xff00'

`Accumulator` and `RegisterFile` are the software model, with single calls and whole arrays.
`Trace`, `diff` and `fit` read what the command line reads; `generate` and `regress` make Verilog
and check it; `NodeClient` and `AsyncNodeClient` talk to a running node. The module `atomik_core`,
in the same wheel, is compatible with the package atomik-core 0.4.0.
"""

import os as _os

from . import _atomik, errors
from ._atomik import Accumulator, RegisterFile, Replica, Snapshot, Trace
from ._checks import warn_if_shadowed
from ._fit import Fit, fit
from ._hardware import Regression, generate, regress
from ._node import AsyncNodeClient, NodeClient
from ._records import Broadcast, Command, Notify, Persist, Response, Send, Step
from ._traces import Diff, diff
from .errors import (
    AddressError,
    AtomikError,
    DataError,
    GeometryError,
    InputError,
    MergeError,
    NodeError,
    RefusedError,
    ToolError,
    TraceError,
)

__version__ = "0.1.0"

__all__ = [
    "Accumulator",
    "AddressError",
    "AsyncNodeClient",
    "AtomikError",
    "Broadcast",
    "Command",
    "DataError",
    "Diff",
    "Fit",
    "GeometryError",
    "InputError",
    "MergeError",
    "NodeClient",
    "NodeError",
    "Notify",
    "Persist",
    "RefusedError",
    "RegisterFile",
    "Regression",
    "Replica",
    "Response",
    "Send",
    "Snapshot",
    "Step",
    "ToolError",
    "Trace",
    "TraceError",
    "diff",
    "errors",
    "fit",
    "generate",
    "regress",
]

# The child of a fork sends under another name than its parent.
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_atomik.forked)

warn_if_shadowed()
