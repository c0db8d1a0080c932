"""What had been delivered by a day, in a data folder of its own, and what cannot be told any more."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.ingest.known_at import lay_out, undated
from cip_assets.ingest.manifest import ManifestEntry
from cip_assets.sources.config import load_sources

APRIL, MAY_1, MAY_2 = date(2024, 4, 30), date(2024, 5, 1), date(2024, 5, 2)
SEEN = "table,sha256,first_seen,path\n"


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir, "sail")


def file(
    settings: Settings, path: str, day: date | None, sha256: str = "", problem: str | None = None
) -> ManifestEntry:
    """A landing file that was scanned."""
    target = settings.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(path, encoding="utf-8")
    return ManifestEntry(path, 0, sha256 or path, day, {}, 1, [], problem)


def links(folder: Settings) -> dict[str, str]:
    return {
        str(path.relative_to(folder.landing)): path.read_text("utf-8")
        for path in sorted(folder.landing.rglob("*"))
        if path.is_symlink()
    }


def test_the_folder_has_the_files_that_had_been_delivered(settings: Settings) -> None:
    manifest = {
        "customers": [
            file(settings, "customers.csv", None),
            file(settings, "customers/dt=2024-05-02/a.csv", MAY_2),
        ],
        "transactions": [
            file(settings, "transactions/dt=2024-05-01/a.csv", MAY_1),
            file(settings, "transactions/late.csv", MAY_2),
            file(settings, "transactions/dt=2042-01-01/a.csv", date(2042, 1, 1), problem="in the future"),
        ],
    }
    settings.first_seen.write_text(f"{SEEN}transactions,transactions/late.csv,,x.csv\n")
    folder = lay_out(settings, manifest, MAY_1)
    first = {name: name for name in ("customers.csv", "transactions/dt=2024-05-01/a.csv")}
    assert links(folder) == first
    assert (folder.data_dir, folder.known_at) == (settings.data_dir / "known" / "2024-05-01", MAY_1)
    assert folder.first_seen.read_text() == settings.first_seen.read_text()
    assert (folder.final / "known_at.csv").read_text() == "known_at\n2024-05-01\n"
    assert settings.known_at is None
    # A file that is gone is gone there, too; what was computed stays.
    folder.lake.mkdir()
    del manifest["customers"][0]
    lay_out(settings, manifest, MAY_1)
    assert links(folder) == {name: name for name in first if name != "customers.csv"}
    assert folder.lake.exists()
    assert len(links(lay_out(settings, manifest, MAY_2))) == 3


def test_a_day_before_the_first_delivery_is_refused(settings: Settings) -> None:
    manifest = {"transactions": [file(settings, "transactions/dt=2024-05-01/a.csv", MAY_1)]}
    with pytest.raises(PlatformError, match="by 2024-04-30; the first delivery is of 2024-05-01"):
        lay_out(settings, manifest, APRIL)
    with pytest.raises(PlatformError, match="no file says when it was delivered"):
        lay_out(settings, {}, APRIL)


@pytest.mark.parametrize(
    ("row", "is_refused"),
    [
        ("transactions,gone,,transactions/march.csv", True),
        ("transactions,gone,2024-05-01T23:59:59+00:00,transactions/march.csv", True),
        ("transactions,gone,2024-05-02T00:00:00+00:00,transactions/march.csv", False),
        ("transactions,gone,2024-05-09T00:00:00+00:00,transactions/dt=2024-04-30/march.csv", True),
        ("transactions,gone,,transactions/dt=2024-05-02/march.csv", False),
        ("transactions,here,,transactions/march.csv", False),
    ],
)
def test_what_was_known_and_is_gone_is_refused(settings: Settings, row: str, is_refused: bool) -> None:
    manifest = {"transactions": [file(settings, "transactions/a.csv", MAY_1, "here")]}
    settings.first_seen.write_text(f"{SEEN}{row}\n")
    if not is_refused:
        assert len(links(lay_out(settings, manifest, MAY_1))) == 1
        return
    with pytest.raises(PlatformError, match="what was known at 2024-05-01 is not there any more.*march.csv"):
        lay_out(settings, manifest, MAY_1)
    assert not (settings.data_dir / "known").exists()


def test_a_file_that_cannot_be_read_is_refused(settings: Settings) -> None:
    bad = file(settings, "returns/a.csv", None, problem="it is empty")
    with pytest.raises(PlatformError, match="returns: returns/a.csv: it is empty"):
        lay_out(settings, {"returns": [bad]}, MAY_1)


def test_full_deliveries_without_a_day_are_named(settings: Settings) -> None:
    manifest = {
        "customers": [file(settings, "customers.csv", None)],
        "products": [file(settings, "products.csv", None), file(settings, "products/dt=2024-05-01/a", MAY_1)],
        "returns": [file(settings, "returns.csv", None)],
    }
    assert undated(manifest, MAY_1) == ["customers"]
    assert undated(manifest, APRIL) == ["customers", "products"]


def test_a_damaged_day_is_refused(settings: Settings) -> None:
    (settings.data_dir / "known_at.csv").write_text("known_at\nsoon\n")
    with pytest.raises(PlatformError, match="known_at.csv has no day"):
        assert settings.known_at


# --- exports ----------------------------------------------------------------------------------------------

ORDERS = {
    "files": ["exports/*/*.csv"],
    "layouts": [
        {
            "name": "lines",
            "header": ["id", "day", "sum"],
            "fields": {"order_id": "id", "date": "day", "line_total": "sum"},
            "records": "orders.sql",
        }
    ],
}


def adopt(settings: Settings, *names: str, **more: object) -> Mapping[str, list[ManifestEntry]]:
    for name in names:
        path = settings.data_dir / "exports" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (settings.data_dir / "orders.sql").write_text("FROM orders")
    declared = {"first_month": "2024-01-01", "exports": [ORDERS], **more}
    (settings.data_dir / "sources.yaml").write_text(yaml.safe_dump(declared))
    return {"transactions": [file(settings, "transactions/from_exports/2024-05.csv", MAY_2)]}


def test_exports_are_those_that_had_been_delivered(settings: Settings) -> None:
    manifest = adopt(
        settings, "dt=2024-05-01/a.csv", "dt=2024-05-02/b.csv", "x/c 20240430.csv", rates="r.csv"
    )
    folder = lay_out(settings, manifest, MAY_1)
    assert links(folder) == {}  # they are converted there
    found, own = load_sources(folder.data_dir), settings.data_dir
    assert found
    assert found.exports[0].files == tuple(
        str(own / "exports" / name) for name in ("dt=2024-05-01/a.csv", "x/c 20240430.csv")
    )
    assert found.rates == str(own / "r.csv")
    with pytest.raises(PlatformError, match="by 2024-04-29; the first delivery is of 2024-04-30"):
        lay_out(settings, manifest, date(2024, 4, 29))


def test_exports_that_do_not_say_when_they_were_delivered_are_refused(settings: Settings) -> None:
    with pytest.raises(PlatformError, match="nobody knows when these exports were delivered: orders.csv"):
        lay_out(settings, adopt(settings, "x/orders.csv"), MAY_1)
