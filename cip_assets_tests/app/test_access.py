"""Who may see what, and the log of look-ups."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from cip_assets.app.access import Doors, Log, tokens_of, viewer
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules

SUPPORT, PRODUCT = "s" * 20, "p" * 20
TOKENS = f"support={SUPPORT}, product={PRODUCT}"


def test_a_role_sees_what_the_rules_say_and_otherwise_what_the_files_show(rules: Rules) -> None:
    nobody, support, product = (viewer(rules, role) for role in ("", "support", "product"))
    assert (support.shown("email"), support.shown("date_of_birth")) == ("shown", "hidden")
    assert nobody.sees == product.sees == rules.personal_data


def test_an_unknown_role_is_refused_with_the_known_ones(rules: Rules) -> None:
    with pytest.raises(PlatformError, match="no role 'boss'. Choose one of: support, marketing, product"):
        viewer(rules, "boss")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("support=short", "entry 1 is not role=token with a token of 20 characters or more"),
        (f"{TOKENS},{'x' * 30}", "entry 3 is not role=token"),
        (f"{TOKENS},marketing={SUPPORT}", "entry 3 has the token of another entry"),
    ],
)
def test_tokens_that_are_not_in_order_are_refused_and_not_shown(text: str, problem: str) -> None:
    with pytest.raises(PlatformError, match=problem) as caught:
        tokens_of(text)
    assert all(secret not in str(caught.value) for secret in ("short", "x" * 30, SUPPORT))


def test_a_token_needs_a_role_of_the_rules(rules: Rules) -> None:
    with pytest.raises(PlatformError, match="no role 'boss'"):
        Doors.of(rules, tokens=f"boss={SUPPORT}")


def test_without_tokens_everybody_is_the_viewer_that_was_named(rules: Rules) -> None:
    found = Doors.of(rules, "support", "").viewer()
    assert found
    assert (found.role, found.has_token) == ("support", False)


def test_a_token_opens_by_itself_or_by_the_cookie_that_it_was_given(rules: Rules) -> None:
    doors = Doors.of(rules, tokens=TOKENS)
    assert doors.viewer() is doors.viewer("guessed", "guessed") is doors.enter("guessed") is None
    cookie = doors.enter(PRODUCT)
    assert cookie
    by_cookie, by_token = doors.viewer(cookie), doors.viewer(bearer=SUPPORT)
    assert by_cookie
    assert by_token
    assert (by_cookie.role, by_token.role) == ("product", "support")
    doors.leave(cookie)
    assert doors.viewer(cookie) is None


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_look_ups_are_appended_to_a_file_that_only_its_owner_reads(rules: Rules, tmp_path: Path) -> None:
    path = tmp_path / "app" / "look_ups.jsonl"
    for customer in ("C1", 'C"2\n'):
        Log(path).keep(viewer(rules, "support"), "127.0.0.1", "customer", customer, date(2024, 2, 12))
    assert [(row["role"], row["customer_id"], row["as_of"]) for row in entries(path)] == [
        ("support", "C1", "2024-02-12"),
        ("support", 'C"2\n', "2024-02-12"),
    ]
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_logged_is_refused(rules: Rules, tmp_path: Path) -> None:
    (tmp_path / "look_ups.jsonl").mkdir()
    with pytest.raises(PlatformError, match="cannot be logged, so it is refused: Is a directory"):
        Log(tmp_path / "look_ups.jsonl").keep(viewer(rules), "", "customer", "C1", date(2024, 2, 12))
