"""Which messages a table has had, so that none counts twice."""

from collections import deque

from atomik._atomik import DeltaMessage
from atomik.errors import MergeError

#: How many messages are remembered.
REMEMBERED = 1 << 16

Entry = tuple[int, ...]


class Received:
    """The messages that a table has had or sent, by what their 16 bytes hold."""

    def __init__(self) -> None:
        self._order: deque[tuple[set[Entry], Entry]] = deque()
        self._contents: set[Entry] = set()
        self._numbers: set[Entry] = set()

    def is_new(self, message: DeltaMessage) -> bool:
        """Whether a message is new; raises if nobody can tell."""
        if not message.seq:
            return True
        if message.origin is not None:
            return (message.origin, message.seq) not in self._numbers
        if (message.addr, message.delta, message.seq) not in self._contents:
            return True
        raise MergeError(
            f"a message with this address, {message.addr}, this delta and this number, "
            f"{message.seq}, was sent or received already: this is the same one again, or another "
            "sender's; say whose it is, DeltaMessage.from_bytes(data, origin=NUMBER)"
        )

    def remember(self, message: DeltaMessage, own: bool = False) -> None:
        """Remembers a message, also an own one, which may come back as bytes."""
        if not message.seq:
            return
        among: set[Entry]
        entry: Entry
        if message.origin is None or own:
            among, entry = self._contents, (message.addr, message.delta, message.seq)
        else:
            among, entry = self._numbers, (message.origin, message.seq)
        if entry in among:
            return
        among.add(entry)
        self._order.append((among, entry))
        if len(self._order) > REMEMBERED:
            oldest, entry = self._order.popleft()
            oldest.discard(entry)
