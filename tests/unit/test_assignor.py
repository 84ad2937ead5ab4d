"""Who gets which partition: balanced, complete, and kept where its state is."""

import itertools
from collections.abc import Iterable, Mapping

from hypothesis import example, given
from hypothesis import strategies as st

from stream.membership import Membership, Ownership
from stream.worker.assignor import assign_partitions, assignor_for, group_agreement

MEMBERS = ("a", "b", "c", "d", "e")


@st.composite
def groups(draw: st.DrawFn, *, each_once: bool = False, most: int = 12) -> tuple[int, dict[str, set[int]]]:
    """A number of partitions, and members with those that they have; some beyond what there is."""
    partitions = draw(st.integers(min_value=1, max_value=most))
    members = draw(st.permutations(MEMBERS))[: draw(st.integers(min_value=1, max_value=len(MEMBERS)))]
    numbers = st.integers(min_value=0, max_value=partitions + 2)
    if not each_once:
        return partitions, {member: draw(st.sets(numbers)) for member in members}
    holder = draw(st.lists(st.sampled_from([*members, None]), min_size=partitions, max_size=partitions))
    return partitions, {member: {at for at, has in enumerate(holder) if has == member} for member in members}


def stays(assigned: Mapping[str, Iterable[int]], members: Mapping[str, Iterable[int]]) -> int:
    """How many partitions are where their state is."""
    return sum(len(set(numbers).intersection(members[member])) for member, numbers in assigned.items())


def most_that_can_stay(partitions: int, members: Mapping[str, set[int]]) -> int:
    """Try every balanced way to share the partitions."""
    share, extra = divmod(partitions, len(members))
    best = 0
    for larger in itertools.combinations(members, extra):
        rooms = {member: share + (member in larger) for member in members}
        places = [member for member, room in rooms.items() for _ in range(room)]
        best = max(best, _matching(places, [members[member] for member in places]))
    return best


def _matching(places: list[str], wishes: list[set[int]]) -> int:
    """The most places that can each get a partition of their wishes (augmenting paths)."""
    taken: dict[int, int] = {}

    def place(at: int, tried: set[int]) -> bool:
        for number in wishes[at]:
            if number < len(places) and number not in tried:
                tried.add(number)
                if number not in taken or place(taken[number], tried):
                    taken[number] = at
                    return True
        return False

    return sum(place(at, set()) for at in range(len(places)))


@given(groups())
def test_every_partition_has_one_owner_and_shares_differ_by_one_at_most(group: tuple[int, dict[str, set[int]]]) -> None:
    partitions, members = group
    assigned = assign_partitions(partitions, members)
    assert assigned.keys() == members.keys()
    assert sorted(itertools.chain(*assigned.values())) == list(range(partitions))
    sizes = [len(numbers) for numbers in assigned.values()]
    assert max(sizes) - min(sizes) <= 1


@given(groups(each_once=True))
def test_nobody_loses_a_partition_that_balance_lets_it_keep(group: tuple[int, dict[str, set[int]]]) -> None:
    partitions, members = group
    assigned = assign_partitions(partitions, members)
    share, extra = divmod(partitions, len(members))
    full = sum(len(has) > share for has in members.values())
    expected = sum(min(len(has), share) for has in members.values()) + min(full, extra)
    assert stays(assigned, members) == expected


@given(groups(most=8))
@example((2, {"a": {0, 1}, "b": {0}}))
def test_as_many_partitions_stay_as_can_when_several_members_have_the_state_of_one(
    group: tuple[int, dict[str, set[int]]],
) -> None:
    # A member that had a partition once still has its files. "a" has 0 and 1, "b" has 0: whoever is served first must
    # not take 0 for itself and send "b" to restore 1, when 1 was its own as well.
    partitions, members = group
    assert stays(assign_partitions(partitions, members), members) == most_that_can_stay(partitions, members)


@given(groups())
def test_the_members_order_decides_nothing(group: tuple[int, dict[str, set[int]]]) -> None:
    partitions, members = group
    turned = dict(reversed(members.items()))
    assert assign_partitions(partitions, turned) == assign_partitions(partitions, members)


@given(groups())
def test_assigning_again_moves_nothing(group: tuple[int, dict[str, set[int]]]) -> None:
    partitions, members = group
    assigned = assign_partitions(partitions, members)
    assert assign_partitions(partitions, assigned) == assigned


def test_a_member_that_joins_takes_only_its_share_and_one_that_leaves_gives_only_its_own() -> None:
    alone = assign_partitions(8, {"a": ()})
    two = assign_partitions(8, {**alone, "b": ()})
    three = assign_partitions(8, {**two, "c": ()})
    assert [stays(two, alone | {"b": []}), stays(three, two | {"c": []})] == [4, 6]
    without_a = assign_partitions(8, {member: three[member] for member in "bc"})
    assert all(set(three[member]) <= set(without_a[member]) for member in "bc")


def test_there_may_be_more_members_than_partitions() -> None:
    assert assign_partitions(2, {"a": (), "b": (1,), "c": ()}) == {"a": [0], "b": [1], "c": []}


# --- In the group -----------------------------------------------------------------------------------------------------


class Cluster:
    """The topics of a broker, each with so many partitions."""

    def __init__(self, **partitions: int) -> None:
        self._partitions = partitions

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._partitions[topic])) if topic in self._partitions else None


def test_a_partition_of_all_topics_goes_to_one_member_and_everybody_learns_its_address() -> None:
    learned: list[Ownership] = []
    one, two = Membership("one:6066", (2,)), Membership("two:6066", (0,))
    metadata = {
        "m1": assignor_for(lambda: one, learned.append).metadata({"orders", "feedback"}),
        "m2": assignor_for(lambda: two, learned.append).metadata({"orders", "feedback"}),
    }
    assignor = assignor_for(lambda: Membership("one:6066"), learned.append)
    assigned = assignor.assign(Cluster(orders=3, feedback=3), metadata)
    partitions = {member: dict(assignment.assignment) for member, assignment in assigned.items()}
    assert partitions == {
        "m1": {"feedback": [1, 2], "orders": [1, 2]},
        "m2": {"feedback": [0], "orders": [0]},
    }
    for assignment in assigned.values():
        assignor.on_assignment(assignment)
    assert learned == [Ownership({0: "two:6066", 1: "one:6066", 2: "one:6066"})] * 2


CURRENT, ALL_FILED = {"STREAM_CLAIMS_POLICY": "current"}, {"STREAM_CLAIMS_POLICY": "all_filed"}


def test_a_member_that_differs_gets_no_partition_and_learns_what_the_group_agrees_on() -> None:
    learned: list[Ownership] = []
    told = {
        "m1": Membership("one:6066", (), CURRENT, accepted=True),
        "m2": Membership("two:6066", (0, 1, 2), ALL_FILED),
    }
    metadata = {
        "m1": assignor_for(lambda: told["m1"], learned.append).metadata({"orders"}),
        "m2": assignor_for(lambda: told["m2"], learned.append).metadata({"orders"}),
    }
    assignor = assignor_for(lambda: told["m2"], learned.append)
    assigned = assignor.assign(Cluster(orders=3), metadata)
    partitions = {member: dict(assignment.assignment)["orders"] for member, assignment in assigned.items()}
    assert partitions == {"m1": [0, 1, 2], "m2": []}
    assignor.on_assignment(assigned["m2"])
    assert learned == [Ownership(dict.fromkeys(range(3), "one:6066"), CURRENT)]


def test_what_was_agreed_before_outweighs_any_number_of_newcomers() -> None:
    before = Membership("a", (), CURRENT, accepted=True)
    newcomers = [Membership(name, (), ALL_FILED) for name in "bcd"]
    assert group_agreement([*newcomers, before]) == CURRENT


def test_newcomers_alone_agree_on_what_most_of_them_have_and_a_tie_is_decided_alike_by_all() -> None:
    one, other = Membership("a", (), CURRENT), Membership("b", (), ALL_FILED)
    assert group_agreement([one, other, other]) == ALL_FILED
    assert group_agreement([one, other]) == group_agreement([other, one])


def test_workers_of_other_topics_in_the_group_have_partitions_and_settings_of_their_own() -> None:
    # A group is the broker's, a topic prefix is not: a killed worker of another prefix, still a member until its
    # session ended, was given partitions of topics that it did not read.
    told = {
        "m1": (Membership("one:6066", (), CURRENT), "a.orders"),
        "m2": (Membership("two:1", (), ALL_FILED), "b.orders"),
    }
    metadata = {
        name: assignor_for(lambda about=about: about, print).metadata({topic})  # type: ignore[misc]
        for name, (about, topic) in told.items()
    }
    cluster = Cluster(**{"a.orders": 2, "b.orders": 3})
    assigned = assignor_for(lambda: told["m1"][0], print).assign(cluster, metadata)
    assert {member: assignment.assignment for member, assignment in assigned.items()} == {
        "m1": [("a.orders", [0, 1])],
        "m2": [("b.orders", [0, 1, 2])],
    }
