"""A customer who is erased as docs/bring-your-own-data.md says is in no file of the lake, of the exports or of Dagster."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.jobs.names import MAINTENANCE
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import LANDED, land_all

ERASED = ("Ada", "Lovelace", "ada@example.org", "1990-12-10", "C1")


def found_in(folder: Path) -> set[str]:
    """Which of the erased values are in files below a folder: as a value in Parquet, or in quotes in any other file."""
    return {value for path in folder.rglob("*") if path.is_file() for value in _found_in(path)}


def _found_in(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        values = {
            str(value) for column in pq.ParquetFile(path).read().columns for value in column.to_pylist()
        }
        yield from values & set(ERASED)
    else:
        content = path.read_bytes().replace(b"\\", b"")
        yield from (value for value in ERASED if f'"{value}"'.encode() in content)
        yield from (value for value in ERASED[1:3] if value.encode() in content)


def test_an_erased_customer_is_in_no_file(healthy: Path) -> None:
    settings = Settings(healthy, ENGINE)
    assert found_in(settings.lake) == set(ERASED)
    land_all(
        settings.landing,
        **{
            table: "".join(line for line in rows.splitlines(keepends=True) if ",C1," not in f",{line}")
            for table, rows in LANDED.items()
        },
    )
    platform = open_platform(settings)
    with platform.instance:
        assert platform.run(accept=["customers"]).succeeded
        platform.recover(MAINTENANCE, {"keep_days": 0})
    for folder in (settings.lake, settings.final, settings.dagster_home):
        assert found_in(folder) == set(), folder
