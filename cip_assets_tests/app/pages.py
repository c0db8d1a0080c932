"""The pages of `cip app`, on a data folder and as text."""

from html.parser import HTMLParser
from typing import Any

from cip_assets.app.access import Doors
from cip_assets.app.index import Index
from cip_assets.app.lake import Lake
from cip_assets.app.pages import PAGES
from cip_assets.app.server import Site
from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings


class Read(HTMLParser):
    """What a page says: its figures by column, its places in files, its tables and lists, and its words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.figures: dict[str, str] = {}
        self.places: list[str] = []
        self.words = ""
        self.tables: dict[str, list[list[str]]] = {}
        self.lists: dict[str, tuple[str, str]] = {}
        self._rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._is_place = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if "data-column" in found:
            column, value = str(found["data-column"]), found["data-value"] or ""
            assert self.figures.setdefault(column, value) == value
        self._is_place = found.get("class") == "place"
        if name := found.get("data-table"):
            self._rows = self.tables[name] = []
        if name := found.get("data-list"):
            self.lists[name] = (found["data-count"] or "", found["data-money"] or "")
        if tag == "tr":
            self._rows.append([])
        self._cell = self._rows[-1] if tag == "td" else self._cell
        if tag == "td":
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_place = False
        self._cell = None if tag == "td" else self._cell

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._cell is not None:
            self._cell[-1] += data
        if self._is_place and data.strip():
            self.places.append(data.strip())


def site_of(settings: Settings, role: str = "", tokens: str = "", least_rows: int = 10**9) -> Site:
    rules = load_rules()
    return Site.of(Lake(settings, Index(settings, least_rows)), rules, Doors.of(rules, role, tokens))


def answer(site: Site, path: str, **given: Any) -> tuple[int, str]:
    """The status and the HTML of a page."""
    page = next(page for page in PAGES if page.path == path)
    asked = {name: value if isinstance(value, list) else [str(value)] for name, value in given.items()}
    return site.answer(page, site.doors.without_token, "127.0.0.1", asked)


def shown(site: Site, path: str, **given: Any) -> Read:
    status, html = answer(site, path, **given)
    assert status == 200, html
    return Read(html)
