"""`cip audience` previews, sends and stops; an audience is an asset."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import dagster as dg

from cip_assets.audiences import ledger
from cip_assets.config.settings import Settings
from cip_assets.definitions import graph_of
from cip_assets.storage import questions
from cip_assets_tests.conftest import ENGINE, Cip

AUDIENCES = """
audiences:
  asked:
    where: frequency > 1
    max_change: 0.4
    columns: [email]
    destinations: [{kind: csv}]
"""


def test_an_audience_is_previewed_and_sent(healthy: Path, cip_on: Callable[[Path], Cip]) -> None:
    cip, declared, file = cip_on(healthy), healthy / "audiences.yaml", healthy / "final/audiences/asked.csv"
    with questions.connection() as connection:
        ledger.show(Settings(healthy, ENGINE), "asked", connection)
        connection.execute(
            "CREATE TEMP TABLE changes AS SELECT * FROM (VALUES ('C1', 'joined', false, ''), ('C2', 'joined', false, '')) "
            "AS t(customer_id, change, is_holdout, why)"
        )
        ledger.record(Settings(healthy, ENGINE), "asked", date(2024, 2, 11), connection)
    declared.write_text(AUDIENCES, "utf-8")
    code, shown, errors = cip("audience", "preview", "asked")
    assert "since 2024-02-11: 0 joined, 1 left, 1 stayed\n  left C2: frequency = 1\n" in shown
    refused = "audience asked: 0 would join and 1 leave, 50% of the 2 of 2024-02-11; max_change allows 40%"
    assert (code, refused in errors) == (1, True)
    code, _, errors = cip("audience", "send", "asked")
    assert (code, refused in errors, file.exists()) == (1, True, False)
    code, shown, errors = cip("audience", "send", "asked", "--accept")
    assert (code, shown) == (0, "asked on 2024-02-12: members 1, joined 0, left 1, holdout 0, csv 1\n"), (
        errors
    )
    assert file.read_text("utf-8") == "customer_id,email\nC1,a***@example.org\n"
    code, shown, _ = cip("audience", "lift", "asked")
    assert (code, "cannot tell yet" in shown) == (0, True)
    code, _, errors = cip("audience", "send", "others")
    assert (code, "there is no audience 'others'" in errors) == (1, True)


def test_an_audience_is_an_asset_of_each_day(data_dir: Path) -> None:
    (data_dir / "audiences.yaml").write_text(AUDIENCES, "utf-8")
    settings = Settings(data_dir, ENGINE)
    graph, without = graph_of(settings), graph_of(Settings(data_dir.parent, ENGINE))
    key = dg.AssetKey(["audiences", "asked"])
    assert graph.audiences == {key}
    (asset,) = (each for each in graph.assets if key in each.keys)
    assert asset.dependency_keys == {dg.AssetKey(["marts", "customer_360"])}
    assert asset.partitions_def == graph.partitions.days
    # A snapshot has no audience, and whether it is out of date does not depend on them.
    assert key not in graph.snapshot_assets
    assert graph.code == without.code
