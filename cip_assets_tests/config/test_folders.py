"""Data folders whose names mean something else in a URL or a pattern: everything works, and nothing is written outside.

The sample run checks this on every engine (``conftest.py``).
"""

import os
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from cip_assets.config import folders
from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import plain_path
from cip_assets.config.rules import load_rules, rules_file
from cip_assets.config.settings import PROJECT, Settings
from cip_assets.engines.session import address_of
from cip_assets.ingest.manifest import find_files
from cip_assets.orchestration.instance import open_instance
from cip_assets.storage import delta
from cip_assets_tests.conftest import ODD_NAME, Cip
from cip_assets_tests.storage.test_delta import IN_FEBRUARY, IN_JANUARY, A, B, Table

POSSIBLE = [ODD_NAME, "my shop #1 [ä] 100%?", "магазин a\u0308\u00a0😀", "~x", " -- ", "month=2024-01-01"]
IMPOSSIBLE = {"a%20b": "%20", "a\\b": "\\", "a\nb": "\n", "a\x7fb": "\x7f", "caf\udce9": "\udce9"}


@pytest.mark.parametrize("name", POSSIBLE)
def test_a_table_is_written_read_restored_and_maintained_in_a_folder_with_any_name(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    table = Table(spark, str(tmp_path / name / "lake" / "raw" / "events"))

    table.write(A, ("b0", "9.00", B[2]), replace=delta.Slice("month", IN_JANUARY.start, IN_FEBRUARY.end))
    table.write(B, replace=IN_FEBRUARY)
    assert table.rows() == [A, B]
    april = delta.Slice("month", date(2024, 4, 1), date(2024, 5, 1))
    assert table.write(replace=april).row_count == 0
    read = delta.read(spark, table.uri, only=IN_FEBRUARY).collect()
    assert [(row["id"], row["amount"]) for row in read] == [("b", Decimal("2.00"))]
    with duckdb.connect() as connection:
        connection.register("events", delta.open_table(table.uri).to_pyarrow_dataset())
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (2,)

    delta.restore(table.uri, 1)
    assert table.rows() == [A, ("b0", "9.00", B[2])]
    table.write(B, replace=IN_FEBRUARY)
    assert delta.maintain(table.uri, keep=timedelta()).files_deleted > 0
    assert delta.slices(table.uri, "month") == {IN_JANUARY.start, IN_FEBRUARY.start}
    assert table.rows() == [A, B]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    log = (Path(table.uri) / "_delta_log").glob("*.json")
    assert not [path for path in log if "cip-" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("name", POSSIBLE)
def test_dagsters_history_can_be_in_a_folder_with_any_name(tmp_path: Path, name: str) -> None:
    with open_instance(tmp_path / name / ".dagster") as instance:
        assert instance.get_runs() == []
        assert (tmp_path / name / ".dagster" / "history" / "runs.db").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_folder_that_delta_rs_would_confuse_with_another_is_refused(
    spark: SparkSession, tmp_path: Path, name: str
) -> None:
    table = Table(spark, str(tmp_path / name / "lake" / "raw" / "events"))
    message = "cannot hold Delta tables because its path contains .*: rename the folder, or set CIP_DATA_DIR"
    for attempt in (
        lambda: Settings(tmp_path / name, "sail"),
        lambda: delta.exists(table.uri),
        lambda: table.write(A, replace=IN_JANUARY),
    ):
        with pytest.raises(PlatformError, match=message) as refused:
            attempt()
        assert repr(IMPOSSIBLE[name]) in str(refused.value)
        assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_target_of_a_link_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a%20b").mkdir()
    (tmp_path / "shop").symlink_to(tmp_path / "a%20b")
    with pytest.raises(PlatformError, match="a%20b' cannot hold Delta tables"):
        Settings(tmp_path / "shop", "sail")


def test_a_refused_folder_is_reported_in_one_line(cip_on: Callable[[Path], Cip], tmp_path: Path) -> None:
    code, shown, errors = cip_on(tmp_path / "a%20b")("run")
    assert (code, shown) == (1, "")
    assert errors.startswith("error ")
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_reported_in_one_line(
    cip_on: Callable[[Path], Cip], tmp_path: Path
) -> None:
    (tmp_path / "shop [1]").write_text("", encoding="utf-8")
    code, _, errors = cip_on(tmp_path / "shop [1]")("run")
    assert code == 1
    message = "cannot be the data folder (Not a directory): set CIP_DATA_DIR to another one"
    assert errors == f"error {tmp_path / 'shop [1]'} {message}\n"


def test_a_file_whose_name_is_not_utf8_is_named_and_stops_its_table(data_dir: Path) -> None:
    folder = data_dir / "landing" / "returns"
    folder.mkdir()
    for name in ("caf\udce9.csv", "café.csv"):
        (folder / name).touch()
    found, left_aside = find_files(data_dir / "landing")
    assert {file.path: file.problem for file in found} == {
        "returns/café.csv": None,
        "returns/caf\\udce9.csv": "its name has a character that is not valid text; rename it",
    }
    assert left_aside == []


# --- CIP_DATA_DIR -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("shop", "cwd/shop"),
        ("./shop/", "cwd/shop"),
        (".", "cwd"),
        ("../shop", "shop"),
        ("~/my shop", "home/my shop"),
        ("~nobody-of-that-name", "cwd/~nobody-of-that-name"),
        ("link/../shop", "elsewhere/shop"),
    ],
)
def test_a_data_folder_is_written_as_in_a_shell(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, expected: str
) -> None:
    for folder in ("cwd", "elsewhere/deep"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "cwd" / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CIP_DATA_DIR", named)
    assert Settings.from_environment().data_dir == tmp_path / expected


def test_the_default_is_the_projects_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", "")
    assert Settings.from_environment().data_dir == PROJECT / "data"


@pytest.mark.parametrize(
    "named", ["file:///tmp/shop", "gs://bucket/shop", "s3://bucket/my shop", "s3://b/../x"]
)
def test_other_addresses_are_not_data_folders(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", named)
    with pytest.raises(PlatformError, match=f"^CIP_DATA_DIR='{named}' is not an address that the platform"):
        Settings.from_environment()


def test_a_bucket_has_a_folder_for_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", "s3://bucket/shop/")
    monkeypatch.setenv("CIP_WORK_DIR", str(tmp_path))
    settings = Settings.from_environment()
    assert settings.final == tmp_path / "bucket/shop/final"
    assert settings.address_of(settings.final) == "s3://bucket/shop/final"
    assert (
        settings.of_day(date(2024, 5, 1)).table_uri("raw", "x")
        == "s3://bucket/shop/known/2024-05-01/lake/raw/x"
    )


def test_apache_spark_is_refused_in_a_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", "s3://bucket/shop")
    monkeypatch.setenv("CIP_ENGINE", "spark")
    with pytest.raises(PlatformError, match="^CIP_ENGINE=spark cannot write to s3://bucket/shop, because"):
        Settings.from_environment()


def test_the_rules_file_can_be_in_such_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rules = tmp_path / ODD_NAME / "my rules.yaml"
    rules.parent.mkdir()
    rules.write_bytes((PROJECT / "cip_assets" / "config" / "business_rules.yaml").read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CIP_RULES", f"~/{ODD_NAME}/my rules.yaml")
    assert load_rules(rules_file()) == load_rules()


# --- plain paths ------------------------------------------------------------------------------------------


def test_a_plain_path_points_to_the_same_folder(tmp_path: Path) -> None:
    assert plain_path(tmp_path / "lake" / "month=2024-01-01") == tmp_path / "lake" / "month=2024-01-01"
    first, second = (plain_path(tmp_path / name / "lake" / "raw") for name in ("a b", "a#b"))
    assert first != second
    assert first == plain_path(tmp_path / "a b" / "lake" / "raw")
    (tmp_path / "a b" / "lake").mkdir(parents=True)
    first.mkdir()
    assert (tmp_path / "a b" / "lake" / "raw").is_dir()


def test_a_folder_of_links_that_others_can_write_to_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(folders.tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"cip-{os.getuid()}").mkdir()
    (tmp_path / f"cip-{os.getuid()}").chmod(0o777)
    with pytest.raises(PlatformError, match="is not a folder that only you can write to"):
        plain_path(tmp_path / "a b")


def test_an_address_with_a_scheme_is_unchanged(spark: SparkSession) -> None:
    address = "s3://bucket/my shop/lake/raw/events"
    assert (delta._for_engine(spark, address), delta._for_delta_rs(address)) == (address, address)


def test_an_endpoint_that_is_apache_spark_is_refused_in_a_bucket(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cip_assets.engines.session._is_apache_spark", lambda session: True)
    with pytest.raises(
        PlatformError, match="^Apache Spark cannot write to s3://bucket/shop, because its Delta"
    ):
        delta._for_engine(spark, "s3://bucket/shop")


def test_an_endpoint_that_is_not_spark_gets_no_path_that_it_would_misinterpret(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The endpoint here is a Sail server that seems to run on another machine."""
    monkeypatch.setattr("cip_assets.engines.sail._RUNNING", [])
    assert address_of(spark, tmp_path) == str(tmp_path)
    with pytest.raises(
        PlatformError, match="the endpoint CIP_SPARK_REMOTE cannot write to .* because it is not Apache Spark"
    ):
        address_of(spark, tmp_path / "my shop")


def test_a_write_without_rows_is_in_the_history(spark: SparkSession, tmp_path: Path) -> None:
    """A commit without rows is made by a different call than all others; its row count is known."""
    table = Table(spark, str(tmp_path / "raw" / "events"))
    table.write(A, replace=IN_JANUARY)
    table.write(replace=IN_FEBRUARY)
    assert pa.table(delta.open_table(table.uri).get_add_actions()).num_rows == 1
    assert [commit.row_count for commit in delta.history(delta.open_table(table.uri), 2)] == [0, 1]
