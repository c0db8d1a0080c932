"""Dagster's history in PostgreSQL, by the settings in deploy/dagster.yaml."""

import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from cip_assets.config.settings import DAGSTER_SETTINGS, PROJECT, Settings
from cip_assets.definitions import open_platform
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.databases import PASSWORD, Server
from cip_assets_tests.integration.helpers import land_all

DEPLOYED = PROJECT / "deploy" / "dagster.yaml"


def test_the_deployed_settings_are_the_usual_ones_with_another_storage() -> None:
    deployed, usual = (yaml.safe_load(path.read_text("utf-8")) for path in (DEPLOYED, DAGSTER_SETTINGS))
    assert deployed.pop("storage") == {"postgres": {"postgres_url": {"env": "CIP_POSTGRES_URL"}}}
    assert deployed == usual


def test_a_second_run_finds_in_postgresql_what_the_first_one_did(
    data_dir: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server.connect() as connection:
        connection.execute("CREATE DATABASE dagster")
    address = f"postgresql+psycopg2://shop:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}/dagster"
    monkeypatch.setenv("CIP_POSTGRES_URL", address)
    settings = Settings(data_dir, ENGINE)
    settings.dagster_home.mkdir()
    shutil.copy(DEPLOYED, settings.dagster_home / "dagster.yaml")
    land_all(settings.landing)
    for is_first in (True, False):
        platform = open_platform(settings, select=["features/support"])
        with platform.instance:
            report = platform.run()
        assert report.succeeded
        assert ("features/support" in report.up_to_date) is not is_first
    assert not (settings.dagster_home / "history").exists()
    with server.connect("dagster") as connection:
        found = connection.execute("SELECT DISTINCT pipeline_name FROM runs").fetchall()
    assert {name for (name,) in found} == {"scan_landing", "ingest", "snapshot"}
