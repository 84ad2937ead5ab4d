"""What the workers of a group tell each other through the group's own metadata."""

import msgspec


class Membership(msgspec.Struct, frozen=True):
    """What a worker tells its group: where it can be reached, which partitions it has the state of, and its settings.

    `agreed` is its `agreement.Agreement`; `accepted` says that the group has agreed to it before.
    """

    address: str
    has: tuple[int, ...] = ()
    agreed: dict[str, str] = {}
    accepted: bool = False


class Ownership(msgspec.Struct, frozen=True):
    """What the group's leader tells every worker: each partition's owner's address, and what the group agrees on."""

    addresses: dict[int, str]
    agreed: dict[str, str] = {}


encode = msgspec.json.Encoder().encode
"""Return a membership or an ownership as bytes."""

decode_membership = msgspec.json.Decoder(Membership).decode
"""Return the membership in what `encode` gave; raises msgspec.DecodeError for anything else."""

decode_ownership = msgspec.json.Decoder(Ownership).decode
"""Return the ownership in what `encode` gave; raises msgspec.DecodeError for anything else."""
