"""Files on this machine: hashing them, and replacing one in one step."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Written:
    """The file that an export wrote."""

    path: Path
    sha256: str
    size_bytes: int
    row_count: int | None = None


def hash_file(path: Path) -> tuple[int, str]:
    """Size and SHA-256 hash of the file as it is on disk."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def replace_text(target: Path, text: str) -> Written:
    """Write a text to a file, which is replaced in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.new")
    content = text.encode()
    scratch.write_bytes(content)
    scratch.replace(target)
    return Written(target, hashlib.sha256(content).hexdigest(), len(content))
