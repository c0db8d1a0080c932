"""A scan of exports costs what changed: what is kept is used only if nothing that decides it has changed."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

import cip_assets
from cip_assets.config.errors import PlatformError
from cip_assets.sources import kept
from cip_assets.sources.config import Export, Layout, Query, Sources
from cip_assets.sources.convert import convert

HEADER = ("Order", "Day", "Customer", "Item", "Price")
LAYOUT = Layout.model_validate(
    {
        "header": HEADER,
        "fields": {
            "order_id": "Order",
            "date": "Day",
            "customer_id": "Customer",
            "product_id": "Item",
            "unit_price": "Price",
        },
    }
)
JANUARY = ("1,2024-01-05,ann,P1,5.00", "2,2024-01-06,bob,P1,5.00", "3,2024-01-31,bob,P2,7 EUR")
FEBRUARY = ("4,2024-02-05,ann,P2,6.00",)


def put(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in (",".join(HEADER), *lines)), encoding="utf-8")


class Shop:
    """Exports of two months, and what a scan makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        put(folder / "january.csv", *JANUARY)
        put(folder / "february.csv", *FEBRUARY)
        self.sources = sources(LAYOUT)
        self.scan()

    def scan(self) -> dict[str, str]:
        """The text of each landing file after a scan."""
        convert(self.sources, self.folder, self.folder / "landing")
        return self.landed

    @property
    def landed(self) -> dict[str, str]:
        landing = self.folder / "landing"
        return {
            path.relative_to(landing).as_posix(): path.read_text("utf-8") for path in landing.rglob("*.csv")
        }

    @property
    def conversion(self) -> int:
        """When the last conversion was."""
        return (self.folder / kept.FOLDER / kept.LAST).stat().st_mtime_ns

    @property
    def readings(self) -> dict[str, int]:
        """When the texts of each file were made."""
        return {
            path.parent.name: path.stat().st_mtime_ns
            for path in (self.folder / kept.FOLDER).glob("*/*.parquet")
        }


def sources(layout: Layout, **others: object) -> Sources:
    export = Export(files=("*.csv",), layouts=(layout,))
    given = {"first_month": date(2024, 1, 1), "exports": (export,), **others}
    return Sources.model_validate(given)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_nothing_is_done_if_nothing_changed(shop: Shop) -> None:
    before, conversion, readings = shop.landed, shop.conversion, shop.readings
    assert shop.scan() == before
    assert (shop.conversion, shop.readings) == (conversion, readings)
    again = convert(shop.sources, shop.folder, shop.folder / "landing")
    (shop.folder / kept.FOLDER / kept.LAST).unlink()
    assert convert(shop.sources, shop.folder, shop.folder / "landing") == again
    assert (again.records, again.orders, str(again.sold)) == (4, 4, "23.00")


def changed_byte(shop: Shop) -> None:
    """Another price, in a file of the same size and time."""
    path = shop.folder / "february.csv"
    time = path.stat().st_mtime_ns
    put(path, FEBRUARY[0].replace("6.00", "9.00"))
    os.utime(path, ns=(time, time))


def edited_layout(shop: Shop) -> None:
    kinds = [{"is": "cancelled", "when": "product_id = 'P2'"}]
    shop.sources = sources(Layout.model_validate({**LAYOUT.model_dump(), "kinds": kinds}))


def other_currency(shop: Shop) -> None:
    shop.sources = sources(LAYOUT, currency="USD")


def edited_sql(shop: Shop) -> None:
    query = Query(name="sources/records.sql", sql="FROM records WHERE Customer = 'ann'")
    shop.sources = sources(LAYOUT.model_copy(update={"records": query}))


@pytest.mark.parametrize("change", [changed_byte, edited_layout, other_currency, edited_sql])
def test_what_changes_the_result_is_noticed(shop: Shop, change: Callable[[Shop], None]) -> None:
    before, conversion = shop.landed, shop.conversion
    change(shop)
    after = shop.scan()
    assert after != before
    assert shop.conversion > conversion
    shutil.rmtree(shop.folder / kept.FOLDER)
    shutil.rmtree(shop.folder / "landing")
    assert shop.scan() == after


def test_edited_sql_and_rates_are_noticed(shop: Shop) -> None:
    rates = shop.folder / "rates.txt"
    shop.sources = sources(LAYOUT, currency="USD", rates="rates.txt")
    for rate in ("1.10", "1.20"):
        rates.write_text(f"day,currency,rate\n2024-01-01,EUR,{rate}\n", encoding="utf-8")
        shop.scan()
        conversion = shop.conversion
        shop.scan()
        assert shop.conversion == conversion
    rates.unlink()
    with pytest.raises(PlatformError, match=r"rates\.txt.*columns day"):
        shop.scan()


def test_only_a_changed_file_is_read_again(shop: Shop) -> None:
    before = shop.readings
    put(shop.folder / "february.csv", *FEBRUARY, "5,2024-02-06,bob,P2,6.00")
    assert "5-1,5,bob" in shop.scan()["transactions/from_exports/2024-02.csv"]
    both = before.items() & shop.readings.items()
    assert (len(both), len(shop.readings)) == (1, 2)  # what the old file held is not kept


def test_a_file_that_was_only_touched_is_not_read_again(shop: Shop) -> None:
    before, conversion = shop.readings, shop.conversion
    os.utime(shop.folder / "january.csv", ns=(0, 0))
    shop.scan()
    assert shop.readings == before
    assert shop.conversion > conversion  # of two files with an order, the one that was changed later counts


@pytest.mark.parametrize("name", ["transactions/from_exports/2024-01.csv", "_left_out.csv"])
def test_a_landing_file_that_someone_changed_is_made_again(shop: Shop, name: str) -> None:
    before = shop.landed
    path = shop.folder / "landing" / name
    path.write_text(path.read_text("utf-8") + "x\n", encoding="utf-8")
    assert shop.scan() == before
    path.unlink()
    assert shop.scan() == before
    (shop.folder / "landing/transactions/from_exports/2023-01.csv").write_text("x\n", encoding="utf-8")
    assert shop.scan() == before


def test_another_version_of_the_code_reads_everything_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, readings = shop.landed, shop.readings
    monkeypatch.setattr(kept, "code", lambda: "another version")
    assert shop.scan() == before
    assert not readings.keys() & shop.readings.keys()


def test_each_module_that_reads_or_converts_is_part_of_the_version(tmp_path: Path) -> None:
    package = shutil.copytree(Path(cip_assets.__file__).parent, tmp_path / "cip_assets")
    ask = "from cip_assets.sources.kept import code; print(code())"

    def version() -> str:
        run = subprocess.run(
            [sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, check=True, env={}
        )
        return run.stdout.decode().strip()

    versions = [version()]
    for name in ("orders.py", "reading/rows.py"):
        path = package / "sources" / name
        path.write_text(path.read_text("utf-8") + "\nCHANGED = 1\n", encoding="utf-8")
        versions.append(version())
    assert len(set(versions)) == len(versions)
    assert version() == versions[-1]


def test_what_is_kept_may_be_deleted_or_damaged(shop: Shop) -> None:
    before = shop.landed
    folder = shop.folder / kept.FOLDER
    for path in folder.glob("*/*.parquet"):
        path.write_bytes(path.read_bytes()[:20])
    for damaged in ("{", "{}", "[]", ""):
        (folder / kept.LAST).write_text(damaged, encoding="utf-8")
        next(folder.glob(f"*/{kept.INDEX}")).write_text(damaged, encoding="utf-8")
        assert shop.scan() == before
    next(folder.glob("*/*.parquet")).unlink()
    (folder / kept.LAST).unlink()
    assert shop.scan() == before
    shutil.rmtree(folder)
    assert shop.scan() == before


def test_an_archive_is_read_again_as_a_whole(tmp_path: Path) -> None:
    for months in (1, 2):
        with zipfile.ZipFile(tmp_path / "orders.csv", "w") as archive:
            for name, lines in (("january.csv", JANUARY), ("february.csv", FEBRUARY))[:months]:
                archive.writestr(name, "".join(f"{line}\n" for line in (",".join(HEADER), *lines)))
        for _ in range(2):
            found = convert(sources(LAYOUT), tmp_path, tmp_path / "landing")
            assert found.orders == (3 if months == 1 else 4)
            (tmp_path / kept.FOLDER / kept.LAST).unlink()


def test_a_file_that_changes_while_it_is_read_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shop.folder / "february.csv"
    put(path, *FEBRUARY, "5,2024-02-06,bob,P2,6.00")
    found = kept.members

    def grows(path: Path) -> object:
        with path.open("a", encoding="utf-8") as stream:
            stream.write("6,2024-02-0")
        return found(path)

    before = shop.landed
    monkeypatch.setattr(kept, "members", grows)
    with pytest.raises(PlatformError) as refused:
        shop.scan()
    assert str(refused.value) == "february.csv: it changed while it was read; run again when it is complete"
    assert shop.landed == before
    monkeypatch.undo()
    put(path, *FEBRUARY)
    assert shop.scan() == before
