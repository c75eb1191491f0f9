"""Whole arrays: the same as single calls, in place, with other threads running."""

import array
import copy
import threading
import tracemalloc

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atomik import Accumulator, RegisterFile, errors

WORDS = ["xor:8", "xor:64", "add:64", "xor:48,add:16", "xor:65", "add:100,xor:100", "xor:512"]


def split(words, limbs):
    """Python integers as an array of limbs."""
    rows = [[word >> 64 * at & (1 << 64) - 1 for at in range(limbs)] for word in words]
    rows = np.array(rows, dtype=np.uint64).reshape(len(words), limbs)
    return rows[:, 0].copy() if limbs == 1 else rows


def joined(rows):
    """An array of limbs as Python integers."""
    rows = rows.reshape(len(rows), -1)
    return [sum(int(limb) << 64 * at for at, limb in enumerate(row)) for row in rows]


@st.composite
def batches(draw):
    word = draw(st.sampled_from(WORDS))
    width = RegisterFile(word, 1).width
    entry = st.tuples(st.integers(0, 15), st.integers(0, (1 << width) - 1))
    return word, draw(st.lists(entry, max_size=20)), draw(st.lists(entry, max_size=20))


@given(batches())
def test_an_array_does_what_single_calls_do(batch):
    word, first, second = batch
    one, all_at_once = RegisterFile(word, 16), RegisterFile(word, 16)
    for op, entries in (("load", first), ("accum", second), ("rollback", first)):
        for addr, value in entries:
            getattr(one, op)(addr, value)
        addrs = np.array([addr for addr, _ in entries], dtype=np.int64)
        values = split([value for _, value in entries], one.limbs)
        getattr(all_at_once, op)(addrs, values)
        assert all_at_once == one
    everywhere = np.arange(16, dtype=np.uint64)
    for op in ("read", "delta", "reference"):
        assert joined(getattr(one, op)(everywhere)) == [
            getattr(one, op)(addr) for addr in range(16)
        ]
    assert joined(one.states()) == list(one)


def test_of_an_array_with_a_bad_entry_nothing_is_applied():
    for word in WORDS:
        file = RegisterFile(word, 16)
        ones = split([1] * 4, file.limbs)
        file.load(np.arange(4), split([7, 5, 3, 1], file.limbs))
        file.accum(np.arange(4), ones)
        before = copy.copy(file)
        for op in ("load", "accum", "rollback"):
            with pytest.raises(errors.AddressError) as raised:
                getattr(file, op)(np.array([0, 0, 16, 1]), ones)
            assert "entry 2 of the list: address 16 is outside" in str(raised.value)
            with pytest.raises(errors.AddressError, match="entry 1 of the list: address -5 is"):
                getattr(file, op)(np.array([0, -5, 16, 1]), ones)
            if file.width % 64:
                wide = ones.copy()
                wide.reshape(4, -1)[3, -1] = 1 << 63
                with pytest.raises(errors.DataError, match="entry 3 of the list: the value needs"):
                    getattr(file, op)(np.arange(4), wide)
            assert file == before, (word, op)
        with pytest.raises(errors.AddressError):
            file.read(np.array([3, 99]))


def test_an_accumulator_takes_an_array_of_deltas():
    one = Accumulator("add:64", 1)
    one.accum(np.arange(100, dtype=np.uint64))
    assert one.read() == 1 + sum(range(100))
    one.rollback(np.arange(100, dtype=np.uint64))
    assert one.read() == 1
    wide = Accumulator(128)
    wide.accum(np.array([[1, 2], [4, 8]], dtype=np.uint64))
    assert wide.read() == 10 << 64 | 5


def test_results_go_where_they_are_wanted_without_a_copy():
    file = RegisterFile(64, 16)
    file.accum(3, 9)
    out = np.zeros(2, dtype=np.uint64)
    assert file.read(np.array([3, 4]), out=out) is out
    assert out.tolist() == [9, 0]
    without_numpy = array.array("Q", [0, 0])
    file.read(array.array("q", [4, 3]), out=without_numpy)
    assert without_numpy.tolist() == [0, 9]
    out.flags.writeable = False
    with pytest.raises(TypeError, match="read-only"):
        file.read(np.array([3, 4]), out=out)
    with pytest.raises(errors.InputError, match="one word per address"):
        file.read(np.array([3, 4]), out=np.zeros(3, dtype=np.uint64))


@pytest.mark.parametrize(
    "addrs, deltas, error, message",
    [
        (np.arange(3), np.arange(3, dtype=np.int64), TypeError, "array of uint64, found int64"),
        (np.arange(3.0), np.arange(3, dtype=np.uint64), TypeError, "found float64"),
        (np.arange(3), np.arange(2, dtype=np.uint64), errors.InputError, "3 addresses and 2 words"),
        (np.arange(3), np.ones((3, 2), np.uint64), errors.InputError, "shape (n,) or (n, 1)"),
        (np.ones((3, 1), int), np.arange(3, dtype=np.uint64), errors.InputError, "shape (n,)"),
        (np.arange(6)[::2], np.arange(3, dtype=np.uint64), errors.InputError, "not contiguous"),
        ([0, 1], np.arange(2, dtype=np.uint64), TypeError, "found list"),
        (np.arange(3), 5, TypeError, "found int"),
    ],
)
def test_arrays_of_the_wrong_form_are_refused_with_the_next_step(addrs, deltas, error, message):
    file = RegisterFile(64, 16)
    with pytest.raises(error) as raised:
        file.accum(addrs, deltas)
    assert message in str(raised.value)
    assert file == RegisterFile(64, 16)


def test_columns_of_pandas_polars_and_arrow_are_arrays():
    addrs, deltas = [3, 1, 3], [5, 6, 9]
    expected = RegisterFile(64, 16)
    for addr, delta in zip(addrs, deltas):
        expected.accum(addr, delta)
    tables = [
        pandas.DataFrame({"a": addrs, "d": np.array(deltas, dtype=np.uint64)}),
        polars.DataFrame(
            {"a": addrs, "d": deltas}, schema={"a": polars.Int64, "d": polars.UInt64}
        ),
    ]
    arrow = pyarrow.table({"a": pyarrow.array(addrs), "d": pyarrow.array(deltas, "uint64")})
    for table in tables:
        file = RegisterFile(64, 16)
        file.accum(table["a"], table["d"])
        assert file == expected
    file = RegisterFile(64, 16)
    file.accum(arrow["a"].chunk(0), arrow["d"].chunk(0))
    assert file == expected


def test_arrays_are_not_copied():
    file = RegisterFile(64, 16)
    addrs = np.zeros(1 << 20, dtype=np.int64)
    deltas = np.ones(1 << 20, dtype=np.uint64)
    tracemalloc.start()
    file.accum(addrs, deltas)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Python's own objects; what Rust allocates is seen by bench.py, which watches the process.
    assert peak < 100_000


def test_other_threads_run_while_an_array_is_accumulated():
    file = RegisterFile(64, 1 << 10)
    count = 20_000_000
    addrs = np.zeros(count, dtype=np.int64)
    deltas = np.ones(count, dtype=np.uint64)
    done = threading.Event()
    turns = 0

    def work():
        file.accum(addrs, deltas)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    # With the interpreter's lock held by `accum`, this loop would get one turn at the most.
    while not done.is_set():
        turns += 1
        done.wait(0.0005)
    thread.join()
    assert turns > 3
    assert file.read(0) == 0


def test_threads_may_share_a_register_file():
    file = RegisterFile("add:64", 16)
    addrs = np.arange(16).repeat(1000)
    ones = np.ones(16_000, dtype=np.uint64)

    def work():
        for _ in range(20):
            file.accum(addrs, ones)
            file.accum(3, 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read(0) == 80_000
    assert file.read(3) == 80_080


def test_merges_in_both_directions_do_not_wait_for_each_other():
    a = RegisterFile(64, 1 << 12)
    b = a.bank()

    def work(x, y):
        for _ in range(300):
            x.merge(y)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
