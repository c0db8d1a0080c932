"""Records of Parquet files: every value is text."""

import datetime as dt
import gzip
import io
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets_tests.sources.reading.readings import dialect_of, records_of, values_of

NOON = dt.datetime(2024, 7, 1, 12, tzinfo=dt.UTC)


def parquet(columns: dict[str, pa.Array]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, row_group_size=2)
    return content.getvalue()


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        pytest.param(pa.array([9007199254740993, None]), ["9007199254740993", None], id="integers"),
        pytest.param(pa.array([7.0, None, 8.0]), ["7", None, "8"], id="whole doubles"),
        pytest.param(
            pa.array([float("nan"), 2.0**53]), [None, "9007199254740992"], id="NaN is a missing value"
        ),
        pytest.param(pa.array([7.0, 2.0, 0.1, 1e22]), ["7.0", "2.0", "0.1", "1e+22"], id="doubles"),
        pytest.param(pa.array([float("inf"), 1.0]), ["inf", "1.0"], id="infinity"),
        pytest.param(pa.array([0.1, 2.5], pa.float32()), ["0.1", "2.5"], id="floats"),
        pytest.param(
            pa.array([Decimal("0.0000001000"), Decimal(-5)], pa.decimal128(20, 10)),
            ["0.0000001000", "-5.0000000000"],
            id="decimals",
        ),
        pytest.param(
            pa.array([NOON], pa.timestamp("us", "Europe/Berlin")),
            ["2024-07-01T14:00:00+02:00"],
            id="moments of a zone",
        ),
        pytest.param(
            pa.array([1719835200_000000001], pa.timestamp("ns")),
            ["2024-07-01T12:00:00.000000001"],
            id="nanoseconds",
        ),
        pytest.param(pa.array([dt.date(2024, 7, 1)]), ["2024-07-01"], id="days"),
        pytest.param(pa.array([True, False]), ["true", "false"], id="truth"),
        pytest.param(
            pa.array(["paid", "open", None]).dictionary_encode(), ["paid", "open", None], id="a dictionary"
        ),
        pytest.param(pa.array([b"M\xc3\xbc", b"\xff"]), ["Mü", "\\xff"], id="bytes"),
        pytest.param(pa.array([[1, None], []]), ["[1, null]", "[]"], id="lists"),
    ],
)
def test_a_value_is_text(tmp_path: Path, column: pa.Array, texts: list[str | None]) -> None:
    found = values_of(tmp_path / "a", parquet({"value": column}))
    assert found == [(number, value, None) for number, value in enumerate(texts, 1)]


def test_structs_are_flattened_and_names_are_distinct(tmp_path: Path) -> None:
    customer = pa.array([{"email": "a", "age": 3.0}, None])
    content = parquet({"customer": customer, "line": pa.array([1, 2])})
    assert dialect_of(tmp_path / "a", content).columns == ("customer.email", "customer.age", "line_2")
    assert values_of(tmp_path / "a", content) == [(1, "a", "3", "1", None), (2, None, None, "2", None)]


def test_the_text_of_a_record_is_json(tmp_path: Path) -> None:
    (record,) = records_of(
        tmp_path / "a", gzip.compress(parquet({"id": pa.array([1]), "note": pa.array(["ü"])}))
    )
    assert (record["record_text"], record["field_count"], record["extra"]) == (
        '{"id": "1", "note": "ü"}',
        2,
        None,
    )


@pytest.mark.parametrize("cut", [4, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    content = parquet({"id": pa.array([1])})[:cut]
    with pytest.raises(
        UnreadableExport, match=r"^a: the Parquet file cannot be read \(.*\); write it again$"
    ):
        dialect_of(tmp_path / "a", content)


def test_a_value_without_text_is_refused(tmp_path: Path) -> None:
    nowhere = pa.array([0], pa.timestamp("us", "Nowhere/Nothing"))
    with pytest.raises(UnreadableExport, match=r"^a: the Parquet file cannot be read"):
        records_of(tmp_path / "a", parquet({"at": nowhere}))
