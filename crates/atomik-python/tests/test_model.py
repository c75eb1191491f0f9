"""`Accumulator` and `RegisterFile`: single calls, against the specification in a few lines."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomik
from atomik import Accumulator, RegisterFile, Response, errors


class Spec:
    """Section 1 of docs/spec.md, with words as Python integers."""

    def __init__(self, fields, depth):
        self.fields = fields
        self.pairs = [(0, 0)] * depth

    def combine(self, a, b, sign=1):
        word = offset = 0
        for kind, bits in self.fields:
            mask = (1 << bits) - 1
            x, y = a >> offset & mask, b >> offset & mask
            both = x ^ y if kind == "xor" else x + sign * y & mask
            word |= both << offset
            offset += bits
        return word

    def apply(self, op, addr, data=None):
        reference, delta = self.pairs[addr]
        state = self.combine(reference, delta)
        if op == "load":
            self.pairs[addr] = data, 0
        elif op in ("accum", "rollback"):
            sign = 1 if op == "accum" else -1
            self.pairs[addr] = reference, self.combine(delta, data, sign)
        elif op in ("swap", "drain"):
            self.pairs[addr] = state, 0
        answers = {"read": state, "swap": state, "delta": delta, "drain": delta}
        return Response(op, addr, answers[op], delta == 0) if op in answers else None


def layout_of(fields):
    return ",".join(f"{kind}:{bits}" for kind, bits in fields)


#: Layouts of up to 512 bits, in which fields begin and end anywhere.
LAYOUTS = st.lists(
    st.tuples(st.sampled_from(["xor", "add"]), st.integers(1, 130)), min_size=1, max_size=4
).filter(lambda fields: sum(bits for _, bits in fields) <= 512)

OPS = ["load", "accum", "rollback", "read", "swap", "delta", "drain", "nop"]


@st.composite
def programs(draw):
    fields = draw(LAYOUTS)
    width = sum(bits for _, bits in fields)
    words = st.integers(0, (1 << width) - 1)
    op = st.sampled_from(OPS)
    return fields, draw(st.lists(st.tuples(op, st.integers(0, 3), words), max_size=30))


@given(programs())
def test_every_op_does_what_the_specification_says(program):
    fields, commands = program
    spec, file = Spec(fields, 4), RegisterFile(layout_of(fields), 4)
    for op, addr, word in commands:
        data = word if op in ("load", "accum", "rollback") else None
        assert file.apply(op, addr, data) == spec.apply(op, addr, data)
    for addr in range(4):
        reference, delta = spec.pairs[addr]
        assert (file.reference(addr), file.delta(addr)) == (reference, delta)
        assert file.is_clean(addr) == (delta == 0)
        assert file.read(addr) == file[addr] == spec.combine(reference, delta)
    assert pickle.loads(pickle.dumps(file)) == file == copy.deepcopy(file)


@given(programs())
def test_an_accumulator_is_a_register_file_of_one_address(program):
    fields, commands = program
    spec, one = Spec(fields, 1), Accumulator(layout_of(fields))
    for op, _, word in commands:
        if op in ("load", "accum", "rollback"):
            getattr(one, op)(word)
            spec.apply(op, 0, word)
        elif op != "nop":
            assert getattr(one, op)() == spec.apply(op, 0).data
    assert (one.reference, one.delta()) == spec.pairs[0]
    assert pickle.loads(pickle.dumps(one)) == one == copy.copy(one)


@given(programs(), st.data())
def test_banks_that_are_merged_are_one_accumulator(program, data):
    fields, commands = program
    whole = RegisterFile(layout_of(fields), 4)
    for addr in range(4):
        whole.load(addr, 1)
    table = copy.copy(whole)
    banks = [table.bank(), table.bank()]
    for _, addr, word in commands:
        whole.accum(addr, word)
        data.draw(st.sampled_from([table, *banks])).accum(addr, word)
    for bank in banks:
        table.merge(bank)
    assert table == whole


def test_values_are_integers_texts_or_lists():
    file = RegisterFile("xor:48,add:16", 4)
    file.load(0, "0xff")
    file.accum(0, [0, -1])
    assert file.read(0) == 0xFFFF0000000000FF
    file.rollback(0, [0xF0, "0xffff"])
    assert file.read(0) == 0x0F
    counter = Accumulator("add:16")
    counter.accum(-1)
    assert counter.read() == 0xFFFF
    wide = Accumulator(512, (1 << 512) - 1)
    wide.rollback(1 << 511)
    assert wide.read() == (1 << 511) - 1
    assert Accumulator(1, True).read() == 1


def test_a_merge_refuses_unequal_references_and_changes_nothing():
    file, other = RegisterFile(16, 8), RegisterFile(16, 8)
    other.load(5, 1)
    other.accum(2, 7)
    before = copy.copy(file)
    with pytest.raises(errors.MergeError, match="differ, first at address 5"):
        file.merge(other)
    with pytest.raises(errors.MergeError, match="both need the same layout"):
        file.merge(RegisterFile(17, 8))
    with pytest.raises(errors.MergeError, match="both need the same depth"):
        file.merge(RegisterFile(16, 4))
    with pytest.raises(errors.MergeError, match="the references differ"):
        Accumulator(8, 1).merge(Accumulator(8, 2))
    assert file == before


def test_a_file_merges_with_itself():
    file = RegisterFile("add:8", 2)
    file.accum(1, 3)
    file.merge(file)
    assert file.read(1) == 6
    one = Accumulator("add:8")
    one.accum(3)
    one.merge(one)
    assert one.read() == 6


def test_a_snapshot_is_a_copy_and_can_be_restored():
    file = RegisterFile(16, 4)
    file.load(1, 5)
    file.accum(1, 2)
    snapshot = file.snapshot()
    file.swap(1)
    file.accum(3, 1)
    assert file.snapshot() != snapshot
    file.restore(snapshot)
    assert (file.reference(1), file.delta(1), file.read(3)) == (5, 2, 0)
    assert file.snapshot() == snapshot
    with pytest.raises(errors.MergeError):
        RegisterFile(16, 8).restore(snapshot)


def test_repr_shows_the_state():
    file = RegisterFile(16, 8)
    assert repr(file) == "<RegisterFile xor:16, depth 8, lanes 1, 0 not 0>"
    file.load(3, 0xFF00)
    file.accum(3, 0x0F)
    file.load(4, 1)
    assert repr(file) == (
        "<RegisterFile xor:16, depth 8, lanes 1, 2 not 0: 3: 0xff0f (delta 0x000f), 4: 0x0001>"
    )
    one = Accumulator("add:8", 5)
    one.accum(-1)
    assert repr(one) == "<Accumulator add:8: 0x04 = reference 0x05 + delta 0xff>"


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda f: f.read(8), errors.AddressError, "address 8 is outside a register file of 8"),
        (lambda f: f.read(-1), errors.AddressError, "address -1 is outside"),
        (lambda f: f.accum(1 << 70, 1), errors.AddressError, "address 1180591620717411303424"),
        (lambda f: f.accum(0, 1 << 16), errors.DataError, "too wide: 17 bits, and a word has 16"),
        (lambda f: f.accum(0, 1 << 600), errors.DataError, "too wide: more than 512 bits"),
        (lambda f: f.accum(0, -1), errors.DataError, "an xor field has no negative values"),
        (lambda f: f.accum(0, "5f"), errors.DataError, "must be a string of 0x and hex digits"),
        (lambda f: f.accum(0, [1, 2]), errors.DataError, "lists 2 values"),
        (lambda f: f.accum(0, 1, lane=2), errors.GeometryError, "there is no lane 2"),
        (lambda f: f.apply("jump", 0), errors.InputError, 'unknown op "jump"'),
        (lambda f: f.apply("read"), errors.InputError, 'read needs "addr"'),
        (lambda f: f.apply("load", 0), errors.InputError, 'load needs "data"'),
        (lambda f: f.apply("read", 0, 5), errors.InputError, 'read takes no "data"'),
        (lambda f: f.apply("read", 0, lane=1), errors.InputError, "lane 1 takes accum"),
        (lambda f: f.accum(0, 1.5), TypeError, "float"),
        (lambda f: f.accum("x", 1), TypeError, "addresses are integers or an array of uint64"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(call, error, message):
    file = RegisterFile(16, 8, 2)
    file.accum(7, 9)
    before = copy.copy(file)
    with pytest.raises(error) as raised:
        call(file)
    assert message in str(raised.value)
    assert file == before


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RegisterFile(0), "a width of 0 bits is not possible"),
        (lambda: RegisterFile(513), "a width of 513 bits is not possible; choose 1 to 512"),
        (lambda: RegisterFile(8, 48), "a depth of 48 words is not possible"),
        (lambda: RegisterFile(8, 8, 33), "33 lanes are not possible; choose 1 to 32"),
        (lambda: RegisterFile("xor:0"), "field 1 has no bits"),
        (lambda: RegisterFile("or:8"), '"or:8" is not a field'),
        (lambda: Accumulator("add:500,xor:20"), "520 bits"),
    ],
)
def test_what_there_cannot_be_is_refused_with_the_next_step(make, message):
    with pytest.raises(errors.GeometryError) as raised:
        make()
    assert message in str(raised.value)


def test_the_errors_are_a_tree():
    assert issubclass(errors.AddressError, (errors.InputError, ValueError, IndexError))
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), errors.AtomikError)
        assert getattr(atomik, name) is getattr(errors, name)
    error = errors.TraceError("f:3: bad", "f", 3, "bad")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.file, again.line, again.reason) == ("f:3: bad", "f", 3, "bad")


def test_a_register_file_is_a_sequence():
    file = RegisterFile(8, 4)
    file.load(2, 5)
    assert len(file) == 4
    assert list(file) == [0, 0, 5, 0]
    assert 5 in file
    with pytest.raises(TypeError):
        hash(file)
