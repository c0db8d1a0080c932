"""A data folder in a bucket of a real S3 server: the same results as on a disk, kills, and writers at once.

``CIP_DATA_DIR`` names the bucket and a prefix that holds nothing yet; credentials and endpoint are in the ``AWS_``
variables.
"""

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyspark.sql.types as T
from deltalake import DeltaTable, write_deltalake

from cip_assets.config.settings import Settings
from cip_assets.engines.session import start_session
from cip_assets.storage import delta, place
from cip_assets.synthetic import generate
from cip_assets_tests.integration.helpers import every_table
from cip_assets_tests.sample import SAMPLE

PROCESSES = 4
KILLS = 5

SCHEMA = T.StructType([T.StructField("id", T.StringType()), T.StructField("month", T.DateType())])


@dataclass(frozen=True)
class Result:
    """A promise, how often it was tried, and what was wrong."""

    promise: str
    tries: int
    wrong: Sequence[str]


def tried(commits: int, seed: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["CIP_WORK_DIR"] = f"{scratch}/work"
        settings = place.here()
        on_disk = Settings(Path(scratch, "disk"), "sail")
        generate(SAMPLE, on_disk.landing)
        _cip(on_disk.address).wait()
        for path in sorted(on_disk.landing.rglob("*.csv")):
            copy = settings.landing / path.relative_to(on_disk.landing)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
            place.publish(settings, copy)
        times = random.Random(seed)
        killed = sum(_is_killed(_cip(settings.address), times.uniform(10, 90)) for _ in range(KILLS))
        _cip(settings.address).wait()
        elsewhere = Settings(Path(scratch, "elsewhere"), "sail", settings.bucket)
        place.fetch(elsewhere)
        wanted, found = every_table(on_disk), every_table(settings)
        tables = [name for name, rows in wanted.items() if not rows.equals(found.get(name))]
        yield Result(f"each table is that of a disk, after {killed} kills of `cip run`", len(wanted), tables)
        files = sorted(path.name for path in on_disk.final.iterdir())
        differ = [name for name in files if not _same(on_disk.final / name, elsewhere.final / name)]
        yield Result(
            "each exported file, fetched by another machine, has the bytes of a disk", len(files), differ
        )
    for kind, promise in {
        "slices": f"none of the commits of {PROCESSES} processes is lost, each of which replaces its own month",
        "appends": f"none of the commits of {PROCESSES} processes is lost, which append without the lock",
    }.items():
        uri = f"{settings.lake_address}/torture/{kind}"
        command = [sys.executable, "-m", __name__, uri, kind, str(commits)]
        writers = [subprocess.Popen([*command, str(number)]) for number in range(PROCESSES)]
        codes = [writer.wait() for writer in writers]
        yield Result(promise, PROCESSES * commits, [*_failed(codes), *_lost(uri, commits)])


def _cip(address: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "cip_assets", "run"],
        env={**os.environ, "CIP_DATA_DIR": address},
        stdout=subprocess.DEVNULL,
    )


def _is_killed(process: subprocess.Popen[bytes], after: float) -> bool:
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def _same(one: Path, other: Path) -> bool:
    return other.is_file() and one.read_bytes() == other.read_bytes()


def _failed(codes: Sequence[int]) -> list[str]:
    return [f"process {number} failed" for number, code in enumerate(codes) if code]


def _lost(uri: str, commits: int) -> list[str]:
    """The commits that are not in the log, and the rows that are not those of the last ones."""
    wanted = {f"{process}-{number}" for process in range(PROCESSES) for number in range(commits)}
    told = {commit.audit.get("name") for commit in delta.commits(uri)}
    rows = set(DeltaTable(uri).to_pyarrow_table()["id"].to_pylist())
    left = wanted if uri.endswith("appends") else {f"{process}-{commits - 1}" for process in range(PROCESSES)}
    return [f"{name} is not in the log" for name in sorted(wanted - told)] + [
        f"{name} is in the table or should be" for name in sorted(rows ^ left)
    ]


def _write(uri: str, kind: str, commits: int, process: int) -> None:
    """Write as one of the processes."""
    month = delta.Slice("month", date(2024, 1 + process, 1), date(2024, 2 + process, 1))
    for number in range(commits):
        name = f"{process}-{number}"
        if kind == "appends":
            rows = pa.table({"id": [name], "month": [month.start]})
            metadata = delta.CommitProperties(custom_metadata={"userMetadata": f'{{"name": "{name}"}}'})
            write_deltalake(uri, rows, mode="append", commit_properties=metadata)
        else:
            frame = start_session("sail").createDataFrame([(name, month.start)], SCHEMA)
            delta.write(
                frame, uri, schema=SCHEMA, replace=month, partition_column="month", audit={"name": name}
            )


if __name__ == "__main__":
    place.here()
    _write(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
