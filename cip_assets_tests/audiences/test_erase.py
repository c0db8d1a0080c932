"""A customer who is erased is in no ledger, mark or file of an audience."""

from datetime import date
from pathlib import Path

import pytest

from cip_assets.audiences import ledger
from cip_assets.audiences.config import Webhook
from cip_assets.audiences.erase import check_all_left, take_out, traces
from cip_assets.audiences.marks import Mark, Marks
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.storage import questions

DAY = date(2024, 6, 20)
HOOK = Webhook(kind="webhook", url="https://shop.example.org", secret="KEY")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A folder in which ann and bob are in an audience, and ann has left the webhook."""
    settings = Settings(tmp_path, "sail")
    with questions.connection() as connection:
        ledger.show(settings, "asked", connection)
        connection.execute(
            "CREATE TEMP TABLE changes AS SELECT * FROM (VALUES ('ann', 'joined', false, ''), ('bob', 'joined', true, '')) "
            "AS t(customer_id, change, is_holdout, why)"
        )
        ledger.record(settings, "asked", DAY, connection)
    marks = Marks(settings, "asked", HOOK)
    marks.add(Mark.IN, {"ann": "1f", "bob": "2e"})
    marks.add(Mark.OUT, {"ann": None})
    file = settings.final / "audiences" / "asked.csv"
    file.parent.mkdir(parents=True)
    file.write_text('customer_id,first_name\nann,"Ann\nMarie"\nbob,Bob\n', encoding="utf-8")
    return settings


def test_an_erased_customer_is_in_no_audience_and_the_others_stay(settings: Settings) -> None:
    assert [path.name for path in traces(settings, {"ann"})] == ["webhook.jsonl", "asked.csv", "asked"]
    check_all_left(settings, {"ann"})
    take_out(settings, {"ann"})
    assert traces(settings, {"ann"}) == []
    assert not [
        path
        for path in settings.data_dir.rglob("*")
        if path.is_file() and b"ann" in path.read_bytes().lower()
    ]
    with questions.connection() as connection:
        ledger.show(settings, "asked", connection)
        assert connection.execute(
            "SELECT as_of_date, customer_id, change, is_holdout FROM ledger"
        ).fetchall() == [(DAY, "bob", "joined", True)]
    left = Marks(settings, "asked", HOOK)
    assert (left.of, left.sent) == ({"bob": Mark.IN}, {"bob": "2e"})
    assert (settings.final / "audiences" / "asked.csv").read_text(
        "utf-8"
    ) == "customer_id,first_name\nbob,Bob\n"


def test_a_customer_who_may_be_at_a_destination_is_not_erased(settings: Settings) -> None:
    with pytest.raises(
        PlatformError, match="audience asked: bob may be at the destination webhook: name them in its"
    ):
        check_all_left(settings, {"ann", "bob"})
