"""Transports for asyncio."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from atomik._atomik import DeltaMessage

from .sync import SyncTable

__all__ = ["AsyncCallbackTransport", "AsyncSyncTable"]

Send = Callable[[bytes], Awaitable[object]]


class AsyncCallbackTransport:
    """Keeps the messages of a table until `send_pending` passes them to the coroutine `send_fn`."""

    def __init__(self, table: Any, send_fn: Send | None = None) -> None:
        self._table = table
        self._send = send_fn
        self._pending: deque[DeltaMessage] = deque()
        table.on_delta(self._pending.append)

    async def send_pending(self) -> int:
        """Sends what is kept, oldest first; returns how many. What fails to be sent is kept."""
        sent = 0
        while self._pending:
            message = self._pending[0]
            if self._send is not None:
                await self._send(message.to_bytes())
            # Another task may have sent it meanwhile.
            if self._pending and self._pending[0] is message:
                self._pending.popleft()
                sent += 1
        return sent

    def receive_bytes(self, data: bytes) -> None:
        """Takes the 16 bytes of a message that has arrived."""
        self._table.receive(DeltaMessage.from_bytes(data))

    @property
    def pending_count(self) -> int:
        """How many messages are kept."""
        return len(self._pending)


class AsyncSyncTable:
    """A `SyncTable` whose `put` also passes the message to the coroutine `send_fn`."""

    def __init__(
        self, num_contexts: int = 256, width: int = 64, send_fn: Send | None = None
    ) -> None:
        self._table = SyncTable(num_contexts, width)
        self._send = send_fn

    async def put(self, addr: int, value: int) -> DeltaMessage:
        """Replaces the value at an address, and sends the message if something changed."""
        message = self._table._change(addr, value)
        if message.delta:
            # What cannot be sent is not changed here either.
            data = message.to_bytes() if self._send is not None else b""
            self._table._commit(message)
            if self._send is not None:
                await self._send(data)
        return message

    def receive(self, msg: DeltaMessage) -> None:
        """Takes a message of another table. Nothing is sent."""
        self._table.receive(msg)

    def receive_bytes(self, data: bytes) -> None:
        """Takes the 16 bytes of a message that has arrived. Nothing is sent."""
        self._table.receive(DeltaMessage.from_bytes(data))

    def get(self, addr: int) -> int:
        """The value at an address."""
        return self._table.get(addr)

    def diff(self, other: "AsyncSyncTable") -> list[int]:
        """The addresses that both tables have and whose values differ."""
        return self._table.diff(other._table)

    def snapshot(self) -> dict[int, int]:
        """All values by address, also those that are 0."""
        return self._table.snapshot()

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

    def __repr__(self) -> str:
        return f"AsyncSyncTable({self._table!r})"
