"""Transports: how the messages of tables reach other tables."""

from collections.abc import Callable
from typing import Any

from atomik._atomik import DeltaMessage
from atomik.errors import InputError

__all__ = ["CallbackTransport", "MemoryTransport"]


class MemoryTransport:
    """Passes each message of a connected table to all others, as an object."""

    def __init__(self) -> None:
        self._tables: list[Any] = []

    def connect(self, table: Any) -> None:
        """Connects a table, whose `on_delta` from now on passes messages to the others."""
        if any(known is table for known in self._tables):
            return

        def broadcast(message: DeltaMessage) -> None:
            for other in self._tables:
                if other is not table:
                    other.receive(message)

        table.on_delta(broadcast)
        self._tables.append(table)

    def disconnect(self, table: Any) -> None:
        """Disconnects a table. Raises `InputError` if it is not connected."""
        for at, known in enumerate(self._tables):
            if known is table:
                del self._tables[at]
                table.on_delta(None)
                return
        raise InputError("the table is not connected")

    @property
    def peer_count(self) -> int:
        """The number of connected tables."""
        return len(self._tables)


class CallbackTransport:
    """Passes the messages of a table to `send_fn`, as 16 bytes each."""

    def __init__(self, table: Any, send_fn: Callable[[bytes], object] | None = None) -> None:
        self._table = table
        self._send = send_fn
        table.on_delta(self._on_delta)

    def _on_delta(self, message: DeltaMessage) -> None:
        if self._send is not None:
            self._send(message.to_bytes())

    def receive_bytes(self, data: bytes) -> None:
        """Takes the 16 bytes of a message that has arrived."""
        self._table.receive(DeltaMessage.from_bytes(data))
