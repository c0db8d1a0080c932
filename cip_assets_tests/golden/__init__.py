"""What the platform computes for a sample of 400 customers, as hashes: they move on purpose only.

``python -m cip_assets_tests.golden`` makes them again and prints what changed, by table and column.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cip_assets.config.settings import Settings
from cip_assets.reporting.dashboard.figures import Figures
from cip_assets_tests.integration.helpers import every_table, files_of

HASHES = Path(__file__).with_name("sample.json")

LONG = re.compile(r"-?\d+\.\d{7,}(e[+-]?\d+)?")
"""A number with more digits than two machines need to agree on."""

Hashes = Mapping[str, Mapping[str, Any]]


def golden(settings: Settings, page: Figures) -> Hashes:
    """The hash of every column of every table in the order of its key, of every file, and of the page's figures."""
    tables = {
        name: {"rows": table.num_rows}
        | {column: _hash(table[column].to_pylist()) for column in sorted(table.column_names)}
        for name, table in every_table(settings).items()
    }
    files = {f"final/{name}": {"sha256": sha256[:16]} for name, sha256 in files_of(settings).items()}
    figures = {"page/cube": {"sha256": _hash([page.cube])}} | {
        f"page/{name}": {"rows": len(rows), "sha256": _hash(rows)} for name, rows in page.tables.items()
    }
    return dict(sorted((tables | files | figures).items()))


def _hash(values: Iterable[Any]) -> str:
    return hashlib.sha256("\n".join(map(_text, values)).encode()).hexdigest()[:16]


def _text(value: Any) -> str:
    """A value, floating point to six digits: the last ones depend on the processor."""
    text = repr(
        dict(sorted(value)) if isinstance(value, list) and value and isinstance(value[0], tuple) else value
    )
    return LONG.sub(lambda number: f"{float(number[0]):.6g}", text)


def kept() -> Hashes:
    """The hashes in the project."""
    found: Hashes = json.loads(HASHES.read_text(encoding="utf-8"))
    return found


def keep(hashes: Hashes) -> None:
    HASHES.write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def changes(before: Hashes, after: Hashes) -> list[str]:
    """What differs, a line for each table or file."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            found.append(f"{name}: {'new' if old is None else 'gone'}")
        elif old != new:
            columns = sorted(c for c in {*old, *new} if old.get(c) != new.get(c))
            found.append(f"{name}: {', '.join(columns)}")
    return found
