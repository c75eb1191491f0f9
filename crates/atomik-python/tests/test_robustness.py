"""What nobody should do raises an exception: no panic, no crash, no wrong result."""

import copy
import ctypes
import itertools
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import atomik
import atomik_core
from atomik import Accumulator, RegisterFile, Replica, Trace, errors

#: Values that no argument expects.
ODD = [
    None, -1, 1 << 63, 1 << 64, 1 << 512, -(1 << 600), 1.5, float("nan"), "", "0x", "\0", "ü" * 9,
    b"", b"\xff" * 17, [], [1, 2, 3], (), {}, object(), Ellipsis, True, 1j, range(3), "add:0",
    np.float64(1), np.uint64(2**64 - 1), np.int8(-1), np.zeros(3), np.zeros(0, dtype=np.uint64),
    np.zeros((2, 2), dtype=np.uint64), np.zeros(3, dtype=">u8"), np.zeros(3, dtype=np.uint32),
    np.zeros(6, dtype=np.uint64)[::2], np.array(["a"], dtype=object), memoryview(b"12345678"),
]  # fmt: skip


class Index:
    """An integer whose conversion fails."""

    def __index__(self):
        raise RuntimeError("no integer")


def makers():
    """Fresh objects with methods, by name."""
    secret, key = b"s" * 32, b"k" * 32
    members = [Replica.public_key(key)]
    yield "RegisterFile", lambda: RegisterFile("xor:48,add:16", 8, 2)
    yield "RegisterFile of 512", lambda: RegisterFile(512, 4)
    yield "Accumulator", lambda: Accumulator(48)
    yield "Trace", lambda: Trace.random(10, depth=16)
    yield "Replica", lambda: Replica(
        "k", secret=secret, key=key, members=members, incarnation=b"i" * 16
    )
    yield "AtomikContext", lambda: atomik_core.AtomikContext(48)
    yield "wide AtomikContext", lambda: atomik_core.AtomikContext(100)
    yield "AtomikTable", lambda: atomik_core.AtomikTable(4, 48)
    yield "DeltaStream", lambda: atomik_core.DeltaStream(48)
    yield "SyncTable", lambda: atomik_core.SyncTable(4, 48)
    yield "Fingerprint", lambda: atomik_core.Fingerprint(48)
    yield "DeltaMessage", lambda: atomik_core.DeltaMessage(1, 2, 3, 4)


def refused(call, *arguments):
    """Calls; an exception is an answer, a panic is none."""
    try:
        return call(*arguments)
    except Exception:  # PanicException of PyO3 is no Exception
        return None


@pytest.mark.parametrize("name, make", list(makers()), ids=[name for name, _ in makers()])
def test_no_argument_of_a_method_panics(name, make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for what is saved under an odd name
    methods = [
        method
        for method in dir(make())
        if callable(getattr(make(), method))
        and method != "random"  # does as it is told, for 2^63 commands, too
        and (not method.startswith("_") or method in ("_restored", "__setstate__", "__getitem__"))
    ]
    assert methods
    values = [*ODD, Index(), 0, 1, 2, 3, make()]
    choice = random.Random(name)
    for method in methods:
        thing = make()
        refused(getattr(thing, method))
        for value in values:
            refused(getattr(thing, method), value)
        for _ in range(100):
            # Mostly two, and every value in every place.
            count = choice.choice((2, 2, 3))
            refused(getattr(thing, method), *choice.choices(values, k=count))
        # It still works.
        assert repr(thing)


@pytest.mark.parametrize(
    "call",
    [
        RegisterFile, Accumulator, Replica, Trace, Trace.from_text, Trace.from_commands,
        Trace.from_columns, atomik.fit, atomik.diff, atomik.generate,
        atomik_core.AtomikContext, atomik_core.AtomikTable, atomik_core.DeltaStream,
        atomik_core.SyncTable, atomik_core.Fingerprint, atomik_core.PersistentSyncTable,
        atomik_core.DeltaMessage, atomik_core.DeltaMessage.from_bytes,
        atomik_core.DeltaMessage.from_dict, atomik_core.AtomikContext.from_snapshot,
        atomik_core.SyncTable.from_snapshot,
    ],
    ids=lambda call: call.__qualname__,
)  # fmt: skip
def test_no_argument_of_a_constructor_panics(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values, choice = [*ODD, Index(), 1], random.Random(call.__qualname__)
    for value in values:
        refused(call, value)
    for _ in range(150):
        refused(call, *choice.choices(values, k=choice.choice((2, 3, 4))))


def test_what_does_not_fit_into_memory_is_refused():
    with pytest.raises((errors.AtomikError, MemoryError, OverflowError)):
        RegisterFile(512, depth=1 << 62)
    with pytest.raises((errors.AtomikError, MemoryError, OverflowError)):
        atomik_core.AtomikTable(1 << 45)
    with pytest.raises((MemoryError, OverflowError)):
        atomik_core.AtomikContext(1 << 62)
    wide = atomik_core.Fingerprint(8 << 30)  # one chunk of 8 GiB
    assert wide.load(b"\x01\x02") == 0x0201


def test_counters_at_their_end():
    context = atomik_core.AtomikContext.from_snapshot(
        {"width": 8, "reference": 1, "accumulator": 2, "delta_count": 2**64 - 1}
    )
    other = copy.copy(context)
    context.accum(4)
    context.merge(other)
    assert context.read() == 1 ^ 4
    stream = atomik_core.DeltaStream()
    origin = atomik_core.DeltaStream().origin
    last = atomik_core.DeltaMessage(0, 5, 0, 2**64 - 1, origin=origin)
    assert stream.apply(last) and not stream.apply(last)
    assert stream.apply(atomik_core.DeltaMessage(0, 6, 0, 2**64 - 2, origin=origin))
    assert not stream.apply(last)
    assert stream.read(0) == 5 ^ 6


def test_arrays_of_another_byte_order_or_alignment_are_refused():
    file = RegisterFile(64, 8)
    swapped = np.arange(4).astype(">i8")
    unaligned = np.frombuffer(bytes(33), dtype=np.uint64, offset=1)
    good = np.arange(4)
    for addrs, words in (
        (swapped, np.arange(4, dtype=np.uint64)),
        (good, np.arange(4).astype(">u8")),
        (good, unaligned),
        (unaligned, np.arange(4, dtype=np.uint64)),
        (good, np.arange(4)),  # signed words
        (good, np.arange(4.0)),
    ):
        with pytest.raises((TypeError, errors.InputError)):
            file.accum(addrs, words)
    assert not any(file)


def test_an_output_that_overlaps_the_addresses_is_refused():
    file = RegisterFile(128, 8)
    file.load(np.arange(8), np.arange(16, dtype=np.uint64).reshape(8, 2))
    memory = np.arange(16, dtype=np.uint64) % 8
    with pytest.raises(errors.InputError, match="overlap"):
        file.read(memory[:8], out=memory.reshape(8, 2))
    assert (memory == np.arange(16) % 8).all()
    narrow = RegisterFile(64, 8)
    with pytest.raises(errors.InputError, match="overlap"):
        narrow.read(memory[1:8], out=memory[:7])


def test_an_array_in_use_can_neither_be_resized_nor_freed():
    file = RegisterFile("add:64", 1 << 10)
    count = 1 << 20
    stop, refusals = threading.Event(), []
    memory = bytearray(8 * count)
    words = np.ones(count, dtype=np.uint64)

    def resize():
        while not stop.is_set():
            try:
                memory.extend(b"12345678")
                del memory[-8:]
            except BufferError as error:
                refusals.append(error)

    thread = threading.Thread(target=resize)
    thread.start()
    try:
        for _ in range(40):
            try:
                file.accum(memoryview(memory).cast("Q")[:count], words)
            except errors.InputError:
                pass  # the addresses had one more
    finally:
        stop.set()
        thread.join()
    assert refusals
    # The only name of an array that is in use goes away meanwhile.
    held = [np.zeros(count, dtype=np.int64)]
    threads = [threading.Thread(target=lambda: file.accum(held[0], words)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    held.clear()


def test_addresses_that_change_while_they_are_read_do_no_harm():
    file, count = RegisterFile("xor:48,add:16", 256), 1 << 16
    addrs = np.zeros(count, dtype=np.uint64)
    words = np.ones(count, dtype=np.uint64)
    out = np.zeros(count, dtype=np.uint64)
    stop = threading.Event()

    def scribble():
        noise = np.random.default_rng(1)
        while not stop.is_set():
            addrs[:] = noise.integers(0, 1 << 64, count, dtype=np.uint64)
            words[:] = noise.integers(0, 1 << 64, count, dtype=np.uint64)
            addrs[:] = 3
            words[:] = 1

    thread = threading.Thread(target=scribble)
    thread.start()
    try:
        for _ in range(200):
            for call in (
                lambda: file.accum(addrs, words),
                lambda: file.rollback(addrs, words),
                lambda: file.load(addrs, words),
                lambda: file.read(addrs, out),
                lambda: file.delta(addrs, out),
                lambda: file.reference(addrs, out),
            ):
                refused(call)
    finally:
        stop.set()
        thread.join()
    assert len(list(file)) == 256


def test_threads_that_share_one_object():
    stream, table = atomik_core.DeltaStream(), atomik_core.AtomikTable(4)
    file = RegisterFile("add:64", 4)
    messages = []

    def work():
        for _ in range(5_000):
            messages.append(stream.accum(0, 1))
            table.accum(1, 3)
            file.accum(2, 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read(2) == 20_000 and table.read(1) == 0
    assert len({message.seq for message in messages}) == 20_000


def test_an_index_that_comes_back_to_its_object():
    """`__index__` is called while no object is locked or half changed."""
    for make in (
        lambda: RegisterFile(128, 4),
        atomik_core.DeltaStream,
        lambda: atomik_core.DeltaStream(100),
        lambda: atomik_core.AtomikTable(4, 100),
        lambda: atomik_core.SyncTable(4),
    ):
        thing = make()
        change = getattr(thing, "accum", None) or thing.put
        read = getattr(thing, "read", None) or thing.get

        class Comes:
            def __index__(self, change=change):
                change(1, 1)
                return 2

            def __and__(self, mask):
                return self.__index__() & mask

        change(0, Comes())
        assert (read(0), read(1)) == (2, 1), thing
    with pytest.raises(RuntimeError, match="no integer"):
        RegisterFile(64, 4).accum(0, Index())


def test_pickles_of_other_versions():
    """What another version might have written: fewer, more or other parts."""
    things = [
        RegisterFile("xor:48,add:16", 4),
        Accumulator(48, 5),
        atomik_core.AtomikContext(48, 5),
        atomik_core.AtomikTable(4, 48),
        atomik_core.DeltaStream().accum(1, 5),
        atomik_core.SyncTable(4).put(1, 5),
    ]
    for thing in things:
        restored, parts = thing.__reduce__()[:2]
        assert repr(restored(*parts)) == repr(thing)
        for at in range(len(parts)):
            with pytest.raises((TypeError, ValueError, KeyError, AttributeError)):
                raise_if_unusable(restored(*parts[:at], object(), *parts[at + 1 :]))
        with pytest.raises(TypeError):
            restored(*parts, 1)
        with pytest.raises(TypeError):
            restored()
    file = things[0].__reduce__()
    for bad in (("xor:48,add:16", 4, 1, b"1" * 31, b"1" * 32), ("xor:9", 4, 1, b"\xff" * 32) * 2):
        with pytest.raises((TypeError, errors.InputError)):
            file[0](*bad[:5])
    table = atomik_core.AtomikTable(2).__reduce__()[0]
    with pytest.raises(ValueError):
        table(64, [])
    with pytest.raises(ValueError):
        table(64, [atomik_core.AtomikContext(8)])
    data = pickle.dumps(RegisterFile(8, 2))
    for end in range(len(data)):
        with pytest.raises((pickle.UnpicklingError, EOFError, ValueError, IndexError)):
            pickle.loads(data[:end])


def raise_if_unusable(thing):
    """A part of the wrong type may be noticed only when it is used."""
    if isinstance(thing, atomik_core.DeltaMessage):
        table = atomik_core.SyncTable(4)
        table.receive(thing)
        if thing.put is not None:
            raise TypeError("nothing is wrong with it")
        raise TypeError("the put is missing, so the delta counts")


def test_a_copy_is_another_sender():
    """Messages of a table and of its copy are not taken for duplicates of each other."""
    for make in (copy.copy, copy.deepcopy, lambda table: pickle.loads(pickle.dumps(table))):
        table, receiver = atomik_core.SyncTable(4), atomik_core.SyncTable(4)
        table.put(0, 1)
        other = make(table)
        receiver.receive(table.put(1, 5))
        receiver.receive(other.put(2, 6))
        table.receive(other.put(3, 7))
        assert (receiver.get(1), receiver.get(2), table.get(3)) == (5, 6, 7)
        assert (table.get(2), other.get(0), other.get(1)) == (0, 1, 0)
    with pytest.raises(TypeError):
        copy.copy(atomik_core.DeltaStream())


FORK = """
import os, pickle, sys
import atomik_core

streams = [atomik_core.DeltaStream(), atomik_core.SyncTable(4)]
receivers = [atomik_core.DeltaStream(), atomik_core.SyncTable(4)]
read, write = os.pipe()
child = os.fork()
streams += [atomik_core.DeltaStream(), atomik_core.SyncTable(4)]
receivers += [atomik_core.DeltaStream(), atomik_core.SyncTable(4)]
addr = 0 if child else 1
messages = [getattr(s, "accum", None) or s.put for s in streams]
messages = [change(addr, 5) for change in messages]
if not child:
    os.write(write, pickle.dumps(messages))
    os._exit(0)
theirs = pickle.loads(os.read(read, 65536))
os.waitpid(child, 0)
for receiver, ours, other in zip(receivers, messages, theirs):
    take = getattr(receiver, "apply", None) or receiver.receive
    get = getattr(receiver, "read", None) or receiver.get
    take(ours), take(other), take(other)
    assert (get(0), get(1)) == (5, 5), receiver
for stream, other in zip(streams, theirs):
    (getattr(stream, "apply", None) or stream.receive)(other)
    assert (getattr(stream, "read", None) or stream.get)(1) == 5, stream
print("forked")
"""


def test_a_forked_process_is_another_sender():
    ran = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60)
    assert ran.stdout == "forked\n", ran.stderr


def test_a_subinterpreter_gets_an_import_error():
    program = (
        "import atomik, _xxsubinterpreters as interpreters\n"
        "other = interpreters.create()\n"
        "try:\n"
        "    interpreters.run_string(other, 'import atomik')\n"
        "except Exception as error:\n"
        "    print('ImportError' in str(error))\n"
        "print(atomik.RegisterFile(8, 2).read(0))\n"
    )
    if sys.version_info >= (3, 13):
        pytest.skip("the module of Python 3.11 and 3.12")
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.returncode) == ("True\n0\n", 0), ran.stderr


INTERRUPTED = """
import sys
import atomik

work = {
    "random": lambda: atomik.Trace.random(10**12),
    "fit": lambda: atomik.fit(sys.argv[2]),
}[sys.argv[1]]
print("ready", flush=True)
try:
    work()
    print("came to its end")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("what", ["random", "fit"])
def test_what_takes_long_ends_at_an_interrupt(what, tmp_path):
    file = tmp_path / "long.jsonl"
    if what == "fit":
        os.mkfifo(file)
    ran = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, what, file], stdout=subprocess.PIPE, text=True
    )
    try:
        assert ran.stdout.readline() == "ready\n"
        if file.exists():
            line = '{"t":%d,"node":0,"key":"k","op":"set","value":1}\n'
            feeder = threading.Thread(target=feed, args=(file, line), daemon=True)
            feeder.start()
        time.sleep(0.5)
        ran.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert ran.stdout.readline() == "interrupted\n"
        assert ran.wait(20) == 0
        assert time.monotonic() - start < 5
    finally:
        ran.kill()
        ran.wait()


def feed(fifo, line):
    """Writes lines without end, until nobody reads."""
    try:
        with open(fifo, "w", encoding="ascii") as out:
            for at in itertools.count():
                out.write(line % at)
    except BrokenPipeError:
        pass


@pytest.fixture
def log(tmp_path):
    """A log with a loaded value and some changes."""
    path = tmp_path / "state.wal"
    with atomik_core.PersistentSyncTable(8, path) as table:
        for at in range(6):
            table.put(at % 3, at * 0x0101_0101_0101)
        table.compact()
        for at in range(4):
            table.put(at, 9 * at)
    return path


def test_a_log_that_is_cut_short_anywhere(log, tmp_path):
    data = log.read_bytes()
    for end in range(len(data)):
        path = tmp_path / "cut.wal"
        path.write_bytes(data[:end])
        with atomik_core.PersistentSyncTable(8, path) as table:
            table.put(7, end)
            kept = table.snapshot()
        assert path.stat().st_size % 16 == 0
        with atomik_core.PersistentSyncTable(8, path) as table:
            assert table.snapshot() == kept


def test_a_log_that_is_no_log(tmp_path):
    path = tmp_path / "state.wal"
    path.write_bytes(b"this is a text and not a log at all")
    with pytest.raises(IndexError, match="record 1 has address"):
        atomik_core.PersistentSyncTable(8, path)
    assert path.read_bytes() == b"this is a text and not a log at all"
    with pytest.raises(OSError):
        atomik_core.PersistentSyncTable(8, tmp_path)
    with pytest.raises(OSError):
        atomik_core.PersistentSyncTable(8, tmp_path / "missing" / "state.wal")


def test_a_put_that_is_interrupted_anywhere(log):
    """Log and table agree afterwards, wherever in `put` the exception arrives."""
    interrupt = ctypes.pythonapi.PyThreadState_SetAsyncExc
    assert interrupt.argtypes is None
    finished = False
    steps = 0
    while not finished:
        steps += 1
        with atomik_core.PersistentSyncTable(8, log) as table:
            seen = 0

            def trace(frame, event, argument, steps=steps):
                nonlocal seen
                if "atomik_core" not in frame.f_code.co_filename:
                    return None
                frame.f_trace_opcodes = True
                if event == "opcode":
                    seen += 1
                    if seen == steps:
                        raise KeyboardInterrupt
                return trace

            sys.settrace(trace)
            try:
                table.put(1, 1000 + steps)
                finished = True
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(None)
            table.put(2, steps)
            kept = table.snapshot()
            assert kept[2] == steps
        with atomik_core.PersistentSyncTable(8, log) as table:
            assert table.snapshot() == kept, steps
    assert steps > 50
