"""A customer who is erased is in no file of the landing folder, of the lake, of the exports or of Dagster."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.orchestration.erasure import trace
from cip_assets_tests.conftest import ENGINE, Cip

ERASED = ("Ada", "Lovelace", "ada@example.org", "1990-12-10", "C1")


def found_in(folder: Path) -> set[str]:
    """Which of the erased values are in files below a folder: as a value in Parquet, or as a cell in any other file."""
    return {value for path in folder.rglob("*") if path.is_file() for value in _found_in(path)}


def _found_in(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        values = [value for column in pq.ParquetFile(path).read().columns for value in column.to_pylist()]
        yield from {*map(str, values)} & {*ERASED}
        if "_delta_log" in path.parts:  # a checkpoint has values within values
            yield from (value for value in ERASED if repr(value) in repr(values))
    else:
        content = path.read_bytes().replace(b"\\", b"")
        yield from (value for value in ERASED if re.search(rf'\b{value}[",]'.encode(), content))
        yield from (value for value in ERASED[1:3] if value.encode() in content)


def test_an_erased_customer_is_in_no_file(healthy: Path, cip_on: Callable[[Path], Cip]) -> None:
    settings = Settings(healthy, ENGINE)
    assert found_in(settings.landing) == found_in(settings.lake) == set(ERASED)
    cip = cip_on(healthy)
    code, planned, _ = cip("erase", "C1")
    assert code == 0
    assert "landing/transactions.csv: 2 lines are taken out" in planned
    assert "Nothing was changed" in planned
    assert found_in(settings.lake) == set(ERASED)
    code, *printed = cip("erase", "C1", "--yes")
    assert code == 0, printed
    for folder in (settings.landing, settings.lake, settings.final, settings.issued, settings.dagster_home):
        assert found_in(folder) == set(), folder


def test_a_bucket_is_refused_because_its_older_versions_cannot_be_searched(data_dir: Path) -> None:
    with pytest.raises(PlatformError, match="cannot search the older versions"):
        trace(Settings(data_dir, "sail", "s3://shop/lake"), {"C1"})
