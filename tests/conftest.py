"""How hard the property tests try: HYPOTHESIS_PROFILE=thorough tries harder, and CI tries the same every time."""

import os

from hypothesis import settings

settings.register_profile("laptop", deadline=None, max_examples=100)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "laptop"))
