"""The pages over HTTP: what they answer, to whom, and what they forbid."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from cip_assets.app.pages import PAGES
from cip_assets.app.search import MOST
from cip_assets.config.settings import Settings
from cip_assets_tests.app.pages import answer, shown, site_of
from cip_assets_tests.app.serving import served
from cip_assets_tests.app.test_access import PRODUCT, SUPPORT, TOKENS
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.dagster_page import wait_for

DAY = "2024-02-12"
FIGURE = {"table": "marts/customer_360", "column": "monetary_value", "id": "C1"}


@pytest.fixture(scope="module")
def settings(_small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The tables of the small folder. The pages change none, so one folder is enough; the logs are its own."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("lake", "final"):
        (folder / name).symlink_to(_small_run / name)
    return Settings(folder, ENGINE)


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    with served(site_of(settings, tokens=TOKENS, least_rows=0), "0.0.0.0") as url:
        yield url


def get(url: str, token: str = SUPPORT, **options: Any) -> requests.Response:
    return requests.get(url, headers={"authorization": f"Bearer {token}"}, timeout=60, **options)


def logged(settings: Settings) -> list[dict[str, Any]]:
    lines = (settings.app_home / "look_ups.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


# --- searching ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "text", "found"),
    [
        ("", "C1", ["C1"]),
        ("", " c2 ", ["C2"]),
        ("", "T3", ["C2"]),
        ("", "ada@example.org", ["C1"]),
        ("", "ADA@example.org", ["C1"]),
        ("", "ada@", []),
        ("", "Lovelace", []),
        ("support", "lovelace", ["C1"]),
        ("support", "A Tur", []),
        ("support", "Al Tur", ["C2"]),
        ("support", "example.org", ["C1", "C2"]),
        ("support", "nobody", []),
        ("support", "%", []),
        ("support", "' OR ''='", []),
    ],
)
def test_a_search_finds_by_what_the_role_may_see(
    settings: Settings, role: str, text: str, found: list[str]
) -> None:
    status, html = answer(site_of(settings, role), "/", q=text)
    assert status == 200
    assert re.findall(r'href="/customer[?]id=(\w+)', html) == found


def test_a_list_of_results_ends_and_says_so(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cip_assets.app.search.MOST", 1)
    monkeypatch.setattr("cip_assets.app.pages.find.MOST", 1)
    page = shown(site_of(settings, "support"), "/", q="example")
    assert MOST > 1
    assert "The first 1 customers" in page.words


# --- a customer's page --------------------------------------------------------------------------------------


def test_a_page_shows_of_a_person_what_the_role_may_see(settings: Settings) -> None:
    masked, open_ = (shown(site_of(settings, role), "/customer", id="C1") for role in ("", "support"))
    assert (masked.figures["email"], masked.figures["first_name"]) == ("a***@example.org", "")
    assert (open_.figures["email"], open_.figures["first_name"]) == ("ada@example.org", "Ada")
    assert open_.figures["date_of_birth"] == ""


def test_a_timeline_shows_the_chosen_kinds_of_the_chosen_days(settings: Settings) -> None:
    site = site_of(settings)
    assert shown(site, "/customer", id="C1").places == [
        "transactions.csv:3",
        "web_activity.csv:2",
        "transactions.csv:2",
    ]
    orders = shown(site, "/customer", id="C1", kind="transactions")
    assert orders.places == ["transactions.csv:3", "transactions.csv:2"]
    assert shown(site, "/customer", id="C1", since="2024-02-01", until="2024-02-10").places == [
        "web_activity.csv:2"
    ]


def test_a_figure_leads_to_its_tables_with_versions_and_to_its_lines(settings: Settings) -> None:
    page = shown(site_of(settings), "/figure", **FIGURE)
    assert "Spend: 37.50" in page.words
    for table in ("marts/customer_360", "facts/order_days", "cleaned/transactions"):
        assert table in page.words
    assert page.places == ["transactions.csv:2", "transactions.csv:3"]


@pytest.mark.parametrize(
    ("path", "given", "problem"),
    [
        ("/customer", {"id": "C9"}, "No customer &#39;C9&#39; is known on 2024-02-12"),
        ("/customer", {"id": "C1", "as_of": "2024-02-11"}, "Compute it with: cip run --as-of 2024-02-11"),
        ("/customer", {"id": "C1", "since": "soon"}, "Write it as YYYY-MM-DD"),
        ("/figure", {"table": "marts/nothing", "column": "x"}, "There is no figure"),
        ("/figure", {"table": "marts/customer_360", "column": "1; DROP"}, "There is no figure"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    settings: Settings, path: str, given: dict[str, str], problem: str
) -> None:
    status, html = answer(site_of(settings), path, **given)
    assert status == 404
    assert problem in html


def test_an_empty_folder_says_what_to_run(tmp_path: Path) -> None:
    status, html = answer(site_of(Settings(tmp_path, ENGINE)), "/")
    assert (status, "Compute one with: cip run" in html) == (503, True)


# --- over HTTP ----------------------------------------------------------------------------------------------


def test_without_a_token_there_is_only_the_door(address: str) -> None:
    for page in PAGES:
        for token in ("", "guessed"):
            found = get(f"{address}{page.path}?id=C1", token)
            assert (found.status_code, "C1" in found.text) == (401, False)
    assert get(f"{address}/file?name=customer_360", "").status_code == 401


def test_a_token_is_exchanged_for_a_cookie_that_no_script_reads(address: str) -> None:
    with requests.Session() as browser:
        assert browser.post(f"{address}/enter", {"token": "guessed"}, timeout=60).status_code == 401
        entered = browser.post(f"{address}/enter", {"token": PRODUCT}, timeout=60)
        assert "Signed in as product" in entered.text
        cookie = entered.history[0].headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert PRODUCT not in cookie
        assert "a***@example.org" in browser.get(f"{address}/customer?id=C1", timeout=60).text
        left = browser.post(f"{address}/leave", timeout=60)
        assert left.status_code == 401


def test_every_answer_forbids_scripts_frames_copies_and_other_places(address: str) -> None:
    for path in (
        "/",
        "/customer?id=C1",
        "/customer?id=nobody",
        "/style.css",
        "/nothing",
        "/file?name=customer_360",
    ):
        headers = get(f"{address}{path}").headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"


HOSTILE = {
    "/?q=%00": 200,
    "/?q=%ff%25_%22%27": 200,
    "/?q=<script>alert(1)</script>": 200,
    "/?q=" + "+".join(f"w{number}" for number in range(5000)): 200,
    "/customer?id=C1&most=" + "9" * 5000: 200,
    "/customer?id=C1&most=-1": 200,
    "/customer?id=C1&since=2024-02-30": 404,
    "/customer?id=C1&since=99999-01-01": 404,
    "/customer?id=C1&as_of=1999-01-01": 404,
    "/customer?id=C1&as_of=../../etc": 404,
    "/customer?id=%00": 404,
    "/customer?id=%27%20OR%201=1--": 404,
    "/customer?id=<script>alert(1)</script>": 404,
    "/customer?id=100%25": 404,
    "/customer": 404,
    "/figure?table=marts/customer_360&column=%22;--&id=C1": 404,
    "/figure?table=../../etc&column=clv_12m&id=C1": 404,
    "/figure": 404,
    "/file?name=../../etc/passwd": 404,
    "/file?name=customer_360%0d%0aset-cookie:x": 404,
    "/%2e%2e/%2e%2e/etc/passwd": 404,
    "//example.org/": 404,
}
"""What somebody may ask for who wishes us no good, and the status of the answer."""


def test_hostile_addresses_get_a_plain_answer(address: str) -> None:
    with requests.Session() as session:
        session.headers["authorization"] = f"Bearer {SUPPORT}"
        for path, status in HOSTILE.items():
            found = session.get(f"{address}{path}", timeout=60)
            assert found.status_code == status, path[:80]
            assert "<script" not in found.text
            assert "content-security-policy" in found.headers
            assert "set-cookie" not in found.headers


def test_an_error_of_ours_has_the_headers_of_every_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_of(settings)
    monkeypatch.setattr(type(site), "answer", lambda *_: 1 / 0)
    with served(site) as url:
        found = requests.get(url, timeout=60)
    assert (found.status_code, found.text) == (500, "Internal Server Error")
    assert found.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_page_of_another_name_for_this_machine_is_refused(settings: Settings) -> None:
    with served(site_of(settings)) as url:
        assert requests.get(url, timeout=60).status_code == 200
        assert requests.get(url, headers={"host": "shop.example.org"}, timeout=60).status_code == 400


def test_nothing_but_the_search_takes_a_form(address: str) -> None:
    for page in PAGES:
        answered = requests.post(f"{address}{page.path}", {"q": "C1"}, timeout=60).status_code
        assert answered == (401 if page.path == "/" else 405)


def test_a_file_has_the_bytes_that_the_run_exported(address: str, settings: Settings) -> None:
    for name in ("customer_360", "kpi_retention"):
        assert get(f"{address}/file?name={name}").content == (settings.final / f"{name}.csv").read_bytes()
    assert get(f"{address}/file?name=../lake").status_code == 404


def test_each_look_up_of_a_person_is_logged_without_what_was_typed(address: str, settings: Settings) -> None:
    (settings.app_home / "look_ups.jsonl").unlink(missing_ok=True)
    get(f"{address}/")
    get(f"{address}/?q=lovelace")
    get(f"{address}/customer?id=C1&as_of={DAY}")
    get(f"{address}/figure", params=FIGURE)
    get(f"{address}/file?name=customer_360")
    get(f"{address}/file?name=kpi_retention")
    found = logged(settings)
    assert [(row["what"], row["customer_id"]) for row in found] == [
        ("search", None),
        ("customer", "C1"),
        ("figure", "C1"),
        ("file", None),
    ]
    assert found[0]["found"] == ["C1"]
    assert {(row["role"], row["client"], row["as_of"]) for row in found} == {("support", "127.0.0.1", DAY)}
    text = (settings.app_home / "look_ups.jsonl").read_text(encoding="utf-8")
    assert SUPPORT not in text
    assert "lovelace" not in text


def test_the_copies_are_made_while_pages_are_served(address: str, settings: Settings) -> None:
    assert get(f"{address}/customer?id=C1").status_code == 200
    wait_for(lambda: [*settings.app_home.glob("index/marts/customer_360/*.parquet")] or None, "a copy")


def test_exported_rows_are_those_of_the_page(settings: Settings) -> None:
    with (settings.final / "customer_360.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["customer_id"]: row for row in csv.DictReader(stream)}
    page = shown(site_of(settings), "/customer", id="C2")
    assert {name: page.figures[name] for name in ("frequency", "clv_12m")} == {
        name: rows["C2"][name] for name in ("frequency", "clv_12m")
    }
