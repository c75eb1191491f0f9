"""Does a workload fit deltas that xor or add?"""

import html
import json
import os
from collections.abc import Iterable
from typing import Any

from . import _atomik, _columns
from .errors import InputError

#: The limits of the verdict, as `thresholds` in a result has them.
_LIMITS = (
    "windows_ms",
    "connected_ms",
    "overlap_fits",
    "overlap_fails",
    "wrong_fails",
    "unnoticed_fails",
    "value_bytes",
    "whole_value",
    "coalescing_saves",
)
_MEMBERS = ("t", "node", "key", "op", "field", "value")


class Fit(dict[str, Any]):
    """A verdict with its reasons and figures, in the form of `atomik eval fit --json`.

    `str` gives the text that the command line prints; a notebook shows a table.
    """

    @property
    def verdict(self) -> str:
        """FITS, FITS WITH CONDITIONS or DOES NOT FIT."""
        return str(self["verdict"]).replace("_", " ").upper()

    @property
    def fits(self) -> bool:
        """Whether it fits, with or without conditions."""
        return bool(self["verdict"] != "does_not_fit")

    @property
    def reasons(self) -> list[str]:
        """The reasons, in the order of what they cost."""
        return list(self["reasons"])

    @property
    def layout(self) -> str | None:
        """The layout of a word with all fields, such as "add:8,xor:64"; None if there is none."""
        layout: str | None = self["layout"]
        return layout

    def __str__(self) -> str:
        return _atomik.fit_text(json.dumps(self))

    def __repr__(self) -> str:
        return f"<Fit of {self['trace']}: {self.verdict}>"

    def _repr_html_(self) -> str:
        text = html.escape
        fields = "".join(
            "<tr>"
            f"<td><code>{text(field['name'] or '(value)')}</code></td>"
            f"<td>{text(field['class'])}</td>"
            f"<td>{text(field['verdict'].replace('_', ' '))}</td>"
            f"<td>{sum(field['operations'].values()):,}</td><td>{field['keys']:,}</td>"
            f"<td>{field['wrong_operations']:,}</td>"
            f"<td><code>{text(field['layout'] or '')}</code></td>"
            "</tr>"
            for field in self["fields"]
        )
        reasons = "".join(f"<li>{text(reason)}</li>" for reason in self.reasons)
        return (
            f"<p><b>{text(self.verdict)}</b>: {self['operations']:,} operations on"
            f" {self['keys']:,} keys by {self['nodes']:,} nodes</p>"
            f"<ul>{reasons}</ul>"
            "<table><thead><tr><th>field</th><th>class</th><th>verdict</th><th>operations</th>"
            "<th>keys</th><th>wrong</th><th>layout</th></tr></thead>"
            f"<tbody>{fields}</tbody></table>"
        )


def fit(trace: Any, *, examples: int = 3, name: str | None = None, **limits: Any) -> Fit:
    """Judges a workload trace, and returns a `Fit`.

    `trace` is a file (JSON lines, plain, gzip or zstd), a list of dicts as in the file format, or
    a table of pandas, Polars or PyArrow or a dict of sequences, with the columns t, node, key and
    op, and field and value where operations have them. `limits` are the members of `thresholds` in
    the result, such as `windows_ms=[50, 500]` or `overlap_fits=0.0001`.
    """
    for limit in limits:
        if limit not in _LIMITS:
            raise InputError(f"unknown limit {limit!r}; the limits are {', '.join(_LIMITS)}")
    path = lines = None
    if isinstance(trace, (str, os.PathLike)):
        path = os.fspath(trace)
        name = name or path
    else:
        if _columns.is_table(trace):
            trace = _columns.rows(trace, _MEMBERS, _MEMBERS[:4])
        elif not isinstance(trace, Iterable):
            found = type(trace).__name__
            raise TypeError(f"fit takes a file, a list of dicts or a table, found {found}")
        lines = "".join(json.dumps(line, default=_index) + "\n" for line in trace).encode()
        name = name or "<operations>"
    return Fit(json.loads(_atomik.fit_json(path, lines, json.dumps(limits), examples, name)))


def _index(value: Any) -> int:
    """Integers of NumPy and others, for JSON."""
    return int(value.__index__())
