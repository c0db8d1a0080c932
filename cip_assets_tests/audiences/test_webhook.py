"""A destination that fails at random ends with our list exactly, and what it is sent is signed."""

import hashlib
import hmac
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cip_assets.audiences import marks as marks_of
from cip_assets.audiences.config import Webhook
from cip_assets.audiences.marks import Mark, Marks, lines_of
from cip_assets.audiences.webhook import SIGNATURE, Told, tell
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings

DAY = date(2024, 6, 17)
SECRET = "key of the test"


@dataclass
class Shop:
    """A destination. ``members`` is its list; ``chances`` are the shares of requests that go wrong in each way."""

    chances: dict[str, float] = field(default_factory=dict)
    chance: random.Random = field(default_factory=lambda: random.Random(3))
    members: dict[str, Any] = field(default_factory=dict)
    picky: dict[str, int] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)
    sender: subprocess.Popen[bytes] | None = None
    url: str = ""
    went_wrong: list[str] = field(default_factory=list)

    def answer(self, body: bytes, signed: str) -> tuple[int, dict[str, Any]]:
        moment, _, digest = signed.removeprefix("t=").partition(",v1=")
        expected = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(digest, expected):
            return 401, {}
        wrong = self._goes_wrong()
        if wrong in {"refused", "killed before"}:
            self._kill(wrong)
            return 500, {}
        content = json.loads(body)
        self.seen.append(content)
        rejected = {}
        for row in (*content["joined"], *content["changed"]):
            if self.picky.get(row["customer_id"], 0) > 0:
                self.picky[row["customer_id"]] -= 1
                rejected[row["customer_id"]] = "not today"
            else:
                self.members[row["customer_id"]] = row
        for each in content["left"]:
            self.members.pop(each, None)
        if wrong:
            self._kill(wrong)
            return 500, {}
        return 200, {"rejected": rejected}

    def _goes_wrong(self) -> str:
        drawn = self.chance.random()
        for name, share in self.chances.items():
            if drawn < share:
                self.went_wrong.append(name)
                return name
            drawn -= share
        return ""

    def _kill(self, wrong: str) -> None:
        if wrong.startswith("killed") and self.sender:
            self.sender.send_signal(signal.SIGKILL)


@contextmanager
def serving(shop: Shop) -> Iterator[Shop]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = shop.answer(body, self.headers[SIGNATURE])
            answer = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the sender was killed
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield shop
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    return Settings(tmp_path, "none")


def webhook(shop: Shop, batch: int = 7) -> Webhook:
    return Webhook(kind="webhook", url=shop.url, secret="SHOP_SECRET", batch=batch)


def sent(settings: Settings, shop: Shop, members: set[str], **regions: str) -> Told:
    """Send a list as a new process would. All live in the North, except those named."""
    destination = webhook(shop)
    rows = {each: {"region": regions.get(each, "North")} for each in members}
    return tell(destination, "risky", DAY, rows, Marks(settings, "risky", destination), wait=0)


def test_a_destination_learns_who_joined_and_who_left(settings: Settings) -> None:
    with serving(Shop()) as shop:
        told = sent(settings, shop, {"ann", "bob"})
        assert (told.joined, told.left, told.failed, told.rejected) == (2, 0, "", {})
        told = sent(settings, shop, {"bob", "cat"})
        assert (told.joined, told.left) == (1, 1)
        sent(settings, shop, {"bob", "cat"})
    assert shop.members.keys() == {"bob", "cat"}
    assert shop.members["bob"] == {"customer_id": "bob", "region": "North"}
    assert [(each["joined"], each["left"], each["sequence"]) for each in shop.seen[1:]] == [
        ([], ["ann"], 2),
        ([{"customer_id": "cat", "region": "North"}], [], 3),
    ]
    assert {(each["audience"], each["as_of"]) for each in shop.seen} == {("risky", "2024-06-17")}


def test_a_rejected_customer_is_tried_again(settings: Settings) -> None:
    with serving(Shop(picky={"ann": 1})) as shop:
        assert sent(settings, shop, {"ann", "bob"}).rejected == {"ann": "not today"}
        assert shop.members.keys() == {"bob"}
        assert sent(settings, shop, {"ann", "bob"}).rejected == {}
    assert shop.members.keys() == {"ann", "bob"}


def test_a_customer_leaves_even_if_nobody_knows_whether_they_arrived(settings: Settings) -> None:
    with serving(Shop(chances={"lost": 1.0})) as shop:
        assert sent(settings, shop, {"ann"}).failed == "status 500"
        assert shop.members.keys() == {"ann"}
        shop.chances = {}
        sent(settings, shop, set())
    assert shop.members == {}


def test_a_destination_learns_who_changed(settings: Settings) -> None:
    with serving(Shop()) as shop:
        sent(settings, shop, {"ann", "bob", "cat"})
        told = sent(settings, shop, {"ann", "bob"}, bob="South")
        assert (told.joined, told.left, told.changed) == (0, 1, 1)
        assert shop.seen[-1]["changed"] == [{"customer_id": "bob", "region": "South"}]
        assert sent(settings, shop, {"ann", "bob"}, bob="South").changed == 0
        assert len(shop.seen) == 3
        shop.picky = {"bob": 1}
        told = sent(settings, shop, {"ann", "bob"}, bob="East")
        assert (told.changed, told.rejected) == (0, {"bob": "not today"})
        shop.chances = {"refused": 1.0}
        assert sent(settings, shop, {"ann", "bob"}, ann="West", bob="East").failed == "status 500"
        shop.chances = {}
        sent(settings, shop, {"ann", "bob"}, ann="West", bob="East")
    assert {each: row["region"] for each, row in shop.members.items()} == {"ann": "West", "bob": "East"}


def test_members_that_an_older_version_sent_are_sent_once_more(settings: Settings) -> None:
    with serving(Shop()) as shop:
        marks = Marks(settings, "risky", webhook(shop))
        marks.path.parent.mkdir(parents=True)
        marks.path.write_text('[1, "maybe", ["ann"]]\n[1, "in", ["ann"]]\n', encoding="utf-8")
        assert sent(settings, shop, {"ann"}).changed == 1
        assert sent(settings, shop, {"ann"}).changed == 0


def test_marks_that_no_longer_count_go(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks_of, "MOST_IDLE", 5)
    with serving(Shop()) as shop:
        for _ in range(9):
            sent(settings, shop, {"ann", "bob"})
            sent(settings, shop, {"ann"})
        before = Marks(settings, "risky", webhook(shop))
        sent(settings, shop, {"ann"}, ann="South")
        after = Marks(settings, "risky", webhook(shop))
    assert sum(len(named) for *_, named in lines_of(after.path)) < 12
    assert after.sequence == before.sequence + 1 == 19
    assert after.of.get("bob") in {None, Mark.OUT}
    assert shop.members == {"ann": {"customer_id": "ann", "region": "South"}}


def test_half_a_line_of_a_killed_process_does_not_count(settings: Settings) -> None:
    with serving(Shop()) as shop:
        sent(settings, shop, {"ann"})
        marks = Marks(settings, "risky", webhook(shop))
        with marks.path.open("ab") as stream:
            stream.write(b'[2, "out", ["ann"')
        sent(settings, shop, {"ann", "bob"})
        assert Marks(settings, "risky", webhook(shop)).of == {"ann": Mark.IN, "bob": Mark.IN}


def test_a_wrong_or_missing_secret(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Shop()) as shop:
        monkeypatch.setenv("SHOP_SECRET", "another key")
        assert sent(settings, shop, {"ann"}).failed == "status 401"
        monkeypatch.delenv("SHOP_SECRET")
        with pytest.raises(PlatformError, match="set the environment variable SHOP_SECRET"):
            sent(settings, shop, {"ann"})
    assert shop.members == {}


SENDER = """
import json, sys
from datetime import date
from pathlib import Path
from cip_assets.audiences.config import Webhook
from cip_assets.audiences import marks as marks_of
from cip_assets.audiences.marks import Marks
from cip_assets.audiences.webhook import tell
from cip_assets.config.settings import Settings
marks_of.MOST_IDLE = 50
destination = Webhook(kind="webhook", url=sys.argv[2], secret="SHOP_SECRET", batch=7)
marks = Marks(Settings(Path(sys.argv[1]), "none"), "risky", destination)
for members in json.load(sys.stdin):
    told = tell(destination, "risky", date(2024, 6, 17), members, marks, wait=0)
sys.exit(bool(told.failed or told.rejected))
"""


def test_a_destination_that_fails_at_random_ends_with_our_list(settings: Settings) -> None:
    """20% of its answers are 500, half of them after it took the batch; others kill the sender, before or after."""
    chance = random.Random(11)
    everyone = [f"c{number}" for number in range(150)]
    days = [{each: {"score": chance.randrange(2)} for each in chance.sample(everyone, 90)} for _ in range(6)]
    chances = {"refused": 0.1, "lost": 0.1, "killed before": 0.02, "killed after": 0.02}
    with serving(Shop(chances, picky={"c1": 3, "c2": 1})) as shop:
        left, kills = days, 0
        for _ in range(60):
            shop.sender = subprocess.Popen(
                [sys.executable, "-c", SENDER, str(settings.data_dir), shop.url],
                stdin=subprocess.PIPE,
                env=os.environ.copy(),
            )
            shop.sender.communicate(json.dumps(left).encode())
            kills += shop.sender.returncode == -signal.SIGKILL
            if shop.sender.returncode == 0:
                break
            # Whatever day a killed process came to, the next one has newer days to send.
            left = left[1:] or days[-1:]
    assert shop.members == {each: {"customer_id": each, **row} for each, row in days[-1].items()}
    assert kills > 0
    assert {*shop.went_wrong} == {*chances}
