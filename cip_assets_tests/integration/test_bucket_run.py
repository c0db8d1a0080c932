"""A run in a bucket gives the tables and files that it gives on a disk, also to another machine."""

from pathlib import Path

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.storage import place
from cip_assets_tests.buckets import Shop
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.graph import platform_of
from cip_assets_tests.integration.helpers import every_table, files_of

SELECTED = ["exports/kpi_monthly_revenue"]


def test_a_bucket_gives_the_same_as_a_disk(bucket: Shop, healthy: Path, tmp_path: Path) -> None:
    on_disk = Settings(healthy, ENGINE)
    bucket.land(on_disk.landing)
    place.fetch(bucket.settings)
    platform = platform_of(bucket.settings, dg.DagsterInstance.ephemeral(), SELECTED)
    assert platform.run().succeeded
    wanted = every_table(on_disk)
    for name, table in every_table(bucket.settings).items():
        assert wanted[name].equals(table), name
    elsewhere = bucket.elsewhere(tmp_path / "there")
    place.fetch(elsewhere)
    monthly = "kpi_monthly_revenue.csv"
    assert files_of(elsewhere) == {monthly: files_of(on_disk)[monthly]}
    assert elsewhere.first_seen.read_text() == bucket.settings.first_seen.read_text()
