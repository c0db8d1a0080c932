"""Conflicting ids: different lines with the same id in one delivery, but not repeated lines or corrections."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.ingest.conflicts import Conflicts, conflicting_ids
from cip_assets.layers import SOURCE_TABLES
from cip_assets.storage import delta
from cip_assets.storage.delta import Slice
from cip_assets_tests.layers.lines import lines_of

MARCH = date(2024, 3, 1)
ORDERS = ",".join(SOURCE_TABLES["transactions"].columns)

Find = Callable[[Mapping[str, str]], Conflicts]


@pytest.fixture
def find(spark: SparkSession, rules: Rules, tmp_path: Path) -> Find:
    """Land files of one event table with rows in March, clean them, and search for conflicts."""

    def conflicts(files: Mapping[str, str]) -> Conflicts:
        settings = Settings(tmp_path, "sail")
        table = next(iter(files)).split("/")[0].removesuffix(".csv")
        found = lines_of(spark, rules, tmp_path / "landing", files, MARCH)
        source = SOURCE_TABLES[table]
        for contract, rows in (
            (source.raw, found.raw),
            (source.cleaned, found.cleaned),
            (source.quarantine, found.kept_out),
        ):
            delta.write(
                rows,
                settings.table_uri(contract.layer, table),
                schema=contract.spark_schema,
                partition_column="month",
            )
        return conflicting_ids(settings, source, Slice("month", MARCH, date(2024, 4, 1)))

    return conflicts


def orders(*lines: str, columns: str = ORDERS) -> str:
    return "\n".join([columns, *lines, ""])


def line(order: str, product: str, amount: str, day: str = "2024-03-05") -> str:
    return f"{order},c1,{product},1,,{amount},Cash,{day}"


def test_an_export_with_a_line_for_each_item_is_found(find: Find) -> None:
    found = find(
        {
            "transactions.csv": orders(
                line("o1", "p1", "10"), line("o1", "p2", "20"), line("o2", "p1", "5"), line("o1", "p3", "30")
            )
        }
    )
    assert found == Conflicts(1, 0, [(1, 2)], ("transactions.csv:2, 3, 5",))


def test_a_repeated_line_is_not_a_conflict_even_with_blanks_around_its_values(find: Find) -> None:
    blanks = "\u00a0o1 ,c1, p1,1,  ,10,Cash ,2024-03-05\t"
    found = find({"transactions.csv": orders(line("o1", "p1", "10"), line("o1", "p1", "10"), blanks)})
    assert (found.in_one_file, found.across_files, found.places) == (0, 0, ())


def test_lines_that_differ_only_in_an_additional_column_are_found(find: Find) -> None:
    """Two equal items of an order differ only in their position number."""
    found = find(
        {
            "transactions.csv": orders(
                f"{line('o1', 'p1', '5')},1", f"{line('o1', 'p1', '5')},2", columns=f"{ORDERS},position"
            )
        }
    )
    assert found.places == ("transactions.csv:2, 3",)


def test_a_correction_in_a_later_delivery_is_not_a_conflict(find: Find) -> None:
    found = find(
        {
            "transactions/dt=2024-03-05/a.csv": orders(line("o1", "p1", "10"), line("o1", "p2", "20")),
            "transactions/dt=2024-03-06/a.csv": orders(line("o1", "p1", "30")),
        }
    )
    assert (found.in_one_file, found.across_files) == (0, 0)


def test_files_of_one_delivery_are_compared_but_counted_separately(find: Find) -> None:
    found = find(
        {
            "transactions/dt=2024-03-05/a.csv": orders(line("o1", "p1", "10"), line("o2", "p1", "1")),
            "transactions/dt=2024-03-05/b.csv": orders(line("o1", "p2", "20"), line("o2", "p1", "1")),
        }
    )
    assert found == Conflicts(
        0, 1, [], ("transactions/dt=2024-03-05/a.csv:2 and transactions/dt=2024-03-05/b.csv:2",)
    )


def test_files_without_a_delivery_may_correct_each_other(find: Find) -> None:
    found = find(
        {
            "transactions/am.csv": orders(line("o1", "p1", "10")),
            "transactions/pm.csv": orders(line("o1", "p1", "20")),
        }
    )
    assert (found.in_one_file, found.across_files) == (0, 0)


def test_a_bad_line_is_not_in_conflict(find: Find) -> None:
    found = find({"transactions.csv": orders(line("o1", "p1", "10"), line("o1", "p2", "ten"))})
    assert (found.in_one_file, found.across_files) == (0, 0)


def test_of_many_lines_only_the_first_are_named(find: Find) -> None:
    events = [f"s{n % 9},c1,Search,,2024-03-05 10:{n:02d}:00" for n in range(60)]
    found = find(
        {
            "web_activity.csv": "\n".join(
                ["session_id,customer_id,activity_type,product_id,timestamp", *events]
            )
        }
    )
    assert (found.by_month, found.in_one_file, len(found.places)) == ([(9, 9)], 9, 5)
    assert found.places[0] == "web_activity.csv:2, 11, 20, 29, 38, ..."


def test_more_than_the_allowed_share_of_a_month_is_too_many_but_a_single_id_is_not() -> None:
    assert not Conflicts(1, 0, [(1, 1)]).exceeds(0.005)
    assert Conflicts(2, 0, [(2, 399)]).exceeds(0.005)
    assert not Conflicts(2, 0, [(2, 400)]).exceeds(0.005)
    # One bad month among many good ones, and one conflicting id in each of two months.
    assert Conflicts(50, 0, [(1, 100_000), (49, 50)]).exceeds(0.005)
    assert not Conflicts(2, 0, [(1, 1), (1, 1)]).exceeds(0.005)
    assert not Conflicts(9, 0, [(9, 9)]).exceeds(1)
