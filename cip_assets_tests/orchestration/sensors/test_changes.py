"""A change in a folder is noticed when it has ended."""

import time
from pathlib import Path
from threading import Timer

from cip_assets.orchestration.sensors.changes import watched

SOON, LONG = 0.2, 60.0


def test_a_change_is_noticed_when_nothing_has_changed_for_some_time(tmp_path: Path) -> None:
    (tmp_path / "returns").mkdir()
    file = tmp_path / "returns" / "late.csv"
    with watched(tmp_path) as changes:
        began = time.monotonic()
        for delay in (SOON, 2 * SOON):
            Timer(delay, file.write_text, [str(delay)]).start()
        assert changes.settled(LONG, 2 * SOON, is_changing=False)
        assert 4 * SOON <= time.monotonic() - began < LONG
        assert changes.settled(LONG, SOON, is_changing=True)


def test_files_of_topics_are_whole_when_they_appear(tmp_path: Path) -> None:
    topics = tmp_path / "returns" / "from_streams"
    topics.mkdir(parents=True)
    for other, is_sooner in ((topics, True), (tmp_path, False)):
        with watched(tmp_path) as changes:
            began = time.monotonic()
            (topics / ".a.new").write_text("")
            (topics / ".a.new").rename(topics / "a.csv")
            (other / "b.csv").write_text("")
            assert changes.settled(LONG, 3.0, is_changing=False)
            assert (time.monotonic() - began < 3.0) is is_sooner


def test_a_folder_that_is_read_does_not_change(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("1")
    with watched(tmp_path) as changes:
        assert (tmp_path / "old.csv").read_text() == "1"
        assert not changes.settled(2 * SOON, SOON, is_changing=False)


def test_a_folder_that_does_not_exist_does_not_change(tmp_path: Path) -> None:
    with watched(tmp_path / "landing") as changes:
        assert not changes.settled(SOON, SOON, is_changing=False)
