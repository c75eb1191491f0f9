"""Tables as columns: pandas, Polars, PyArrow, or a dict of sequences."""

from collections.abc import Iterator, Sequence
from typing import Any

from .errors import InputError


def is_table(value: Any) -> bool:
    """Whether the value has named columns."""
    return isinstance(value, dict) or any(
        hasattr(value, name) for name in ("columns", "column_names", "__dataframe__")
    )


def column_names(table: Any) -> list[str]:
    """The names of the columns, in order."""
    if isinstance(table, dict):
        return list(table)
    if hasattr(table, "column_names"):
        return list(table.column_names)
    return list(table.columns)


def column(table: Any, name: str) -> list[Any]:
    """A column as a list of Python values, in which None stands for what is missing."""
    values = table[name]
    for method in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, method):
            values = getattr(values, method)()
            break
    return [None if _is_missing(value) else _plain(value) for value in values]


def _is_missing(value: Any) -> bool:
    """Whether this stands for no value: None, NaN, which is not equal to itself, or pandas' NA."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:
        return True


def _plain(value: Any) -> Any:
    """The value as an object of Python's own types; a float that is whole counts as an integer."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def rows(table: Any, known: Sequence[str], needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of a table as dicts without what is missing.

    `known` are the columns that there may be, `needed` those that there must be.
    """
    names = column_names(table)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"unknown column {unknown[0]!r}; the columns are {', '.join(known)}: rename or drop it"
        )
    for name in needed:
        if name not in names:
            raise InputError(f"the column {name!r} is missing; the table has {', '.join(names)}")
    columns = [column(table, name) for name in names]
    if len({len(values) for values in columns}) > 1:
        raise InputError("the columns have different lengths")
    for values in zip(*columns):
        yield {name: value for name, value in zip(names, values) if value is not None}
