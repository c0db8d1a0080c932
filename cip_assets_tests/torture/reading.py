"""A reader that looks at the tables and files all the time, as a report would."""

import hashlib
import threading
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import TracebackType
from typing import Self

from deltalake import DeltaTable

from cip_assets.config.settings import Settings
from cip_assets.layers import contracts_in
from cip_assets_tests.integration.helpers import files_of, sorted_table

PAUSE = 0.2
"""Seconds between two looks."""

Contents = Mapping[str, AbstractSet[str]]
"""For each table or file, the hashes of the contents that it may have."""


def contents(settings: Settings) -> dict[str, str]:
    """The hash of each mart and of each exported file."""
    return {**_marts(settings), **files_of(settings)}


class Reader:
    """Reads in a thread; ``seen`` holds what should never be seen."""

    def __init__(self, settings: Settings, allowed: Contents) -> None:
        self.seen: list[str] = []
        self._settings, self._allowed = settings, allowed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            try:
                found = contents(self._settings)
            except FileNotFoundError:  # `cip maintain --keep-days 0` deleted the version that was open
                continue
            for name, digest in found.items():
                if digest not in self._allowed.get(name, set()):
                    self.seen.append(f"{name}: neither the content before nor the one after")
            self._over.wait(PAUSE)


def _marts(settings: Settings) -> dict[str, str]:
    found = {}
    for contract in contracts_in("marts"):
        uri = settings.table_uri(contract.layer, contract.table)
        if DeltaTable.is_deltatable(uri):
            rows = sorted_table(DeltaTable(uri).to_pyarrow_table(), contract)
            found[contract.name] = hashlib.sha256(repr(rows.to_pylist()).encode()).hexdigest()
    return found


def orphans(settings: Settings) -> list[str]:
    """Files in the lake that no table has, and what killed writers left beside the exported files."""
    expected: set[Path] = set()
    for contract in contracts_in():
        uri = settings.table_uri(contract.layer, contract.table)
        if DeltaTable.is_deltatable(uri):
            expected |= {Path(path) for path in DeltaTable(uri).file_uris()}
    found = [path for path in settings.lake.rglob("*.parquet") if "_delta_log" not in path.parts]
    left = [path for path in settings.final.iterdir() if path.name.startswith(".")]
    return sorted(str(path.relative_to(settings.data_dir)) for path in {*found, *left} - expected)
