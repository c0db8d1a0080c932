"""A snapshot that uses only what was known on a day is the snapshot of a lake that was really run on that day."""

import csv
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.due.known_at import known_by
from cip_assets.orchestration.jobs.names import SCAN
from cip_assets.orchestration.runs import Report
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import LANDED, every_table, files_of, land
from cip_assets_tests.sample import SAMPLE, Sample

T = SAMPLE.end
"""The sample has nothing that was dated or delivered later, so it was run with what was known on this day."""


def correct(landing: Path, chance: random.Random) -> dict[str, set[str]]:
    """Deliver random corrections after T; returns the corrected ids of each table."""
    corrected: dict[str, set[str]] = {}
    for table, source in SOURCE_TABLES.items():
        lines = []
        for path in sorted([*landing.glob(f"{table}.csv"), *landing.glob(f"{table}/*/*.csv")]):
            with path.open(encoding="utf-8", newline="") as stream:
                lines += csv.DictReader(stream)
        whole = [line for line in lines if None not in line and None not in line.values()]
        lines = chance.sample(whole, len(whole) // 5) if source.is_event else whole
        for line in lines:
            if table == "transactions":
                line |= {"amount": "1.00", "transaction_date": chance.choice(["2025-04-02", "2025-05-03"])}
            elif table == "customers":
                line |= {"region": chance.choice(["North", "South"]), "signup_date": ""}
            elif table == "support_tickets":
                line |= {"status": chance.choice(["Open", "Closed"]), "resolved_date": ""}
            elif source.event_date:
                line |= {source.event_date: "2025-05-09"}
        # Without a dt=, an event file is delivered when it is first seen, which is now.
        folder = chance.choice(["", "dt=2025-06-21"]) if source.is_event else "dt=2025-06-21"
        path = landing / table / folder / "late.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
        corrected[table] = {line[source.id_column] for line in lines}
    return corrected


def test_what_was_known_then_is_what_was_computed_then(sample: Sample, tmp_path: Path) -> None:
    then, settings = sample.settings, Settings(tmp_path / "shop", ENGINE)
    shutil.copytree(then.landing, settings.landing)
    shutil.copy(then.first_seen, settings.first_seen)
    corrected = correct(settings.landing, random.Random(3))
    report = Report()
    open_platform(settings, dg.DagsterInstance.ephemeral()).execute(SCAN, report)
    assert not report.failures
    folder, notes = known_by(settings, T)
    assert [note.split(":")[0] for note in notes] == ["customers", "products"]
    platform = open_platform(folder, dg.DagsterInstance.ephemeral())
    assert platform.run(as_of=sample.report.as_of).succeeded

    expected, found = every_table(then), every_table(folder)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
    assert {name: text for name, text in files_of(folder).items() if name != "known_at.csv"} == files_of(then)
    page, page_then = ((each.final / "dashboard.html").read_text("utf-8") for each in (folder, then))
    said = "<p><strong>As known on 2025-06-20: the figures use only what had been delivered by then.</strong></p>"
    assert said in page
    page = page.replace(f"  {said}\n", "").replace(", as known on 2025-06-20</title>", "</title>")
    assert page == page_then
    assert not folder.issued.exists()
    # The corrections would have counted, and the clock is that of the day.
    for table, ids in corrected.items():
        assert ids & set(found[f"cleaned/{table}"][SOURCE_TABLES[table].id_column].to_pylist()), table
    with pytest.raises(PlatformError, match="there is no snapshot of 2025-06-21: choose .* to 2025-06-20"):
        platform.run(as_of=T + timedelta(days=1))


# --- what is refused ----------------------------------------------------------------------------------------


def test_a_day_that_cannot_be_told_is_refused(
    healthy: Path, cip_on: Callable[[Path], Callable[..., tuple[int, str, str]]]
) -> None:
    cip, today = cip_on(healthy), datetime.now(UTC).date()
    tomorrow = today + timedelta(days=1)
    code, _, errors = cip("run", "--known-at", str(tomorrow))
    assert (code, f"--known-at {tomorrow} is in the future; today is {today}" in errors) == (1, True)
    code, _, errors = cip("run", "--known-at", "2023-01-01")
    assert (code, "by 2023-01-01; the first delivery is of 2024-02-10" in errors) == (1, True)
    land(healthy / "landing", "returns/new.csv", LANDED["returns"])
    code, _, errors = cip("run", "--known-at", str(today))
    assert (code, "has changed since it was last scanned (returns/new.csv)" in errors) == (1, True)
    inside = healthy / "known" / "2024-02-20"
    inside.mkdir(parents=True)
    (inside / "known_at.csv").write_text("known_at\n2024-02-20\n")
    code, _, errors = cip_on(inside)("run", "--known-at", "2024-02-19")
    assert (code, "has only what was known on 2024-02-20" in errors) == (1, True)


def test_nothing_is_known_before_the_first_scan(
    data_dir: Path, cip: Callable[..., tuple[int, str, str]]
) -> None:
    land(data_dir / "landing", "returns.csv", LANDED["returns"])
    code, _, errors = cip("run", "--known-at", "2024-03-01")
    assert (code, "landing/manifest: not written yet" in errors) == (1, True)
