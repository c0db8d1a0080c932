"""The landing files of topics: what they hold is told by their names, and no two hold the same offset."""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from cip_assets.ingest.discover import find_files
from cip_assets.sources.streams.files import Range, TopicFolder
from cip_assets.sources.streams.records import Records

FIRST, SECOND = "a" * 22, "B-_" + "b" * 19
TODAY = date(2024, 5, 17)


@pytest.fixture
def folder(tmp_path: Path) -> TopicFolder:
    return TopicFolder.of(tmp_path / "landing", "transactions", "_shop.orders")


def add(
    folder: TopicFolder, offsets: Sequence[int], topic_id: str = FIRST, partition: int = 0, day: date = TODAY
) -> Path | None:
    records = Records([*offsets], [b""] * len(offsets))
    text_of = lambda new: "".join(f"{offset}\n" for offset in new.offsets).encode()  # noqa: E731 -- only here
    return folder.add(topic_id, partition, records, text_of, day)


def offsets_in(folder: TopicFolder) -> list[int]:
    return [int(line) for path in folder.path.rglob("*.csv") for line in path.read_text().splitlines()]


def test_a_file_is_named_by_what_it_holds_and_is_a_landing_file(folder: TopicFolder, tmp_path: Path) -> None:
    path = add(folder, [5, 7, 8], partition=2)
    assert path is not None
    below = path.relative_to(tmp_path / "landing").as_posix()
    assert below == (
        "transactions/from_streams/topic=_shop.orders/dt=2024-05-17/"
        f"0001.{FIRST}.00002.0000000000000000005-0000000000000000008.csv"
    )
    assert Range.of(path) == Range(1, FIRST, 2, 5, 8)
    (found,), others = find_files(tmp_path / "landing")
    assert (found.path, found.delivery_date) == (below, TODAY)
    assert all(other.is_on_purpose for other in others)


def test_the_files_say_where_to_go_on(folder: TopicFolder) -> None:
    assert folder.next_offset(FIRST, 0) == 0
    add(folder, [0, 1])
    add(folder, [2, 9])
    add(folder, [0, 1, 2], partition=1)
    assert [folder.next_offset(FIRST, n) for n in (0, 1, 2)] == [10, 3, 0]
    assert folder.next_offset(SECOND, 0) == 0


def test_what_another_consumer_has_written_is_left_out(folder: TopicFolder) -> None:
    add(folder, range(10))
    path = add(folder, range(5, 15))
    assert path is not None
    assert Range.of(path) == Range(1, FIRST, 0, 10, 14)
    assert add(folder, range(5, 15)) is None
    assert sorted(offsets_in(folder)) == [*range(15)]


def test_a_topic_that_was_made_again_begins_anew_and_sorts_later(folder: TopicFolder) -> None:
    for topic_id in (SECOND, FIRST, SECOND):
        add(folder, [folder.next_offset(topic_id, 0)], topic_id)
    found = sorted(filter(None, map(Range.of, folder.path.rglob("*.csv"))))
    assert [(r.generation, r.topic_id, r.first) for r in found] == [
        (1, SECOND, 0),
        (1, SECOND, 1),
        (2, FIRST, 0),
    ]
    assert [r.name for r in found] == sorted(r.name for r in found)


def test_days_never_go_back(folder: TopicFolder) -> None:
    """Of two lines with one id, the one of the later day wins, so a later offset needs a later day or the same."""
    add(folder, [0], day=date(2024, 5, 18))
    path = add(folder, [1], day=TODAY)
    assert path is not None
    assert path.parent.name == "dt=2024-05-18"


def test_what_a_killed_consumer_left_is_removed(folder: TopicFolder) -> None:
    path = add(folder, [0])
    assert path is not None
    left = path.with_name(f".0001.{FIRST}.00000.{1:019}-{5:019}.csv.new")
    left.write_text("1\n2")
    other = left.with_name(left.name.replace(".00000.", ".00001."))
    other.write_text("")
    add(folder, [1, 2])
    assert not left.exists()
    assert other.exists()
    assert sorted(offsets_in(folder)) == [0, 1, 2]


def test_consumers_that_believe_in_one_partition_write_each_offset_once(folder: TopicFolder) -> None:
    with ThreadPoolExecutor(4) as threads:
        ranges = [range(begin, begin + 20) for begin in range(0, 100, 5)]
        list(threads.map(lambda offsets: add(folder, offsets), ranges * 2))
    found = offsets_in(folder)
    assert len(found) == len(set(found))
    ranges_found = sorted(filter(None, map(Range.of, folder.path.rglob("*.csv"))))
    assert all(a.last < b.first for a, b in itertools.pairwise(ranges_found))
