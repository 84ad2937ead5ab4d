"""What all tests share: whether Prometheus is here, and how hard the property tests try.

HYPOTHESIS_PROFILE=thorough tries harder, and CI tries the same every time.
"""

import os
import shutil

import pytest
from hypothesis import settings

settings.register_profile("laptop", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "laptop"))


@pytest.fixture(scope="session")
def prometheus_here() -> None:
    """Skips where there is no Prometheus; in CI a missing one is a failure, not a skip."""
    if shutil.which("prometheus") is None:
        if os.environ.get("CI"):
            pytest.fail("no `prometheus` on the PATH", pytrace=False)
        pytest.skip("no `prometheus` on the PATH")
