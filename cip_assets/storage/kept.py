"""The files of the results that a table keeps from one run to the next."""

import json
from pathlib import Path

import numpy as np
import scipy

from cip_assets.analytics.kept import Kept
from cip_assets.storage.files import replace_text

LIBRARIES = f"numpy {np.__version__}, scipy {scipy.__version__}"
"""Other versions may give other last digits."""


def read(path: Path, code: str) -> Kept:
    """What was kept by the same code; nothing if it was other code, or if the file is not there or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        is_same = (found["code"], found["libraries"]) == (code, LIBRARIES)
        return Kept(found["results"] if is_same else {})
    except (OSError, ValueError, KeyError, TypeError):
        return Kept()


def write(path: Path, code: str, kept: Kept) -> None:
    """Keep what was used, in place of what was kept before."""
    replace_text(path, json.dumps({"code": code, "libraries": LIBRARIES, "results": kept.used}))
