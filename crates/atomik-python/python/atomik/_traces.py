"""Traces of commands as text and as columns, and the trace that turns one file into another."""

import json
import os
from collections.abc import Iterable
from typing import Any

from . import _atomik, _columns
from ._records import Command

_FIELDS = Command._fields


def commands_text(commands: Iterable[Any]) -> str:
    """Commands as lines of a trace. They are tuples in the order of `Command`, or dicts."""
    return "".join(_line(command) for command in commands)


def columns_text(table: Any) -> str:
    """The rows of a table as lines of a trace."""
    return "".join(map(_json, _columns.rows(table, _FIELDS, ("op", "addr"))))


def columns_of(commands: Iterable[Command]) -> dict[str, list[Any]]:
    """Commands as a dict of lists."""
    return {name: [getattr(command, name) for command in commands] for name in _FIELDS}


def _line(command: Any) -> str:
    fields = dict(zip(_FIELDS, command)) if isinstance(command, tuple) else dict(command)
    return _json({name: value for name, value in fields.items() if value is not None})


def _json(fields: dict[str, Any]) -> str:
    # NumPy's integers are no integers for JSON.
    return json.dumps(fields, default=lambda value: value.__index__()) + "\n"


class Diff:
    """What turns one file into another: a trace, and how many words there are and change."""

    def __init__(self, trace: _atomik.Trace, words: int, changed: int) -> None:
        self.trace = trace
        self.words = words
        self.changed = changed

    def __repr__(self) -> str:
        return f"<Diff: {self.changed} of {self.words} words changed>"


def diff(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    width: int | str = 64,
    depth: int | None = None,
    lanes: int = 1,
) -> Diff:
    """The `Diff` of two files: loads the old words, accumulates the deltas, reads the new ones."""
    return Diff(*_atomik.diff_trace(os.fspath(old), os.fspath(new), width, depth, lanes))
