"""Who gets which partition: co-partitioned, balanced, and kept where its state already is.

Partition p of every topic goes to one worker, or a seller's feedback would not meet its orders. A partition stays with
the worker that has it on disk as far as balance allows: moving it costs a restore. Each member's address travels in the
group's own metadata, so that any worker can ask a seller's owner, and so do the settings that all must agree on: a
worker that differs gets no partition.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from stream.membership import Membership, Ownership, decode_membership, decode_ownership, encode


def assign_partitions(partitions: int, members: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Return each member's partitions; `members` says which ones each has the state of.

    Shares differ by one partition at most. Of those, as many as can stay where their state is do.
    """
    share, extra = divmod(partitions, len(members))
    assigned: dict[str, list[int]] = {member: [] for member in sorted(members)}
    for number, member in _staying(partitions, members, share, extra).items():
        assigned[member].append(number)
    extra -= sum(len(owned) > share for owned in assigned.values())
    free = set(range(partitions)).difference(*assigned.values())
    for room in (share, share + 1):
        for owned in assigned.values():
            while free and len(owned) < room and (room == share or extra):
                extra -= room > share
                owned.append(min(free))
                free.remove(owned[-1])
    return {member: sorted(owned) for member, owned in assigned.items()}


def _staying(partitions: int, members: Mapping[str, Iterable[int]], share: int, extra: int) -> dict[int, str]:
    """Return, for as many partitions as balance allows, a member that has its state (augmenting paths)."""
    has = {member: sorted(number for number in members[member] if number < partitions) for member in sorted(members)}
    stays: dict[int, str] = {}

    def place(member: str, tried: set[int]) -> bool:
        """Give `member` one more, if need be by giving another member one of its others."""
        for number in has[member]:
            if number not in tried:
                tried.add(number)
                if number not in stays or place(stays[number], tried):
                    stays[number] = member
                    return True
        return False

    for _ in range(share):
        for member in has:
            place(member, set())
    for member in has:
        extra -= extra > 0 and place(member, set())
    return stays


def group_agreement(members: Iterable[Membership]) -> dict[str, str]:
    """Return what the group agrees on: what was agreed before; among newcomers alone, what most of them have."""
    known = list(members)
    asked = [member for member in known if member.accepted] or known
    votes = Counter(tuple(sorted(member.agreed.items())) for member in asked)
    most, _ = min(votes.items(), key=lambda vote: (-vote[1], vote[0]))
    return dict(most)


def _assign(
    topics: Iterable[str], partitions: int, members: Mapping[str, Membership]
) -> dict[str, ConsumerProtocolMemberAssignment]:
    agreed = group_agreement(members.values())
    has = {member: set(about.has) for member, about in members.items() if about.agreed == agreed}
    owned = assign_partitions(partitions, has)
    addresses = {number: members[member].address for member, numbers in owned.items() for number in numbers}
    ownership = encode(Ownership(addresses, agreed))
    return {
        member: ConsumerProtocolMemberAssignment(0, [(topic, owned.get(member, [])) for topic in topics], ownership)
        for member in members
    }


def assignor_for(
    membership: Callable[[], Membership], on_ownership: Callable[[Ownership], None]
) -> type[AbstractPartitionAssignor]:
    """Return an assignor class, as aiokafka takes one, that speaks for one worker."""

    class CoPartitioned(AbstractPartitionAssignor):  # type: ignore[misc]
        """Hands partition p of all topics to one member."""

        name = "odr-co-partitioned"

        @classmethod
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(0, sorted(topics), encode(membership()))

        @classmethod
        def assign(
            cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            # A group may hold workers of several topic prefixes: each prefix is shared among its own.
            by_topics: dict[tuple[str, ...], dict[str, Membership]] = {}
            for member, metadata in members.items():
                topics = tuple(sorted(metadata.subscription))
                by_topics.setdefault(topics, {})[member] = decode_membership(metadata.user_data)
            assigned: dict[str, ConsumerProtocolMemberAssignment] = {}
            for topics, told in by_topics.items():
                partitions = max(len(cluster.partitions_for_topic(topic) or ()) for topic in topics)
                assigned |= _assign(topics, partitions, told)
            return assigned

        @classmethod
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            on_ownership(decode_ownership(assignment.user_data))

    return CoPartitioned
