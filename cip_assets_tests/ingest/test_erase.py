"""The lines of a customer are taken out of landing files, and no other byte changes."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.ingest.erase import find_customers, take_out
from cip_assets.ingest.first_seen import Seen, first_seen, remembered
from cip_assets.storage.files import hash_file

COLUMNS = b"ticket_id,customer_id,ticket_category,priority,status,opened_date,resolved_date"
KEPT = b'S2,C10,"a ""C1"",\r\nin two lines",Low,Open,2024-01-01,\r\n'
CONTENT = (
    b"\xef\xbb\xbf" + COLUMNS + b"\r\n"
    b"S1, C1 ,Returns,Low,Open,2024-01-01,\r\n"
    + KEPT
    + b'S3,C1,"first\nsecond",Low,Open,2024-01-01,\r\n\r\n'
    + b"S4,C1,too few\r\n"
    + KEPT
    + b"S5,C1,no line end,Low,Open,2024-01-01,"
)


@pytest.mark.parametrize("name", ["support_tickets.csv", "support_tickets/dt=2024-02-01/a.csv.gz"])
def test_only_the_customers_lines_are_taken_out(data_dir: Path, name: str) -> None:
    landing = data_dir / "landing"
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(CONTENT) if name.endswith(".gz") else CONTENT)
    (found,) = find_customers(landing, {"C1", "C7"})
    assert [first for first, _ in found.lines] == [2, 5, 8, 11]
    take_out(Settings(data_dir, "sail"), found)
    left = path.read_bytes()
    left = gzip.decompress(left) if name.endswith(".gz") else left
    assert left == b"\xef\xbb\xbf" + COLUMNS + b"\r\n" + KEPT + KEPT
    assert find_customers(landing, {"C1"}) == []
    assert [other for other in path.parent.iterdir() if other != path] == []


def test_a_file_counts_as_delivered_when_it_was_seen_with_the_customer(data_dir: Path) -> None:
    landing, record = data_dir / "landing", data_dir / "first_seen.csv"
    path = landing / "support_tickets.csv"
    path.write_bytes(CONTENT)
    moment = datetime(2024, 2, 1, tzinfo=UTC)
    first_seen(record, [Seen("support_tickets", "other", "older.csv")], moment)
    first_seen(record, [Seen("support_tickets", hash_file(path)[1], path.name)], moment)
    (found,) = find_customers(landing, {"C1"})
    take_out(Settings(data_dir, "sail"), found)
    assert remembered(record) == {
        Seen("support_tickets", hash_file(path)[1], path.name): moment,
        Seen("support_tickets", "other", "older.csv"): None,
    }


def test_a_file_that_cannot_be_read_is_named(data_dir: Path) -> None:
    (data_dir / "landing" / "returns.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(PlatformError, match="returns: returns.csv: it is UTF-16"):
        find_customers(data_dir / "landing", {"C1"})
