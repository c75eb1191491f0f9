"""Replicas as pure state machines: events in, effects out, and a network that is a list."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomik import Broadcast, Notify, Persist, Replica, Send, errors

KEYS = [bytes([n]) * 32 for n in (1, 2, 3)]
MEMBERS = [Replica.public_key(key) for key in KEYS]


def open_replica(n, word=64, records=None, life=0):
    return Replica(
        "demo",
        secret=b"s" * 32,
        key=KEYS[n],
        members=MEMBERS,
        incarnation=bytes([n, life]) * 8,
        width=word,
        records=records,
    )


class World:
    """Three replicas, their stores, and the messages between them."""

    def __init__(self, word=64):
        self.replicas = [open_replica(n, word) for n in range(3)]
        self.stores = [{} for _ in range(3)]
        self.wire = []
        self.notices = [[] for _ in range(3)]
        for n in range(3):
            for other in range(3):
                if n != other:
                    self.take(n, self.replicas[n].peer_up(self.name(other)))

    @staticmethod
    def name(n):
        return bytes([n]) * 16

    def take(self, n, step):
        """Carries out the effects of a step."""
        for effect in step.effects:
            if isinstance(effect, Persist):
                for key, value in effect.records:
                    if value is None:
                        self.stores[n].pop(key, None)
                    else:
                        self.stores[n][key] = value
                self.take(n, self.replicas[n].persisted(effect.ticket))
            elif isinstance(effect, Send):
                self.wire.append((n, effect.to[0], effect.message))
            elif isinstance(effect, Broadcast):
                self.wire += [(n, to, effect.message) for to in range(3) if to != n]
            else:
                assert isinstance(effect, Notify)
                self.notices[n].append(effect)
        return step

    def op(self, n, *operation):
        step = self.take(n, self.replicas[n].op(*operation))
        self.take(n, self.replicas[n].flush())
        return step

    def deliver(self, at=0):
        sender, to, message = self.wire.pop(at)
        self.take(to, self.replicas[to].message(self.name(sender), message))

    def settle(self):
        """Delivers everything, with comparisons, until replicas have nothing more to say."""
        for _ in range(30):
            for n in range(3):
                self.take(n, self.replicas[n].tick())
                self.take(n, self.replicas[n].flush())
            while self.wire:
                self.deliver()
        states = [replica.states() for replica in self.replicas]
        assert states[0] == states[1] == states[2]
        return states[0]


def test_a_change_reaches_everybody_and_counts_once():
    world = World()
    step = world.op(0, "accum", b"x", 5)
    assert step.ticket and step.number
    world.wire *= 2
    assert world.settle() == {b"x": 5}
    assert [len(replica.writers(b"x")) for replica in world.replicas] == [1, 1, 1]
    assert world.op(1, "read", b"x").responses == [(5, False)]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(-9, 9)), max_size=12),
    st.randoms(use_true_random=False),
)
def test_counters_are_exact_under_loss_duplication_and_reordering(additions, random):
    world = World("add:64")
    sums = [0, 0]
    for who, key, number in additions:
        world.op(who, "accum", b"ab"[key : key + 1], number)
        sums[key] += number
        while world.wire and random.random() < 0.5:
            at = random.randrange(len(world.wire))
            fate = random.random()
            if fate < 0.3:
                world.wire.pop(at)
            elif fate < 0.6:
                world.wire.append(world.wire[at])
            else:
                world.deliver(at)
    states = world.settle()
    for key, total in zip((b"a", b"b"), sums):
        assert states.get(key, 0) == total % (1 << 64)


def test_concurrent_puts_are_reported_to_a_writer():
    world = World()
    world.op(0, "put", b"x", 5)
    world.op(1, "put", b"x", 3)
    assert world.settle() == {b"x": 6}
    overlaps = [notice for of in world.notices for notice in of if notice.kind == "Overlap"]
    assert overlaps and {(notice.key, notice.bits) for notice in overlaps} == {(b"x", 1)}


def test_a_batch_is_undone_and_redone():
    world = World()
    step = world.take(0, world.replicas[0].batch([("put", b"x", 7), ("toggle", b"y", 3)]))
    assert world.replicas[0].states() == {b"x": 7, b"y": 8}
    undo = world.take(0, world.replicas[0].undo(step.number))
    assert world.replicas[0].state(b"x") == 0
    world.take(0, world.replicas[0].undo(undo.number))
    assert world.replicas[0].states() == {b"x": 7, b"y": 8}
    world.take(0, world.replicas[0].flush())
    assert world.settle() == {b"x": 7, b"y": 8}


def test_a_replica_opens_from_its_records():
    world = World("xor:48,add:80")
    world.op(0, "accum", b"x", [1, -1])
    world.settle()
    again = open_replica(0, "xor:48,add:80", list(world.stores[0].items()), life=1)
    assert again.states() == world.replicas[0].states()
    assert again.layout == "xor:48,add:80"
    assert repr(again).startswith('<Replica of "demo", xor:48,add:80: 1 keys, origin ')


def test_subscriptions_report_changes():
    world = World()
    world.replicas[2].subscribe(b"a")
    world.op(0, "put", b"ab", 1)
    world.op(0, "put", b"b", 1)
    world.settle()
    changed = [notice for notice in world.notices[2] if notice.kind == "Changed"]
    assert [(notice.key, notice.state) for notice in changed] == [(b"ab", 1)]


def test_what_is_refused_says_why():
    replica = open_replica(0)
    with pytest.raises(errors.RefusedError, match="use a key of 1 to 1024 bytes"):
        replica.op("put", b"", 1)
    with pytest.raises(errors.DataError, match="too wide"):
        replica.op("put", b"x", 1 << 64)
    with pytest.raises(errors.InputError, match="unknown op"):
        replica.op("jump", b"x")
    with pytest.raises(errors.InputError, match="a private key has 32 bytes, found 3"):
        Replica.public_key(b"abc")
    with pytest.raises(errors.RefusedError):
        replica.undo(99)
    step = replica.message(b"p" * 16, b"rubbish")
    assert [effect.kind for effect in step.effects] == ["Refused"]
    assert replica.states() == {}
