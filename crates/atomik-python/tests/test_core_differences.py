"""Where `atomik_core` differs from atomik-core 0.4.0 on purpose: each with what the original does.

docs/python.md lists these; a test here checks that the table has a row for each.
"""

import asyncio
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

import atomik_core as ours
from atomik import errors

DIFFERENCES = []


def difference(test):
    """Marks the test of a row of the table in the documentation."""
    DIFFERENCES.append(test.__name__.removeprefix("test_"))
    return test


def two_streams(core, value=0):
    streams = core.DeltaStream(), core.DeltaStream()
    for stream in streams:
        stream.load(0, value)
    return streams


@difference
def test_merge_of_unequal_references(original):
    def merged(core):
        a, b = core.AtomikContext(8, 4), core.AtomikContext(8, 9)
        a.accum(1)
        b.accum(16)
        a.merge(b)
        return a.read()

    assert merged(original) == 0x15
    with pytest.raises(errors.MergeError, match="the references differ"):
        merged(ours)
    with pytest.raises(errors.MergeError, match="both need the same width"):
        ours.AtomikContext(8).merge(ours.AtomikContext(16))


@difference
def test_duplicate_message(original):
    def after_two(core):
        a, b = two_streams(core)
        message = a.accum(0, 5)
        b.apply(message)
        b.apply(message)
        return b.read(0)

    assert after_two(original) == 0
    assert after_two(ours) == 5


@difference
def test_own_message_that_comes_back(original):
    def after_echo(core):
        a, _ = two_streams(core)
        a.apply(a.accum(0, 5))
        return a.read(0)

    assert after_echo(original) == 0
    assert after_echo(ours) == 5


@difference
def test_duplicate_bytes(original):
    def after_two(core):
        a, b = two_streams(core)
        data = a.accum(0, 5).to_bytes()
        for _ in range(2):
            b.apply(core.DeltaMessage.from_bytes(data))
        return b.read(0)

    assert after_two(original) == 0
    with pytest.raises(errors.MergeError, match="say whose it is"):
        after_two(ours)
    # Who knows the sender may say so.
    a, b = two_streams(ours)
    data = a.accum(0, 5).to_bytes()
    for origin in (a.origin, a.origin, ours.DeltaStream().origin):
        b.apply(ours.DeltaMessage.from_bytes(data, origin=origin))
    assert b.read(0) == 0


@difference
def test_stale_message_after_a_load(original):
    def after_stale(core):
        a, b = two_streams(core)
        late = a.accum(0, 5)
        for stream in (a, b):
            stream.load(0, 0x100)
        b.apply(late)
        return b.read(0)

    assert after_stale(original) == 0x105
    assert after_stale(ours) == 0x100


@difference
def test_bytes_after_a_second_load(original):
    def after_stale(core, **of_load):
        a, b = two_streams(core)
        late = a.accum(0, 5).to_bytes()
        b.load(0, 0x100)
        b.apply(core.DeltaMessage.from_bytes(late, **of_load))
        return b.read(0)

    assert after_stale(original) == 0x105
    with pytest.raises(errors.MergeError, match="does not say of which load"):
        after_stale(ours)
    assert after_stale(ours, generation=1) == 0x100


@difference
def test_message_of_a_load_that_is_missing(original):
    def ahead(core):
        a, b = two_streams(core)
        a.load(0, 0x100)
        b.apply(a.accum(0, 5))
        return a.read(0), b.read(0)

    assert ahead(original) == (0x105, 5)
    with pytest.raises(errors.MergeError, match="load it here as there"):
        ahead(ours)


@difference
def test_concurrent_puts(original):
    def both(core):
        a, b = core.SyncTable(4), core.SyncTable(4)
        of_a, of_b = a.put(0, 5), b.put(0, 3)
        a.receive(of_b)
        b.receive(of_a)
        return a.get(0), b.get(0)

    assert both(original) == (6, 6)
    assert both(ours) in ((5, 5), (3, 3))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 9)), max_size=9),
    st.randoms(use_true_random=False),
    st.permutations(range(3)),
)
def test_tables_agree_after_any_delivery(puts, random, ranks):
    tables = [ours.SyncTable(2) for _ in range(3)]
    # The higher number wins, so their order must be the same when a case is repeated.
    tables.sort(key=lambda table: table.origin)
    tables = [tables[rank] for rank in ranks]
    sent = []
    for who, addr, value in puts:
        message = tables[who].put(addr, value)
        if message.delta:
            sent.append(message)
        if sent and random.random() < 0.5:
            tables[random.randrange(3)].receive(random.choice(sent))
    for table in tables:
        for message in random.sample(sent * 2, len(sent) * 2):
            table.receive(pickle.loads(pickle.dumps(message)))
    assert tables[0].snapshot() == tables[1].snapshot() == tables[2].snapshot()
    written = {addr: {0} | {value for _, at, value in puts if at == addr} for addr in (0, 1)}
    for addr, value in tables[0].snapshot().items():
        assert value in written[addr]


@difference
def test_torn_tail_of_a_log(original, tmp_path):
    def reopened(core, path):
        with core.PersistentSyncTable(4, path) as table:
            table.put(0, 6)
        with open(path, "ab") as log:
            log.write(b"12345")
        with core.PersistentSyncTable(4, path) as table:
            table.put(3, 1)
        return core.PersistentSyncTable(4, path).snapshot()

    with pytest.raises(IndexError):
        reopened(original, tmp_path / "a")
    assert reopened(ours, tmp_path / "b") == {0: 6, 1: 0, 2: 0, 3: 1}


@difference
def test_numbers_after_a_restart(original, tmp_path):
    def numbers(core, path):
        seqs = []
        for value in (1, 2, 3):
            with core.PersistentSyncTable(4, path) as table:
                seqs.append(table.put(0, value).seq)
                table.compact()
        return seqs

    assert numbers(original, tmp_path / "a") == [1, 2, 2]
    assert numbers(ours, tmp_path / "b") == [1, 2, 3]


@difference
def test_change_that_cannot_be_logged(original, tmp_path):
    def refused(core, path):
        table = core.PersistentSyncTable(4, path)
        table.close()
        with pytest.raises(ValueError):
            table.put(0, 5)
        return table.get(0)

    assert refused(original, tmp_path / "a") == 5
    assert refused(ours, tmp_path / "b") == 0


@difference
def test_wide_values_in_a_log(original, tmp_path):
    table = original.PersistentSyncTable(4, tmp_path / "a", width=128)
    with pytest.raises(struct.error):
        table.put(0, 1 << 100)
    assert table.get(0) == 1 << 100
    with pytest.raises(errors.DataError, match="choose a width of up to 64"):
        ours.PersistentSyncTable(4, tmp_path / "b", width=128)


@difference
def test_deltas_are_masked(original):
    assert original.DeltaStream(8).accum(0, -1).delta == -1
    assert ours.DeltaStream(8).accum(0, -1).delta == 0xFF
    assert original.SyncTable(4, 8).put(0, 0x1FF).delta == 0x1FF
    assert ours.SyncTable(4, 8).put(0, 0x1FF).delta == 0xFF


@difference
def test_messages_that_do_not_fit(original):
    message = original.DeltaMessage(-1, -1)
    with pytest.raises(struct.error):
        message.to_bytes()
    with pytest.raises(errors.AddressError):
        ours.DeltaMessage(-1, 1)
    with pytest.raises(errors.DataError, match="mask it"):
        ours.DeltaMessage(1, -1)
    with pytest.raises(errors.DataError, match="16 bytes"):
        ours.DeltaMessage(1, 1 << 64).to_bytes()
    with pytest.raises(errors.AddressError):
        ours.DeltaStream().accum(-1, 1)


@difference
def test_batch_with_a_bad_entry(original):
    def partial(core):
        table = core.AtomikTable(4)
        with pytest.raises(IndexError):
            table.batch_accum({0: 1, 9: 1})
        return table.read(0)

    assert partial(original) == 1
    assert partial(ours) == 0


@difference
def test_fingerprint_of_less_than_a_byte(original, tmp_path):
    # The original accepts the width, and never comes back from `load`.
    assert original.Fingerprint(4).value == 0
    hangs = "import atomik_core; atomik_core.Fingerprint(4).load(b'ab')"
    env = {"PYTHONPATH": os.environ["ATOMIK_CORE"]}
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", hangs], timeout=3, env=env, cwd=tmp_path)
    with pytest.raises(ValueError, match="choose 8 or more"):
        ours.Fingerprint(4)


@difference
def test_stream_of_width_0(original):
    original.DeltaStream(0)
    with pytest.raises(ValueError, match="choose 1 or more"):
        ours.DeltaStream(0)


@difference
def test_callback_that_cannot_be_called(original):
    original.SyncTable(4).on_delta(5)
    with pytest.raises(TypeError, match="takes a function"):
        ours.SyncTable(4).on_delta(5)


@difference
def test_table_connected_twice(original):
    def peers(core):
        hub, table = core.MemoryTransport(), core.SyncTable(4)
        hub.connect(table)
        hub.connect(table)
        return hub.peer_count

    assert peers(original) == 2
    assert peers(ours) == 1


@difference
def test_async_put_that_cannot_be_sent(original):
    async def send(data):
        raise OSError("down")

    def kept(core):
        queue_of = core.SyncTable(4)
        queue = core.AsyncCallbackTransport(queue_of, send_fn=send)
        queue_of.put(0, 5)
        with pytest.raises(OSError):
            asyncio.run(queue.send_pending())
        return queue.pending_count

    assert kept(original) == 0
    assert kept(ours) == 1


@difference
def test_device_bindings_and_benchmarks(original):
    for name in ("DeviceContext", "DeviceTable", "bench_throughput"):
        assert hasattr(original, name)
        with pytest.raises(AttributeError, match="leaves out"):
            getattr(ours, name)
    assert set(original.__all__) - set(ours.__all__) == set(ours._LEFT_OUT)


def test_the_documentation_lists_every_difference():
    text = (ROOT / "docs" / "python.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", text, re.M)
    assert rows == DIFFERENCES


def test_both_installed_is_said_at_import(tmp_path):
    """The package beside the wheel, and the package over it."""
    beside = tmp_path / "beside"
    info = beside / "atomik_core-0.4.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: atomik-core\nVersion: 0.4.0\n")
    over = tmp_path / "over"
    shutil.copytree(os.environ["ATOMIK_CORE"] + "/atomik_core", over / "atomik_core")
    for folder, module, said in (
        (beside, "atomik_core", "atomik-core 0.4.0 is installed beside"),
        (over, "atomik", "was installed over it"),
        (tmp_path, "atomik_core", ""),
    ):
        ran = subprocess.run(
            [sys.executable, "-c", f"import {module}"],
            env={"PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said in ran.stderr
        assert bool(said) == bool(ran.stderr)
