"""The code that draws the charts, as one script.

vl-convert bundles it, which takes longer than the rest of the page. So the script is cached in the user's cache folder,
one file per version of vl-convert. A damaged file is replaced. If no file can be written, each page bundles the script.
"""

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from cip_assets.storage.files import replace_text


def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed, in the versions of vl-convert."""
    path = cache_folder() / f"vega-of-vl-convert-{version('vl-convert-python')}.js"
    script = _kept(path)
    if script is None:
        script = _bundled()
        with suppress(OSError):  # the page needs the script, not the file
            replace_text(path, f"{_digest(script)}\n{script}")
    return script


def cache_folder() -> Path:
    """The folder for files that this user's programs can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "cip"  # noqa: PTH111 -- Path's own raises without a home


def _kept(path: Path) -> str | None:
    """The script of a file whose first line is the script's hash; None if the file is missing or damaged."""
    try:
        digest, _, script = path.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return script if digest == _digest(script) else None


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()


def _bundled() -> str:
    # Imported here: it is large, and the script is nearly always in the cache.
    import vl_convert  # noqa: PLC0415

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub lacks the default
