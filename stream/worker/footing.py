"""What a partition's stored states rest on, kept as one record beside them in the changelog and on the disk."""

from typing import Final

import msgspec

FOOTING_KEY: Final = b"\x00footing"
"""Its key; a packed `OrderKey` is an array and never begins like this."""


class Footing(msgspec.Struct, array_like=True, frozen=True):
    """The evaluation day up to which old orders have been let go, and the settings that changes were told under.

    `day` is a proleptic ordinal in UTC (`evaluation.KeptDays`), `agreed` an `agreement.Agreement`; `times` counts how
    often the settings have changed.
    """

    day: int
    agreed: dict[str, str]
    times: int = 0


pack_footing = msgspec.msgpack.Encoder().encode
"""Return a footing as bytes."""

unpack_footing = msgspec.msgpack.Decoder(Footing).decode
"""Return the footing in what `pack_footing` gave; raises msgspec.DecodeError for anything else."""
