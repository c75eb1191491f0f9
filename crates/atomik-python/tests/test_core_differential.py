"""`atomik_core` against the package atomik-core 0.4.0 itself, over random programs."""

import asyncio
import os
import struct
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomik_core as ours

WIDTHS = st.sampled_from([1, 3, 8, 12, 16, 32, 64, 65, 128, 1024])
#: Also those that do not fit the width, and are masked.
VALUES = st.one_of(
    st.integers(0, 255), st.integers(0, (1 << 64) - 1), st.integers(-(1 << 70), 1 << 130)
)
ADDRS = st.integers(-1, 8)


def outcome(call):
    """What a call returns, or the kind of its error, in a form that both packages share."""
    try:
        return plain(call())
    except (IndexError, KeyError, TypeError, ValueError) as error:
        kinds = (IndexError, KeyError, TypeError, ValueError)
        return next(kind.__name__ for kind in kinds if isinstance(error, kind))


def plain(value):
    """Objects of either package as values that can be compared."""
    if hasattr(value, "seq"):
        return ("message", value.addr, value.delta, value.epoch, value.seq)
    if hasattr(value, "delta_count"):
        return ("context", repr(value), value.snapshot())
    if isinstance(value, (list, tuple)) or hasattr(value, "__next__"):
        return [plain(item) for item in value]
    return value


def check(original, program):
    """Runs a program, a function of the package, on both; all it yields must be the same."""
    theirs, mine = program(original), program(ours)
    for step, (expected, found) in enumerate(zip(theirs, mine, strict=True)):
        assert expected == found, f"step {step}"


@given(
    WIDTHS,
    VALUES,
    st.lists(
        st.tuples(
            st.sampled_from(["load", "accum", "rollback", "swap", "swap_to", "exit", "merge"]),
            VALUES,
        ),
        max_size=20,
    ),
)
def test_contexts(original, width, initial, calls):
    def program(core):
        context = core.AtomikContext(width, initial)
        for call, value in calls:
            if call == "swap":
                yield context.swap()
            elif call == "swap_to":
                yield context.swap(value)
            elif call == "exit":
                with context as same:
                    same.accum(value)
            elif call == "merge":
                # Of unequal references, the original merges what does not belong together.
                other = core.AtomikContext(width, context.reference)
                other.accum(value)
                context.merge(other)
            else:
                getattr(context, call)(value)
            yield repr(context), context.snapshot(), context.is_clean, context.delta_count
            again = core.AtomikContext.from_snapshot(context.snapshot())
            yield again == context, again == context.read(), plain(again)

    check(original, program)


@given(
    st.sampled_from([1, 8, 64, 128]),
    st.integers(1, 6),
    st.lists(
        st.tuples(st.sampled_from(["load", "accum", "read", "swap", "swap_to"]), ADDRS, VALUES),
        max_size=25,
    ),
)
def test_tables(original, width, count, calls):
    def program(core):
        table = core.AtomikTable(count, width)
        for call, addr, value in calls:
            arguments = {"read": (addr,), "swap": (addr,)}.get(call, (addr, value))
            method = getattr(table, "swap" if call == "swap_to" else call)
            yield outcome(lambda: method(*arguments))
            yield outcome(lambda: table.context(addr))
            yield repr(table), table.snapshot(), table.num_contexts, table.width
        valid = {addr: value for _, addr, value in calls if 0 <= addr < count}
        table.batch_accum(valid)
        yield table.snapshot()

    check(original, program)


@given(
    st.sampled_from([8, 16, 64]),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 255)), min_size=1, max_size=20),
    st.permutations(range(20)),
    st.booleans(),
)
def test_streams_that_load_alike_and_get_every_message_once(original, width, deltas, order, wire):
    def program(core):
        sender, receiver = core.DeltaStream(width), core.DeltaStream(width)
        for addr in range(4):
            sender.load(addr, 0x1234 + addr)
            receiver.load(addr, 0x1234 + addr)
        sent = [sender.accum(addr, delta) for addr, delta in deltas]
        yield plain(sent)
        pending = sender.pending()
        yield plain(pending), sender.pending()
        for at in order:
            if at < len(pending):
                message = pending[at]
                yield message.to_bytes(), message.to_dict()
                if wire:
                    message = core.DeltaMessage.from_bytes(message.to_bytes())
                receiver.apply(message)
                yield [receiver.read(addr) for addr in range(5)]
        yield [sender.read(addr) for addr in range(5)]
        if len(pending) == len(deltas):
            yield plain(sender.contexts())

    check(original, program)


@given(
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 32) - 1),
    st.binary(max_size=20),
)
def test_messages_and_their_16_bytes(original, addr, delta, seq, data):
    def program(core):
        message = core.DeltaMessage(addr, delta, seq=seq)
        yield plain(message), repr(message), message.to_bytes(), message.to_dict()
        yield message == core.DeltaMessage(addr, delta, 0, seq), message == 5
        yield message == core.DeltaMessage(addr, delta, 1, seq)
        yield hash(message) == hash(core.DeltaMessage(addr, delta, 0, seq))
        yield plain(core.DeltaMessage.from_bytes(message.to_bytes()))
        yield plain(core.DeltaMessage.from_dict(message.to_dict()))
        yield outcome(lambda: core.DeltaMessage.from_bytes(data))
        yield outcome(lambda: core.DeltaMessage.from_dict({"addr": addr}))

    check(original, program)


@given(
    st.sampled_from([8, 12, 16, 24, 64, 128]),
    st.binary(max_size=40),
    st.lists(st.one_of(st.binary(max_size=40), st.tuples(VALUES, VALUES)), max_size=6),
)
def test_fingerprints(original, width, data, updates):
    def program(core):
        print_ = core.Fingerprint(width)
        yield print_.load(data), repr(print_)
        for update in updates:
            if isinstance(update, tuple):
                print_.accumulate_delta(*update)
            else:
                yield print_.update(bytearray(update))
            yield print_.value, print_.delta, print_.changed, repr(print_)
        print_.reset()
        yield print_.value, print_.delta, print_.changed

    check(original, program)


PUTS = st.lists(st.tuples(st.integers(0, 2), ADDRS, st.integers(0, 300)), max_size=20)


@given(st.sampled_from([8, 64]), PUTS)
def test_tables_that_are_in_sync_before_each_put(original, width, puts):
    def program(core):
        hub, tables = core.MemoryTransport(), [core.SyncTable(6, width) for _ in range(3)]
        for table in tables:
            hub.connect(table)
        yield hub.peer_count
        for who, addr, value in puts:
            # The original's message has the delta before it is masked; ours is masked.
            yield outcome(lambda: tables[who].put(addr, value & (1 << width) - 1))
            yield [table.snapshot() for table in tables], tables[0].diff(tables[1])
            yield repr(tables[who]), len(tables[who]), list(tables[who]), addr in tables[who]
        again = core.SyncTable.from_snapshot(tables[0].snapshot(), width)
        yield again.snapshot(), again.diff(tables[0])
        hub.disconnect(tables[2])
        yield hub.peer_count, outcome(lambda: hub.disconnect(tables[2]))
        tables[0].put(1, 77)
        yield tables[1].get(1), tables[2].get(1)

    check(original, program)


@given(PUTS)
def test_bytes_through_callbacks(original, puts):
    def program(core):
        a, b = core.SyncTable(6), core.SyncTable(6)
        sent = []
        core.CallbackTransport(a, send_fn=sent.append)
        receiver = core.CallbackTransport(b)
        for _, addr, value in puts:
            yield outcome(lambda: a.put(addr, value))
        yield sent
        for data in sent:
            receiver.receive_bytes(data)
        yield b.snapshot()

    check(original, program)


@given(PUTS)
def test_asyncio(original, puts):
    def program(core):
        sent = []

        async def send(data):
            sent.append(data)

        table, plain_table = core.AsyncSyncTable(6, send_fn=send), core.SyncTable(6)
        queue = core.AsyncCallbackTransport(plain_table, send_fn=send)
        other = core.AsyncSyncTable(6)
        for _, addr, value in puts:
            yield outcome(lambda: asyncio.run(table.put(addr, value)))
            yield outcome(lambda: plain_table.put(addr, value))
        yield repr(table), table.snapshot(), table.num_contexts, table.width
        for data in sent:
            other.receive_bytes(data)
        yield other.snapshot(), other.diff(table), queue.pending_count
        yield asyncio.run(queue.send_pending()), queue.pending_count, sent

    check(original, program)


@given(PUTS, PUTS)
def test_logs_are_read_by_either_package(original, first, second):
    with tempfile.TemporaryDirectory() as folder:
        for name, writer, reader in (("a", original, ours), ("b", ours, original)):
            path = os.path.join(folder, name)
            with writer.PersistentSyncTable(6, path) as table:
                for _, addr, value in first:
                    outcome(lambda: table.put(addr, value))
                table.compact()
                for _, addr, value in second:
                    outcome(lambda: table.put(addr, value))
                expected = table.snapshot()
            with reader.PersistentSyncTable(6, path) as table:
                assert table.snapshot() == expected


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 300), st.sampled_from([0, 1, 7, 0xFFFFFFFF])),
        max_size=12,
    )
)
def test_any_log_is_read_alike(original, records):
    """Also logs in which a value is loaded after deltas, which neither package writes."""

    def program(core):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            with open(path, "wb") as log:
                for addr, delta, seq in records:
                    log.write(struct.pack("!IQI", addr, delta, seq))
            with core.PersistentSyncTable(6, path) as table:
                yield table.snapshot()

    check(original, program)


@given(PUTS)
def test_logs_have_the_same_bytes(original, puts):
    def program(core):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "log")
            called = []
            with core.PersistentSyncTable(6, path, on_delta=called.append) as table:
                for _, addr, value in puts:
                    yield outcome(lambda: table.put(addr, value))
                yield plain(called), table.snapshot(), len(table), 3 in table
                with open(path, "rb") as file:
                    yield file.read()
            yield outcome(lambda: table.put(0, table.get(0) ^ 1))

    check(original, program)


def test_the_comparison_notices_a_difference(original):
    def program(core):
        yield core.__name__ and core.AtomikContext is ours.AtomikContext

    with pytest.raises(AssertionError, match="step 0"):
        check(original, program)
