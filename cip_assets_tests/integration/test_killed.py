"""A run that is killed at any step and then started again gives the same tables as an undisturbed run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from deltalake import DeltaTable, Schema

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.layers import CONTRACTS
from cip_assets.orchestration.due.gate import SNAPSHOTS
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import every_table, files_of, land_all

SELECTED = ["exports/kpi_monthly_revenue", "features/segments"]


def killed_after(data_dir: Path, step: str) -> set[str]:
    """Start `cip run`, and kill its process as soon as it prints that a step is done; the steps that were done."""
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("cip")), "run", *(f"--select={name}" for name in SELECTED)],
        env={**os.environ, "CIP_DATA_DIR": str(data_dir), "CIP_ENGINE": ENGINE},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    done = set()
    for line in process.stderr:
        done.add(line.partition(" ")[0])
        if step in done:
            break
    process.send_signal(signal.SIGKILL)
    with process.stderr as rest:
        assert process.wait() == -signal.SIGKILL, rest.read()
    return done


def create_all(settings: Settings) -> None:
    """The other tables of an ingest, as a writer leaves them that was killed before it wrote a row."""
    for contract in CONTRACTS.values():
        uri = settings.table_uri(contract.layer, contract.table)
        if contract.layer not in SNAPSHOTS and not delta.exists(uri):
            by = [contract.partition_column] if contract.partition_column else None
            DeltaTable.create(uri, Schema.from_json(contract.spark_schema.json()), partition_by=by)


def test_a_restarted_run_continues_and_gives_the_same_tables(data_dir: Path, healthy: Path) -> None:
    """It is killed twice: before the checks of what it cleaned, and in the middle of the snapshot."""
    land_all(data_dir / "landing")
    killed_after(data_dir, "clean_transactions")
    create_all(Settings(data_dir, ENGINE))
    # A month that was written but not checked yet is cleaned again.
    assert "clean_transactions" in killed_after(data_dir, "features/rfm")
    platform = open_platform(Settings(data_dir, ENGINE), select=SELECTED)
    with platform.instance:
        report = platform.run()
    assert report.succeeded
    done = {"features/purchases", "features/rfm_cut_points"}
    assert done <= set(report.up_to_date) < {key.to_user_string() for key in platform.snapshot_assets}
    expected = Settings(healthy, ENGINE)
    wanted = every_table(expected)
    for name, table in every_table(platform.settings).items():
        assert wanted[name].equals(table), name
    monthly = "kpi_monthly_revenue.csv"
    assert files_of(platform.settings) == {monthly: files_of(expected)[monthly]}
