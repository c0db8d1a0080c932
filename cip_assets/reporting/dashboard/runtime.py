"""The code that draws the charts, as one script.

vl-convert puts it together, which takes longer than all else of the page. So it is kept in the user's cache
folder, for each version of vl-convert. A file there that is not what was written is made again, and where none can be
written the script is put together for each page.
"""

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from cip_assets.storage.files import replace_text


def runtime() -> str:
    """Vega, Vega-Lite and Vega-Embed, as vl-convert carries them."""
    path = cache_folder() / f"vega-of-vl-convert-{version('vl-convert-python')}.js"
    script = _kept(path)
    if script is None:
        script = _bundled()
        with suppress(OSError):  # the page needs the script, not the file
            replace_text(path, f"{_digest(script)}\n{script}")
    return script


def cache_folder() -> Path:
    """Where this user's programs keep what they can make again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "cip"  # noqa: PTH111 -- Path's own raises without a home


def _kept(path: Path) -> str | None:
    """The script of a file that says its hash in the first line; None unless it is whole."""
    try:
        digest, _, script = path.read_bytes().decode().partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return script if digest == _digest(script) else None


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode()).hexdigest()


def _bundled() -> str:
    # Imported here: it is large, and nearly always the script is there.
    import vl_convert  # noqa: PLC0415

    return str(vl_convert.javascript_bundle())  # type: ignore[call-arg]  # its stub lacks the default
