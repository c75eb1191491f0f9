"""Clients of a running node, over the socket in its data folder or over TCP."""

import asyncio
import json
import pathlib
import socket

from .errors import InputError, NodeError, RefusedError

#: The longest line in bytes, and the most keys on a page.
_MAX_LINE = 1 << 20
_PAGE = 1000


def _number(text):
    return int(text, 16)


def _key(key):
    """A key as requests have it: text, or 0x and hex digits for bytes."""
    if isinstance(key, bytes):
        return "0x" + key.hex()
    # Text that begins with 0x would be taken for digits.
    return "0x" + key.encode().hex() if key.startswith("0x") else key


def _value(value):
    """A value as requests have it: an integer of up to 64 bits, hex digits, or a list."""
    if isinstance(value, (list, tuple)):
        return [_value(field) for field in value]
    if isinstance(value, str):
        return value
    value = value.__index__()
    return hex(value) if value >= 1 << 63 else value


def _responses(answer):
    """The responses of a batch: pairs of value and `clean`, or None."""
    return [
        response and (_number(response["value"]), response["clean"])
        for response in answer.get("responses", ())
    ]


class _Requests:
    """The requests that both clients have. `_ask` sends one, and passes the answer to `pick`."""

    def ask(self, request):
        """Sends a request as a dict, and returns the answer; see the protocol in docs/node.md."""
        return self._ask(request, lambda answer: answer)

    def get(self, key):
        """The value of a key."""
        return self._ask({"op": "get", "key": _key(key)}, lambda a: _number(a["value"]))

    def writers(self, key):
        """Origin, version and accumulator of each writer of a key, as the node shows them."""
        return self._ask({"op": "get", "key": _key(key)}, lambda a: a["writers"])

    def _change(self, op, key, **members):
        return self._ask({"op": op, "key": _key(key), **members}, lambda a: a["batch"])

    def put(self, key, value):
        """Replaces the value. Returns the number for `undo`, or None if nothing changed."""
        return self._change("put", key, value=_value(value))

    def load(self, key, value):
        """LOAD, on this node's own mark of the key. Returns the number for `undo`."""
        return self._change("load", key, value=_value(value))

    def accum(self, key, delta):
        """ACCUM: accumulates a delta. Returns the number for `undo`."""
        return self._change("accum", key, value=_value(delta))

    def add(self, key, number):
        """Adds to the only field that adds, or to all of them with a list."""
        return self._change("add", key, value=_value(number))

    def toggle(self, key, flag):
        """Inverts a bit. Returns the number for `undo`."""
        return self._change("toggle", key, flag=flag)

    def set_flag(self, key, flag, on=True):
        """Sets a bit to a value. Returns the number for `undo`, or None if nothing changed."""
        return self._change("set", key, flag=flag, on=bool(on))

    def _respond(self, op, key):
        return self._ask({"op": op, "key": _key(key)}, lambda a: _responses(a)[0][0])

    def read(self, key):
        """READ: the state."""
        return self._respond("read", key)

    def swap(self, key):
        """SWAP: the state, which becomes this node's mark."""
        return self._respond("swap", key)

    def delta(self, key):
        """DELTA: how the state differs from this node's mark."""
        return self._respond("delta", key)

    def drain(self, key):
        """DRAIN: how the state differed from this node's mark, which becomes the state."""
        return self._respond("drain", key)

    def batch(self, operations):
        """Performs operations together: all or none.

        `operations` are tuples such as ("put", key, value), ("read", key), ("toggle", key, flag).
        Returns the number for `undo` and the list of responses.
        """
        ops = []
        for op, key, *rest in operations:
            request = {"op": op, "key": _key(key)}
            names = {"toggle": ["flag"], "set": ["flag", "on"]}.get(op, ["value"])
            for name, argument in zip(names, rest):
                request[name] = _value(argument) if name == "value" else argument
            ops.append(request)
        return self._ask({"op": "batch", "ops": ops}, lambda a: (a["batch"], _responses(a)))

    def undo(self, batch):
        """Undoes a batch of this node. Returns the number of the undo."""
        return self._ask({"op": "undo", "batch": batch}, lambda a: a["batch"])

    def page(self, prefix="", start=0, limit=_PAGE):
        """A page of keys with this prefix: a dict of values, and where to continue, or None."""
        request = {"op": "list", "prefix": _key(prefix), "from": start, "limit": limit}
        return self._ask(
            request,
            lambda a: ({e["key"]: _number(e["value"]) for e in a["keys"]}, a["next"]),
        )

    def status(self, hash=False):
        """The node's status, with a hash over all states if `hash`."""
        return self._ask({"op": "status", "hash": bool(hash)}, lambda a: a["status"])

    def peers(self):
        """The reachable peers."""
        return self._ask({"op": "peers"}, lambda a: a["peers"])

    def checkpoint(self, name):
        """Records the state of every key under a name. Returns the checkpoint's number."""
        return self._ask({"op": "checkpoint", "name": name}, lambda a: a["checkpoint"])

    def members(self):
        """The members and their list."""
        return self._ask({"op": "members"}, lambda a: a)


class _Address:
    """Where a node listens, and what it wants to hear first."""

    def __init__(self, data, control, token):
        if (data is None) == (control is None):
            raise InputError("name either the node's data folder, or its control address and token")
        self.path = self.host = self.greeting = None
        if data is not None:
            self.path = str(pathlib.Path(data) / "control.sock")
            return
        if token is None:
            raise InputError(
                "over TCP a node wants a token: pass token=, the digits in the file control.token "
                "of its data folder"
            )
        host, _, port = control.rpartition(":")
        if not port.isdigit():
            raise InputError(f"{control!r} is no control address; give ADDRESS:PORT")
        self.host, self.port = host.strip("[]"), int(port)
        self.greeting = {"op": "hello", "token": token.strip()}

    def __str__(self):
        return self.path or f"{self.host}:{self.port}"

    def unreachable(self, cause):
        """No node answers here."""
        return NodeError(
            f"no node answers at {self}: {cause}; start it, or name the right data folder or "
            "control address"
        )

    def broken(self, cause):
        """The connection broke, or an answer did not come in time."""
        return NodeError(
            f"{self}: {cause}; check the node's log, then connect again (the change may or may not "
            "have taken effect)"
        )


def _encoded(request):
    line = json.dumps(request).encode() + b"\n"
    if len(line) > _MAX_LINE:
        raise InputError(
            f"the request has {len(line)} bytes and a line at most {_MAX_LINE}; split it"
        )
    return line


def _decoded(address, line):
    if not line.endswith(b"\n"):
        raise address.broken("the node closed the connection")
    try:
        answer = json.loads(line)
    except ValueError:
        raise NodeError(
            f"{address} is not a node, it answered {line[:80]!r}: name the right address"
        ) from None
    if answer.get("ok") is False:
        raise RefusedError(answer.get("error", "refused"))
    return answer


class NodeClient(_Requests):
    """A connection to a running node.

        with NodeClient("node1") as node:
            node.put("x", 5)
            node.get("x")

    `data` is the node's data folder; or `control` is its TCP address, ADDRESS:PORT, and `token` the
    digits in its file control.token. `timeout` is in seconds, of each answer. Refused requests
    raise `RefusedError` with the node's message; a connection that broke raises `NodeError` and
    must be opened anew. One thread at a time may use a client.
    """

    def __init__(self, data=None, *, control=None, token=None, timeout=30):
        self._address = _Address(data, control, token)
        try:
            if self._address.path:
                self._socket = socket.socket(socket.AF_UNIX)
                self._socket.settimeout(timeout)
                self._socket.connect(self._address.path)
            else:
                where = (self._address.host, self._address.port)
                self._socket = socket.create_connection(where, timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as cause:
            raise self._address.unreachable(cause) from cause
        self._input = self._socket.makefile("rb")
        if self._address.greeting:
            self.ask(self._address.greeting)

    def _ask(self, request, pick):
        line = _encoded(request)
        try:
            self._socket.sendall(line)
            answer = self._input.readline()
        except OSError as cause:
            # A late answer would be taken for that to the next request.
            self.close()
            raise self._address.broken(cause) from cause
        return pick(_decoded(self._address, answer))

    def items(self, prefix=""):
        """All keys with this prefix and their values, page by page."""
        start = 0
        while start is not None:
            page, start = self.page(prefix, start)
            yield from page.items()

    def watch(self, prefix=""):
        """The events of keys with this prefix from now on, as dicts, until the connection ends.

        Needs a connection of its own: no other request can be sent after this.
        """
        self.ask({"op": "watch", "prefix": _key(prefix)})
        self._socket.settimeout(None)
        return self._events()

    def _events(self):
        while True:
            try:
                line = self._input.readline()
            except (OSError, ValueError):
                return
            if not line.endswith(b"\n"):
                return
            yield _decoded(self._address, line)

    def close(self):
        """Closes the connection."""
        self._input.close()
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"<{type(self).__name__} of {self._address}>"


class AsyncNodeClient(_Requests):
    """As `NodeClient`, for asyncio: its requests are awaited, and may be sent by several tasks.

        async with AsyncNodeClient("node1") as node:
            await node.put("x", 5)
            await asyncio.gather(node.get("x"), node.get("y"))
    """

    def __init__(self, data=None, *, control=None, token=None, timeout=30):
        self._address = _Address(data, control, token)
        self._timeout = timeout
        self._waiting = asyncio.Lock()
        self._reader = self._writer = None

    async def connect(self):
        """Opens the connection; `async with` does it, too."""
        address = self._address
        if address.path:
            opening = asyncio.open_unix_connection(address.path, limit=_MAX_LINE * 2)
        else:
            opening = asyncio.open_connection(address.host, address.port, limit=_MAX_LINE * 2)
        try:
            self._reader, self._writer = await asyncio.wait_for(opening, self._timeout)
        except (OSError, asyncio.TimeoutError) as cause:
            raise address.unreachable(cause) from cause
        if address.greeting:
            await self.ask(address.greeting)
        return self

    async def _ask(self, request, pick):
        line = _encoded(request)
        if self._writer is None:
            raise self._address.unreachable("the client is not connected")
        async with self._waiting:
            try:
                self._writer.write(line)
                answer = await asyncio.wait_for(self._reader.readline(), self._timeout)
            except BaseException as cause:
                # A late answer, also after a cancellation, would be taken for that to the next.
                self._writer.close()
                self._writer = None
                if isinstance(cause, (OSError, asyncio.TimeoutError)):
                    raise self._address.broken(str(cause) or "the answer timed out") from cause
                raise
        return pick(_decoded(self._address, answer))

    async def items(self, prefix=""):
        """All keys with this prefix and their values, page by page."""
        start = 0
        while start is not None:
            page, start = await self.page(prefix, start)
            for item in page.items():
                yield item

    async def watch(self, prefix=""):
        """The events of keys with this prefix from now on, as dicts, until the connection ends.

            async for event in await node.watch("x"):
                ...

        Needs a connection of its own: no other request can be sent after this.
        """
        await self.ask({"op": "watch", "prefix": _key(prefix)})
        return self._events()

    async def _events(self):
        while line := await self._reader.readline():
            yield _decoded(self._address, line)

    async def close(self):
        """Closes the connection."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def __aenter__(self):
        return await self.connect()

    async def __aexit__(self, *_):
        await self.close()

    def __repr__(self):
        return f"<{type(self).__name__} of {self._address}>"
