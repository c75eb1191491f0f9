"""`SyncTable`: a table whose writes reach other tables as messages."""

import copy
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from atomik._atomik import AtomikTable, DeltaMessage, Received, forks, new_origin
from atomik.errors import MergeError

if TYPE_CHECKING:
    from .persistent import PersistentSyncTable

__all__ = ["SyncTable"]


class PutMessage(DeltaMessage):
    """The message of a put, which also knows what was put and when, as long as it is an object."""

    __slots__ = ("put",)

    #: The clock of the table, and the value; None if the put changed nothing.
    put: tuple[int, int] | None

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.addr, self.delta, self.seq, self.origin, self.put)


def _restored(
    addr: int, delta: int, seq: int, origin: int | None, put: tuple[int, int] | None
) -> PutMessage:
    message = PutMessage(addr, delta, 0, seq, origin=origin)
    message.put = put
    return message


class SyncTable:
    """A table whose writes reach other tables as messages.

    A put replaces the value. Of puts that no table had seen before it made its own, the same one
    wins everywhere: that with the higher clock, or of the table with the higher number. So tables
    agree once each has had all messages, in any order and any number of times, as long as messages
    are passed on as objects. The 16 bytes of a message hold only the delta: concurrent puts that
    travel as bytes combine by xor, and the same bytes twice are refused.
    """

    def __init__(self, num_contexts: int = 256, width: int = 64) -> None:
        self._table = AtomikTable(num_contexts, width)
        self._mask = (1 << width) - 1
        self._callback: Callable[[DeltaMessage], object] | None = None
        self._name()
        self._seq = 0
        self._clock = 0
        self._stamps: dict[int, tuple[int, int]] = {}
        self._received = Received()

    def _name(self) -> None:
        """Draws the number under which this table sends."""
        self._origin = new_origin()
        self._forks = forks()

    def _renew(self) -> None:
        """In the child of a fork, the table is another sender."""
        if self._forks != forks():
            self._name()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_callback": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # What a copy sends is not what the table sends.
        self._name()

    def __copy__(self) -> "SyncTable":
        return copy.deepcopy(self)

    def on_delta(self, callback: Callable[[DeltaMessage], object] | None) -> None:
        """Calls this with the message of each put that changes something; None calls nobody."""
        if callback is not None and not callable(callback):
            raise TypeError(f"on_delta takes a function or None, found {callback!r}")
        self._callback = callback

    def put(self, addr: int, value: int) -> DeltaMessage:
        """Replaces the value at an address. Returns the message, also given to the callback."""
        message = self._change(addr, value)
        if message.delta:
            self._commit(message)
        return message

    def _change(self, addr: int, value: int) -> PutMessage:
        """The message of a put, before anything is changed. Its delta is 0 if nothing would be."""
        self._renew()
        value = value & self._mask
        before = self._table.read(addr)
        delta = before ^ value
        if not delta:
            return _restored(addr, 0, self._seq, self._origin, None)
        put = (self._clock + 1, value)
        return _restored(addr, delta, self._seq + 1, self._origin, put)

    def _commit(self, message: PutMessage) -> None:
        self._take(message)
        self._tell(message)

    def _take(self, message: PutMessage) -> None:
        self._seq = message.seq
        if message.put is not None:
            self._clock = message.put[0]
        self._stamps[message.addr] = (self._clock, self._origin)
        self._table.accum(message.addr, message.delta)
        self._received.remember(message)

    def _tell(self, message: PutMessage) -> None:
        if self._callback is not None:
            self._callback(message)

    def receive(self, msg: DeltaMessage) -> None:
        """Takes a message of another table. The callback is not called."""
        self._accept(msg, self._effect(msg))

    def _effect(self, msg: DeltaMessage) -> int:
        """What a message would change here: a delta, 0 if it changes nothing."""
        if not isinstance(msg, DeltaMessage):
            found = type(msg).__name__
            raise TypeError(
                f"a table receives a DeltaMessage, found {found}; make one with "
                "DeltaMessage.from_bytes(data)"
            )
        self._renew()
        before = self._table.read(msg.addr)
        if msg.origin == self._origin:
            return 0
        put = getattr(msg, "put", None)
        if put is None or msg.origin is None:
            if msg.generation:
                raise MergeError(
                    f"the message is of a DeltaStream that has loaded address {msg.addr}; a table "
                    "has nothing to load: apply it to a DeltaStream"
                )
            return msg.delta & self._mask if self._received.is_new(msg) else 0
        clock, value = put
        is_later = (clock, msg.origin) > self._stamps.get(msg.addr, (0, 0))
        return before ^ (value & self._mask) if is_later else 0

    def _accept(self, msg: DeltaMessage, delta: int) -> None:
        """Makes the change of a message, and remembers that it has come."""
        if delta:
            self._table.accum(msg.addr, delta)
        self._received.remember(msg)
        put = getattr(msg, "put", None)
        if put is not None and msg.origin not in (None, self._origin):
            self._clock = max(self._clock, put[0])
            stamp = (put[0], msg.origin)
            self._stamps[msg.addr] = max(stamp, self._stamps.get(msg.addr, stamp))

    def get(self, addr: int) -> int:
        """The value at an address."""
        return self._table.read(addr)

    def diff(self, other: "SyncTable | PersistentSyncTable") -> list[int]:
        """The addresses that both tables have and whose values differ."""
        common = min(self.num_contexts, other.num_contexts)
        return [addr for addr in range(common) if self.get(addr) != other.get(addr)]

    def snapshot(self) -> dict[int, int]:
        """All values by address, also those that are 0."""
        return {addr: self.get(addr) for addr in self}

    @classmethod
    def from_snapshot(cls, snap: dict[int, int], width: int = 64) -> "SyncTable":
        """A new table with these values."""
        table = cls(max(snap) + 1 if snap else 256, width)
        for addr, value in snap.items():
            table._table.load(addr, value)
        return table

    @property
    def origin(self) -> int:
        """The number that tells this table's messages from those of others."""
        self._renew()
        return self._origin

    @property
    def num_contexts(self) -> int:
        """The number of addresses."""
        return self._table.num_contexts

    @property
    def width(self) -> int:
        """The width of a value in bits."""
        return self._table.width

    def __contains__(self, addr: object) -> bool:
        return isinstance(addr, int) and 0 <= addr < self.num_contexts

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.num_contexts))

    def __len__(self) -> int:
        return self.num_contexts

    def __repr__(self) -> str:
        active = len(self._table.snapshot())
        return f"SyncTable(contexts={self.num_contexts}, width={self.width}, active={active})"
