"""What all tests share: hypothesis finds the same examples on every machine, and never fails for being slow."""

import os

from hypothesis import settings

pytest_plugins = ["tests.behaviours"]

settings.register_profile("every-time", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("long", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "every-time"))
