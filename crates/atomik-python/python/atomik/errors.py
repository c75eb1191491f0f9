"""What goes wrong, as exceptions. Their messages are those of the command line, and say what to do.

    AtomikError
    +-- InputError (ValueError)           the command line would exit with status 2
    |   +-- AddressError (IndexError)     an address outside the depth
    |   +-- DataError                     a value that is no word of the layout
    |   +-- GeometryError                 a register file, layout or lane that there cannot be
    |   +-- MergeError                    references, depths or layouts that differ
    |   +-- TraceError                    a bad line or an unreadable trace: file, line, reason
    +-- ToolError (RuntimeError)          a tool is missing or failed, a file cannot be written
    +-- NodeError (ConnectionError)       no node answers, or the connection broke
    +-- RefusedError                      a node or a replica refused a request
"""

from typing import Any

__all__ = [
    "AddressError",
    "AtomikError",
    "DataError",
    "GeometryError",
    "InputError",
    "MergeError",
    "NodeError",
    "RefusedError",
    "ToolError",
    "TraceError",
]


class AtomikError(Exception):
    """The base of all of ATOMiK's exceptions."""


class InputError(AtomikError, ValueError):
    """The input is wrong, and nothing was changed."""


class AddressError(InputError, IndexError):
    """The address is outside the depth."""


class DataError(InputError):
    """The value is no word of the layout."""


class GeometryError(InputError):
    """There can be no such register file, layout or lane."""


class MergeError(InputError):
    """References, depths or layouts differ, so the deltas do not add up."""


class TraceError(InputError):
    """A trace was refused. `file`, `line` and `reason` say where and why; `line` counts from 1."""

    def __init__(
        self,
        message: str,
        file: str | None = None,
        line: int | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.file, self.line, self.reason)


class ToolError(AtomikError, RuntimeError):
    """A tool is missing or failed, or a file cannot be written."""


class NodeError(AtomikError, ConnectionError):
    """No node answers, or the connection to it broke."""


class RefusedError(AtomikError):
    """A node or a replica refused a request, and nothing was changed."""
