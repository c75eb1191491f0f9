"""Messages that reach a stream or a table more than once, each time in another form."""

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomik_core as core
from atomik import errors

from_bytes, from_dict = core.DeltaMessage.from_bytes, core.DeltaMessage.from_dict

#: How a message can reach a receiver.
FORMS = {
    "object": lambda message: message,
    "pickled": lambda message: pickle.loads(pickle.dumps(message)),
    "bytes": lambda message: from_bytes(message.to_bytes()),
    "dict": lambda message: from_dict(message.to_dict()),
    "named bytes": lambda message: from_bytes(message.to_bytes(), origin=message.origin),
    "named dict": lambda message: from_dict(message.to_dict(), origin=message.origin),
}
#: Those that say whose the message is.
NAMED = [form for form in FORMS if form not in ("bytes", "dict")]

two_forms = pytest.mark.parametrize("first, second", list(itertools.product(FORMS, FORMS)))


def counts(apply, message):
    """Whether a message is applied. Nobody may be able to tell whether it is a duplicate."""
    try:
        return apply(message) is True
    except errors.MergeError as error:
        assert "origin" in str(error)
        return False


@two_forms
@pytest.mark.parametrize("width", [64, 128])
def test_a_stream_applies_a_message_once(first, second, width):
    a, b = core.DeltaStream(width), core.DeltaStream(width)
    message = a.accum(0, 0xFF if width == 64 else 1 << 100)
    if width == 128:
        first, second = (form.replace("bytes", "dict") for form in (first, second))
    assert b.apply(FORMS[first](message))
    assert not counts(b.apply, FORMS[second](message))
    assert b.read(0) == message.delta


@pytest.mark.parametrize("form", FORMS)
def test_a_stream_does_not_apply_what_it_sent(form):
    a = core.DeltaStream()
    message = a.accum(0, 0xFF)
    assert not counts(a.apply, FORMS[form](message))
    assert a.read(0) == 0xFF


@two_forms
def test_a_table_takes_a_put_once(first, second):
    a, b = core.SyncTable(), core.SyncTable()
    message = a.put(0, 0xFF)
    b.receive(FORMS[first](message))
    counts(b.receive, FORMS[second](message))
    assert b.get(0) == 0xFF


@pytest.mark.parametrize("form", FORMS)
def test_a_table_does_not_take_its_own_put(form):
    a = core.SyncTable()
    message = a.put(0, 0xFF)
    counts(a.receive, FORMS[form](message))
    assert a.get(0) == 0xFF


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(sorted(FORMS))), max_size=40),
)
def test_each_message_is_applied_at_most_once(deltas, arrivals):
    streams = [core.DeltaStream() for _ in range(3)]
    receiver = streams[0]
    sent = [(who, streams[who].accum(addr, delta)) for who, addr, delta in deltas]
    expected = [receiver.read(addr) for addr in (0, 1)]
    applied = set()
    for at, form in arrivals:
        if at >= len(sent):
            continue
        who, message = sent[at]
        if counts(receiver.apply, FORMS[form](message)):
            assert who != 0 and at not in applied
            applied.add(at)
            expected[message.addr] ^= message.delta
        assert [receiver.read(addr) for addr in (0, 1)] == expected


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)), max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.sampled_from(NAMED)), max_size=40),
)
def test_named_messages_are_never_refused(deltas, arrivals):
    streams = [core.DeltaStream() for _ in range(3)]
    sent = [streams[who].accum(addr, delta) for who, addr, delta in deltas]
    for at, form in arrivals:
        if at < len(sent):
            streams[0].apply(FORMS[form](sent[at]))
    for message in sent:
        streams[0].apply(message)
    everything = [0, 0]
    for message in sent:
        everything[message.addr] ^= message.delta
    assert [streams[0].read(addr) for addr in (0, 1)] == everything


@pytest.mark.parametrize("first", ["object", "bytes"])
def test_a_duplicate_after_a_million_others_is_not_applied(first):
    sender, receiver = core.DeltaStream(), core.DeltaStream()
    early = sender.accum(0, 5)
    assert receiver.apply(FORMS[first](early))
    for _ in range((1 << 20) + 10):
        receiver.apply(FORMS[first](sender.accum(1, 1)))
    for form in FORMS.values():
        assert not counts(receiver.apply, form(early))
    assert receiver.read(0) == 5
    # What comes after those forgotten still counts.
    assert receiver.apply(FORMS[first](sender.accum(2, 7)))


def test_an_own_message_after_a_million_others_is_not_applied():
    stream = core.DeltaStream()
    early = from_bytes(stream.accum(0, 5).to_bytes())
    for _ in range((1 << 20) + 10):
        stream.accum(1, 1)
    with pytest.raises(errors.MergeError, match="forgotten"):
        stream.apply(early)
    assert stream.read(0) == 5


def test_a_number_that_no_sender_has_is_refused():
    data = core.DeltaStream().accum(0, 1).to_bytes()
    for origin in (0, 1, 7, 2**63, 2**64 - 1):
        for make in (
            lambda: from_bytes(data, origin=origin),
            lambda: core.DeltaMessage(0, 1, 0, 1, origin=origin),
            lambda: from_dict({"addr": 0, "delta": 1, "seq": 1}, origin=origin),
        ):
            with pytest.raises(errors.DataError, match="pass the `origin` of its sender"):
                make()
    # The number of a stream or table, also of one that is used for nothing else.
    for sender in (core.DeltaStream(), core.SyncTable(), core.AsyncSyncTable()):
        assert from_bytes(data, origin=sender.origin).origin == sender.origin


def test_a_message_from_before_the_first_load_can_say_so():
    a, b = core.DeltaStream(), core.DeltaStream()
    message = a.accum(0, 1)
    for stream in (a, b):
        stream.load(0, 5)
    assert not b.apply(message)
    assert not b.apply(from_bytes(message.to_bytes(), generation=message.generation))
    assert b.read(0) == 5


def test_a_subclass_keeps_whose_a_message_is_and_of_which_load():
    class Mine(core.DeltaMessage):
        pass

    message = core.DeltaStream().accum(0, 1)
    for make in (Mine.from_bytes, Mine.from_dict):
        data = message.to_bytes() if make == Mine.from_bytes else message.to_dict()
        mine = make(data, origin=message.origin, generation=2)
        assert (type(mine), mine.origin, mine.generation) == (Mine, message.origin, 2)
