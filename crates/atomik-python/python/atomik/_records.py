"""Records: commands and responses of traces, steps and effects of replicas."""

from typing import Any, NamedTuple


class Command(NamedTuple):
    """One command of a trace. `data` is None for ops that take none."""

    op: str
    addr: int = 0
    data: int | None = None
    lane: int = 0
    cycle: int | None = None


class Response(NamedTuple):
    """What read, swap, delta and drain return. `clean`: whether the accumulator was 0 before."""

    op: str
    addr: int
    data: int
    clean: bool


class Step(NamedTuple):
    """What an event did to a replica.

    `ticket`: the operation is acknowledged once this ticket is persisted; 0 if nothing is stored.
    `number`: for `undo`, or of a checkpoint; None if nothing changed. `responses`: pairs of value
    and `clean`, or None, one for each operation. `effects`: what is to be carried out.
    """

    ticket: int
    number: int | None
    responses: list[tuple[int, bool] | None]
    effects: list[Any]


class Send(NamedTuple):
    """Send a message to one peer. It may be lost."""

    to: bytes
    message: bytes


class Broadcast(NamedTuple):
    """Send a message to every peer. It may be lost."""

    message: bytes


class Persist(NamedTuple):
    """Store the records together, then call `persisted` with the ticket.

    A record is a pair of key and value; None stands for its removal.
    """

    ticket: int
    records: list[tuple[bytes, bytes | None]]


class Notify(NamedTuple):
    """Report this to the application.

    `kind` is "Changed", "Overlap" or another name of the software's notices; `bits` are those that
    two writers changed at once.
    """

    kind: str
    key: bytes | None
    state: int | None
    bits: int | None
    text: str
