"""A data folder in a bucket: copies of its files, the lock of a table, and what is wrong with the bucket."""

import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from threading import Event, Thread

import obstore
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from obstore.exceptions import BaseError

from cip_assets.cli.adopt import adopt
from cip_assets.cli.erase import erase
from cip_assets.cli.generate import generate
from cip_assets.cli.stream import stream
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.ingest.known_at import lay_out
from cip_assets.ingest.manifest import ManifestEntry
from cip_assets.storage import place
from cip_assets.storage.files import hash_file, replace_text
from cip_assets.storage.lease import lease
from cip_assets.storage.trouble import damage_of, trouble
from cip_assets_tests.buckets import Shop

HOLDER = """
import sys
from obstore.store import S3Store
from cip_assets.storage.lease import lease
with lease(S3Store(sys.argv[1]), "lock", seconds=1.5):
    print("held", flush=True)
    sys.stdin.readline()
"""


def files_in(folder: Path) -> dict[str, str]:
    visible = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_text() for path in visible}


# --- copies -----------------------------------------------------------------------------------------------


def test_copies_follow_the_bucket(bucket: Shop) -> None:
    copies = bucket.settings.data_dir
    bucket.put("landing/transactions/dt=2024-03-01/a.csv", b"a")
    bucket.put("landing/b.csv", b"b")
    bucket.put("lake/raw/t/part.parquet", b"rows")
    bucket.put("known/2024-03-01/final/x.csv", b"x")
    bucket.put("landing/", b"")  # what consoles make to show a folder
    place.fetch(bucket.settings)
    assert files_in(copies) == {"landing/transactions/dt=2024-03-01/a.csv": "a", "landing/b.csv": "b"}
    bucket.put("landing/b.csv", b"changed")
    obstore.delete(bucket.store, "shop/landing/transactions/dt=2024-03-01/a.csv")
    replace_text(copies / "landing" / "own.csv", "never in the bucket")
    place.fetch(bucket.settings)
    assert files_in(copies) == {"landing/b.csv": "changed", "landing/own.csv": "never in the bucket"}


def test_a_copy_that_somebody_changed_is_made_again(bucket: Shop) -> None:
    bucket.put("landing/b.csv", b"b")
    place.fetch(bucket.settings)
    copy = bucket.settings.landing / "b.csv"
    copy.write_text("changed here")
    place.fetch(bucket.settings)
    assert copy.read_text() == "b"


def test_a_file_that_did_not_change_is_neither_fetched_nor_sent(bucket: Shop) -> None:
    path = replace_text(bucket.settings.final / "x.csv", "1").path
    place.publish(bucket.settings, path)
    bucket.put("other.csv", b"2")
    place.fetch(bucket.settings)
    before = path.stat().st_ino, [each["last_modified"] for each in obstore.list(bucket.store).collect()]
    place.fetch(bucket.settings)
    place.publish(bucket.settings, path)
    after = path.stat().st_ino, [each["last_modified"] for each in obstore.list(bucket.store).collect()]
    assert before == after


def test_a_record_that_two_machines_change_at_once_is_refused(bucket: Shop, tmp_path: Path) -> None:
    there = bucket.elsewhere(tmp_path / "there")
    place.publish(bucket.settings, replace_text(bucket.settings.first_seen, "1").path, is_only_here=True)
    mine = replace_text(there.first_seen, "2").path
    with pytest.raises(PlatformError, match="/shop/first_seen.csv was changed by another process"):
        place.publish(there, mine, is_only_here=True)
    place.fetch(there)
    assert there.first_seen.read_text() == "1"
    replace_text(there.first_seen, "12")
    place.publish(there, there.first_seen, is_only_here=True)
    assert bucket.content("first_seen.csv") == b"12"


@pytest.mark.parametrize("names", [["landing/a/../../../x.csv"], ["landing/a", "landing/a/b.csv"]])
def test_an_object_that_cannot_be_a_file_is_refused(bucket: Shop, names: list[str]) -> None:
    for name in names:
        bucket.put(name, b"x")
    with pytest.raises(PlatformError, match="rename or remove"):
        place.fetch(bucket.settings)


def test_sample_data_lands_in_the_bucket(bucket: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", bucket.settings.address)
    generate(customers=3, months=1)
    assert {"landing/customers.csv", "landing/_truth.json"} <= bucket.names()


def test_a_customer_to_erase_is_looked_for_in_the_bucket(
    bucket: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", bucket.settings.address)
    bucket.put("landing/returns.csv", b"return_id,customer_id\nR1,C1\n")
    erase(["C1"])
    assert "landing/returns.csv: 1 lines are taken out" in capsys.readouterr().out
    with pytest.raises(PlatformError, match="C2: no landing file, table, issued forecast or audience has"):
        erase(["C2"])


def test_what_a_day_knew_is_marked_in_the_bucket(bucket: Shop) -> None:
    name = "customers/dt=2024-03-01/c.csv"
    bucket.put(f"landing/{name}", b"customer_id")
    place.fetch(bucket.settings)
    entry = ManifestEntry(
        name, 11, hash_file(bucket.settings.landing / name)[1], date(2024, 3, 1), {}, 0, (), None
    )
    folder = lay_out(bucket.settings, {"customers": [entry]}, date(2024, 5, 1))
    assert (folder.landing / name).read_text() == "customer_id"
    assert bucket.content("known/2024-05-01/final/known_at.csv") == b"known_at\n2024-05-01\n"


@pytest.mark.parametrize("command", ["adopt", "stream"])
def test_a_command_that_needs_a_disk_says_what_to_do(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("CIP_DATA_DIR", "s3://bucket/shop")
    with pytest.raises(
        PlatformError, match=f"^cip {command} does not work in a bucket, and CIP_DATA_DIR is s3:"
    ):
        {"adopt": lambda: adopt([]), "stream": stream}[command]()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cip_assets.storage.bucket", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(PlatformError, match=r"^s3://bucket/shop needs the package obstore: pip install"):
        place.of("s3://bucket/shop")


# --- the lock ---------------------------------------------------------------------------------------------


def _holder(bucket: Shop) -> subprocess.Popen[str]:
    """A process that holds the lock until it gets a line."""
    command = [sys.executable, "-c", HOLDER, str(bucket.store.config["bucket"])]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def _wait_for_lock(bucket: Shop) -> tuple[Thread, Event]:
    held = Event()

    def take() -> None:
        with lease(bucket.store, "lock", seconds=1.5):
            held.set()

    thread = Thread(target=take)
    thread.start()
    return thread, held


def test_a_lock_is_held_by_one_process_until_it_is_given_back(bucket: Shop) -> None:
    with _holder(bucket) as process:
        thread, held = _wait_for_lock(bucket)
        assert not held.wait(2.5)  # longer than a holder may be silent
        process.communicate("\n")
        assert held.wait(10)
        thread.join()
    assert process.returncode == 0


def test_the_lock_of_a_killed_process_is_taken_over(bucket: Shop) -> None:
    with _holder(bucket) as process:
        process.kill()
    began = time.monotonic()
    thread, held = _wait_for_lock(bucket)
    assert held.wait(10)
    thread.join()
    assert time.monotonic() - began > 1


def test_a_process_that_lost_its_lock_does_not_give_back_that_of_another(bucket: Shop) -> None:
    with lease(bucket.store, "lock", seconds=60):
        obstore.put(bucket.store, "lock", b"held by another")
    assert bytes(obstore.get(bucket.store, "lock").bytes()) == b"held by another"


# --- what is wrong ----------------------------------------------------------------------------------------


def test_a_missing_file_of_a_table_is_named(bucket: Shop) -> None:
    uri = bucket.settings.table_uri("marts", "customer_360")
    write_deltalake(uri, pa.table({"customer_id": ["1"]}))
    assert damage_of(uri) is None
    (path,) = (name for name in bucket.names() if name.endswith(".parquet"))
    obstore.delete(bucket.store, f"shop/{path}")
    assert trouble("no such file", bucket.settings) == (
        f"marts/customer_360 is damaged: {bucket.settings.address}/{path} is missing; move {uri} away and run "
        "'cip run', which computes the table again"
    )


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_does_not_exist_is_named(tmp_path: Path) -> None:
    settings = Settings(tmp_path, "sail", "s3://no-such-bucket/shop")
    with pytest.raises(BaseError) as raised:
        place.fetch(settings)
    assert trouble(str(raised.value), settings) == (
        "s3://no-such-bucket/shop is in a bucket that does not exist: create it, or correct CIP_DATA_DIR"
    )
