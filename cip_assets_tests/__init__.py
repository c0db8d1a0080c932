"""The tests, which mirror the package. They search for garbage as seldom as `cip` does."""

import gc

from cip_assets.cli.app import OBJECTS_BETWEEN_SEARCHES

gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
