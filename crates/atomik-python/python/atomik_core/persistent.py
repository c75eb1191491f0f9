"""`PersistentSyncTable`: a `SyncTable` whose changes are written to a log."""

import io
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator

from atomik._atomik import AtomikTable, DeltaMessage
from atomik.errors import AddressError, DataError, InputError

from .sync import SyncTable

__all__ = ["PersistentSyncTable"]

#: The number of a record that loads a value instead of accumulating a delta.
LOAD = 0xFFFFFFFF

RECORD = 16


class PersistentSyncTable:
    """A `SyncTable` whose changes are written to a log before they take effect.

    The log has the format of the package atomik-core: one message of 16 bytes after the other. A
    record that a crash cut off is removed when the log is opened. Records have no checksum, and the
    system is asked to put them on disk by `compact` and `close` alone: after a power cut, the last
    changes may be missing.
    """

    def __init__(
        self,
        num_contexts: int = 256,
        path: str | pathlib.Path = "state.wal",
        on_delta: Callable[[DeltaMessage], object] | None = None,
        width: int = 64,
    ) -> None:
        if width > 64:
            raise DataError(
                f"a record of the log holds 64 bits, and a value would have {width}; choose a "
                "width of up to 64"
            )
        self._path = pathlib.Path(path)
        self._table = SyncTable(num_contexts, width)
        self._log: io.FileIO | None = None
        # Whether a change was cut off by an exception, so that the log must be read again.
        self._ahead = False
        self._replay()
        self._open()
        self._table.on_delta(on_delta)

    def _open(self) -> None:
        # Unbuffered: a change is with the system before it takes effect.
        self._log = open(self._path, "ab", buffering=0)

    def _replay(self) -> None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return
        whole = len(data) - len(data) % RECORD
        inner = AtomikTable(self._table.num_contexts, self._table.width)
        # All records are checked before the file is touched: it may be of another table.
        for number, start in enumerate(range(0, whole, RECORD), 1):
            record = DeltaMessage.from_bytes(data[start : start + RECORD])
            if record.addr >= inner.num_contexts:
                raise AddressError(
                    f"{self._path}: record {number} has address {record.addr}, and the table has "
                    f"{inner.num_contexts}; open it with more contexts"
                )
            if record.seq == LOAD:
                inner.load(record.addr, record.delta)
            else:
                inner.accum(record.addr, record.delta)
                # Numbers go on where they were: one that comes twice could be taken for the same.
                self._table._seq = max(self._table._seq, record.seq)
        if whole != len(data):
            os.truncate(self._path, whole)
        self._table._table = inner

    def _opened(self) -> io.FileIO:
        if self._log is None:
            raise InputError(f"{self._path}: the log is closed; open the table again")
        if self._ahead:
            self._log.close()
            self._replay()
            self._open()
            self._ahead = False
        return self._log

    def _current(self) -> SyncTable:
        if self._ahead and self._log is not None:
            self._opened()
        return self._table

    def _write(self, message: DeltaMessage) -> None:
        """Writes a record, or nothing of it."""
        log, record = self._opened(), message.to_bytes()
        if message.seq >= LOAD:
            raise DataError(f"{self._path}: all numbers of messages are used up; begin a new log")
        start = log.tell()
        self._ahead = True
        try:
            written = log.write(record)
        except OSError:
            os.ftruncate(log.fileno(), start)
            raise
        if written != RECORD:
            os.ftruncate(log.fileno(), start)
            raise OSError(f"{self._path}: the disk is full; the change was not made")

    def put(self, addr: int, value: int) -> DeltaMessage:
        """Replaces the value at an address, in the log first. Returns the message."""
        self._opened()
        message = self._table._change(addr, value)
        if message.delta:
            self._write(message)
            self._table._take(message)
            self._ahead = False
            self._table._tell(message)
        return message

    def receive(self, msg: DeltaMessage) -> None:
        """Takes a message of another table; what it changes here goes into the log first."""
        self._opened()
        delta = self._table._effect(msg)
        if delta:
            # Without the sender's number: those in the log are this table's own.
            self._write(DeltaMessage(msg.addr, delta))
        self._table._accept(msg, delta)
        self._ahead = False

    def compact(self) -> None:
        """Replaces the log by one record for each value that is not 0, at once or not at all."""
        log = self._opened()
        records = [
            DeltaMessage(addr, value, 0, LOAD)
            for addr, value in self._table.snapshot().items()
            if value
        ]
        if self._table._seq:
            # Changes nothing, and keeps the number of the last message.
            records.append(DeltaMessage(0, 0, 0, self._table._seq))
        folder = self._path.absolute().parent
        with tempfile.NamedTemporaryFile(dir=folder, prefix=self._path.name, delete=False) as new:
            try:
                new.write(b"".join(record.to_bytes() for record in records))
                new.flush()
                os.fsync(new.fileno())
                self._ahead = True
                os.replace(new.name, self._path)
            except BaseException:
                pathlib.Path(new.name).unlink(missing_ok=True)
                raise
        log.close()
        self._open()
        self._ahead = False

    def close(self) -> None:
        """Puts the log on disk and closes it. After that, values can be read but not changed."""
        if self._log is not None:
            os.fsync(self._log.fileno())
            self._log.close()
            self._log = None

    def on_delta(self, callback: Callable[[DeltaMessage], object] | None) -> None:
        """Calls this with the message of each put that changes something; None calls nobody."""
        self._table.on_delta(callback)

    def get(self, addr: int) -> int:
        """The value at an address."""
        return self._current().get(addr)

    def diff(self, other: "SyncTable | PersistentSyncTable") -> list[int]:
        """The addresses that both tables have and whose values differ."""
        return self._current().diff(other)

    def snapshot(self) -> dict[int, int]:
        """All values by address, also those that are 0."""
        return self._current().snapshot()

    @property
    def origin(self) -> int:
        """The number that tells this table's messages from those of others."""
        return self._table.origin

    @property
    def num_contexts(self) -> int:
        """The number of addresses."""
        return self._table.num_contexts

    @property
    def width(self) -> int:
        """The width of a value in bits."""
        return self._table.width

    def __contains__(self, addr: object) -> bool:
        return addr in self._table

    def __iter__(self) -> Iterator[int]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def __enter__(self) -> "PersistentSyncTable":
        return self

    def __exit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        self.close()

    def __repr__(self) -> str:
        active = len(self._table._table.snapshot())
        return (
            f"PersistentSyncTable(contexts={self.num_contexts}, width={self.width}, "
            f"active={active}, wal={str(self._path)!r})"
        )
