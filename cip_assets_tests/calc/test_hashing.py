"""Keys are told apart by their hash, whatever a file holds of them."""

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
def test_two_keys_have_one_hash_only_if_they_are_equal(spark: SparkSession, tmp_path: Path) -> None:
    """Whether a column is the same on all rows of a file, is empty on all of them, or neither."""
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


def test_a_line_is_judged_alike_whatever_stands_beside_it_in_a_file_of_the_lake(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    """Every mixture of three lines, each a commit of its own: ragged lines only, one id on all, ..."""
    mixtures = list(product(LINES, repeat=3))
    calendar = Calendar(MARCH, MARCH)
    landed, lake = tmp_path / "landing", tmp_path / "raw"
    (landed / "transactions").mkdir(parents=True)
    paths = [f"transactions/{number:02}.csv" for number in range(len(mixtures))]
    for path, mixture in zip(paths, mixtures, strict=True):
        lines = [LINES[kind].format(f"{path}:{place}") for place, kind in enumerate(mixture)]
        (landed / path).write_text("\n".join([",".join(TRANSACTIONS.columns), *lines]))
    entries = [entry_of(landed, path, calendar) for path in paths]
    rows = read_landing(spark, landed, TRANSACTIONS, entries, calendar, [MARCH]).toArrow()
    for path in paths:
        of_one_file = rows.filter(pc.equal(rows["source_file"], path))
        deltalake.write_deltalake(lake, of_one_file, mode="append", partition_by=["month"])

    judged = cleaning.judge(spark.read.format("delta").load(str(lake)), TRANSACTIONS, rules)

    outcomes = {(row["source_file"], row["source_line"]): row["outcome"] for row in collected(judged)}
    fate = {"good": "cleaned", "ragged": "quarantined", "without id": "quarantined", "same id": "superseded"}
    expected = {
        (path, line): fate[kind]
        for path, mixture in zip(paths, mixtures, strict=True)
        for line, kind in enumerate(mixture, 2)
    }
    expected[paths[-1], 4] = "cleaned"  # the last line of the last file with the id that others have
    assert outcomes == expected
