"""Different keys have different hashes, whatever else is in a file."""

from datetime import date
from itertools import product
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from cip_assets.calc.hashing import key_hash
from cip_assets.config.rules import Rules
from cip_assets.ingest.calendar import Calendar
from cip_assets.ingest.read import read_landing
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned import judge as cleaning
from cip_assets_tests.layers.frames import collected
from cip_assets_tests.layers.lines import entry_of

TRANSACTIONS = SOURCE_TABLES["transactions"]
MARCH = date(2024, 3, 1)


@pytest.mark.engine
def test_two_keys_have_the_same_hash_only_if_they_are_equal(spark: SparkSession, tmp_path: Path) -> None:
    """The column has the same value on all rows of a file, is empty on all rows, or neither."""
    ids: dict[str, list[str | None]] = {
        "equal": ["T1", "T1", "T1"],
        "empty": [None, None, None],
        "mixed": ["T1", None, "T1"],
        "other": ["T1", "T2", "T3"],
    }
    month = pa.array([MARCH] * 3, pa.date32())
    columns = {name: pa.array(keys, pa.string()) for name, keys in ids.items()}
    pq.write_table(pa.table({**columns, "month": month}), tmp_path / "keys.parquet")
    frame = spark.read.parquet(str(tmp_path / "keys.parquet"))
    rows = frame.select(*(key_hash(name, "month").alias(name) for name in ids)).collect()
    hashes = {key: row[name] for name, keys in ids.items() for key, row in zip(keys, rows, strict=True)}
    for name, keys in ids.items():
        assert [row[name] for row in rows] == [hashes[key] for key in keys]
    assert len(set(hashes.values())) == len(hashes) == 4
    assert None not in hashes.values()


LINES = {
    "good": "{},C1,P1,1,10,10.00,Cash,2024-03-01",
    "ragged": "{},C1,P1,1,10,10.00,2024-03-01",
    "without id": ",C1,P1,1,10,10.00,Cash,2024-03-01",
    "same id": "T,C1,P1,1,10,10.00,Cash,2024-03-01",
}


def test_the_outcome_of_a_line_does_not_depend_on_other_lines_in_the_delta_file(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    """Every combination of three lines, each in its own commit, such as only ragged lines, or one id on all lines."""
    combinations = list(product(LINES, repeat=3))
    calendar = Calendar(MARCH, MARCH)
    landed, lake = tmp_path / "landing", tmp_path / "raw"
    (landed / "transactions").mkdir(parents=True)
    paths = [f"transactions/{number:02}.csv" for number in range(len(combinations))]
    for path, combination in zip(paths, combinations, strict=True):
        lines = [LINES[kind].format(f"{path}:{place}") for place, kind in enumerate(combination)]
        (landed / path).write_text("\n".join([",".join(TRANSACTIONS.columns), *lines]))
    entries = [entry_of(landed, path, calendar) for path in paths]
    rows = read_landing(spark, landed, TRANSACTIONS, entries, calendar, [MARCH]).toArrow()
    for path in paths:
        of_one_file = rows.filter(pc.equal(rows["source_file"], path))
        deltalake.write_deltalake(lake, of_one_file, mode="append", partition_by=["month"])

    judged = cleaning.judge(spark.read.format("delta").load(str(lake)), TRANSACTIONS, rules)

    outcomes = {(row["source_file"], row["source_line"]): row["outcome"] for row in collected(judged)}
    outcome = {
        "good": "cleaned",
        "ragged": "quarantined",
        "without id": "quarantined",
        "same id": "superseded",
    }
    expected = {
        (path, line): outcome[kind]
        for path, combination in zip(paths, combinations, strict=True)
        for line, kind in enumerate(combination, 2)
    }
    expected[paths[-1], 4] = "cleaned"  # the last line with the shared id, in the last file
    assert outcomes == expected
