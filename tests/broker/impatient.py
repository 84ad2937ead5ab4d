"""A real worker that gives up soon: `python -m tests.broker.impatient worker` is `odr worker`.

For a broker that has gone, and for a partition that does not move, it waits for a few seconds instead of minutes.
"""

import sys
from typing import Final

from stream.cli import main
from stream.worker import intake

COMMAND: Final = ("tests.broker.impatient", "worker")
"""The module and its argument, for `Cluster.worker`."""

PATIENCE_SECONDS: Final = 5.0

if __name__ == "__main__":
    vars(intake)["UNREACHABLE_SECONDS"] = PATIENCE_SECONDS
    main(sys.argv[1:])
