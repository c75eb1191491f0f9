"""Clients of nodes: against a node that answers as docs/node.md says, and a real one if built."""

import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

import pytest
from conftest import ROOT

from atomik import AsyncNodeClient, NodeClient, errors


class Node(threading.Thread):
    """Answers each connection's requests with what `answer` makes of them."""

    def __init__(self, path, answer):
        super().__init__(daemon=True)
        self.requests = []
        self.answer = answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        self.start()

    def run(self):
        while True:
            connection, _ = self.socket.accept()
            # A client may leave before it has read its answer.
            with contextlib.suppress(ConnectionError), connection:
                self.serve(connection)

    def serve(self, connection):
        with connection.makefile("rwb", buffering=0) as stream:
            for line in stream:
                request = json.loads(line)
                self.requests.append(request)
                answer = self.answer(request)
                if answer is None:
                    break
                stream.write(answer)


def echo(request):
    answers = {
        "get": {"value": "0x000f", "writers": []},
        "put": {"batch": 7},
        "read": {"batch": None, "responses": [{"value": "0x0010", "clean": False}]},
        "batch": {"batch": 8, "responses": [None, {"value": "0x1", "clean": True}]},
        "undo": {"batch": 9},
        "status": {"status": {"keys": 1}},
    }
    if request["op"] == "list":
        if request["from"]:
            page = {"keys": [{"key": "b", "value": "0x2"}], "next": None}
        else:
            page = {"keys": [{"key": "a", "value": "0x1"}], "next": 1}
        return json.dumps({"ok": True, **page}).encode() + b"\n"
    if request["op"] not in answers:
        return b'{"ok":false,"error":"no such request: use another"}\n'
    return json.dumps({"ok": True, **answers[request["op"]]}).encode() + b"\n"


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def test_requests_and_answers(folder):
    node = Node(folder / "control.sock", echo)
    with NodeClient(folder) as client:
        assert client.get("x") == 15
        assert client.put("x", 1 << 63) == 7
        assert client.read(b"\xff") == 16
        assert client.batch([("put", "x", [1, -2]), ("read", "x")]) == (8, [None, (1, True)])
        assert client.undo(8) == 9
        assert dict(client.items()) == {"a": 1, "b": 2}
        assert client.status() == {"keys": 1}
        with pytest.raises(errors.RefusedError, match="use another"):
            client.ask({"op": "jump"})
        assert client.get("0xy") == 15
    assert node.requests[:5] == [
        {"op": "get", "key": "x"},
        {"op": "put", "key": "x", "value": "0x8000000000000000"},
        {"op": "read", "key": "0xff"},
        {"op": "batch", "ops": [{"op": "put", "key": "x", "value": [1, -2]},
                                {"op": "read", "key": "x"}]},
        {"op": "undo", "batch": 8},
    ]
    assert node.requests[-1]["key"] == "0x" + b"0xy".hex()


def test_asyncio(folder):
    Node(folder / "control.sock", echo)

    async def work():
        async with AsyncNodeClient(folder) as client:
            answers = await asyncio.gather(*(client.get(f"k{n}") for n in range(20)))
            assert answers == [15] * 20
            assert [item async for item in client.items()] == [("a", 1), ("b", 2)]
            with pytest.raises(errors.RefusedError):
                await client.ask({"op": "jump"})
        with pytest.raises(errors.NodeError, match="not connected"):
            await client.get("x")

    asyncio.run(work())


def test_no_node_and_wrong_ones(folder):
    with pytest.raises(errors.NodeError, match="no node answers at .*control.sock.*start it"):
        NodeClient(folder)
    with pytest.raises(errors.NodeError, match="no node answers"):
        asyncio.run(AsyncNodeClient(folder).connect())
    with pytest.raises(errors.InputError, match="control.token"):
        NodeClient(control="127.0.0.1:1")
    with pytest.raises(errors.InputError, match="either"):
        NodeClient()
    with pytest.raises(errors.InputError, match="ADDRESS:PORT"):
        NodeClient(control="nowhere", token="0")
    with pytest.raises(errors.InputError, match="split it"):
        Node(folder / "control.sock", echo)
        NodeClient(folder).put("x" * (1 << 20), 1)


@pytest.mark.parametrize(
    "answer, message",
    [(b"HTTP/1.1 400\n", "is not a node"), (None, "closed the connection"), (b"", "timed out")],
)
def test_connections_that_break_say_so(folder, answer, message):
    Node(folder / "control.sock", lambda request: answer)
    with pytest.raises(errors.NodeError, match=message), NodeClient(folder, timeout=0.2) as client:
        client.get("x")

    async def ask():
        async with AsyncNodeClient(folder, timeout=0.2) as client:
            await client.get("x")

    with pytest.raises(errors.NodeError, match=message):
        asyncio.run(ask())


def test_a_late_answer_is_not_taken_for_another(folder):
    def slow(request):
        time.sleep(0.3)
        return echo(request)

    Node(folder / "control.sock", slow)
    client = NodeClient(folder, timeout=0.1)
    with pytest.raises(errors.NodeError):
        client.get("x")
    with pytest.raises((errors.NodeError, ValueError)):
        client.read("x")

    async def ask():
        async with AsyncNodeClient(folder, timeout=0.1) as client:
            with pytest.raises(errors.NodeError):
                await client.get("x")
            with pytest.raises(errors.NodeError):
                await client.read("x")

    asyncio.run(ask())


def real_node():
    """The program atomik-node, if it is built."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [target / profile / "atomik-node" for profile in ("release", "debug")]
    return next((str(path) for path in built if path.is_file()), shutil.which("atomik-node"))


@pytest.fixture
def running(folder):
    """The data folder of a node that runs alone."""
    program = real_node()
    if program is None:
        pytest.skip("atomik-node is not built: cargo build -p atomik-node --no-default-features")
    data = folder / "one"
    data.mkdir()
    keygen = [program, "keygen", "-o", data / "node.key"]
    key = subprocess.run(keygen, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([program, "secret", "-o", data / "keyspace.secret"], check=True)
    node = subprocess.Popen(
        [program, "--keyspace=demo", f"--data={data}", "--engine=none", f"--member=one={key}",
         "--layout=xor:48,add:16"],
        stderr=subprocess.PIPE,
    )
    for _ in range(200):
        if (data / "control.sock").exists():
            break
        time.sleep(0.05)
    yield data
    node.terminate()
    node.communicate(timeout=20)


def test_a_real_node(running):
    with NodeClient(running) as client, NodeClient(running) as watching:
        events = watching.watch("x")
        undo = client.put("x", [0xFF, 5])
        client.add("x", -7)
        assert client.get("x") == 0xFFFE0000000000FF
        assert next(events)["event"] == "changed"
        client.undo(undo)
        assert client.get("x") == 0xFFF9 << 48
        assert client.batch([("put", "y", 1), ("read", "y")])[1] == [None, (1, False)]
        assert dict(client.items()) == {"x": 0xFFF9 << 48, "y": 1}
        assert client.status()["keys"] == 2
        with pytest.raises(errors.RefusedError):
            client.toggle("x", 60)

    async def work():
        async with AsyncNodeClient(running) as client:
            async with AsyncNodeClient(running) as watching:
                events = await watching.watch("sum")
                await asyncio.gather(*(client.add("sum", 1) for _ in range(20)))
                assert (await anext(events))["event"] == "changed"
            return await client.get("sum")

    assert asyncio.run(work()) == 20 << 48
