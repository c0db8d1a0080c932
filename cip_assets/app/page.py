"""What a page is, and what it is asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from cip_assets.app.access import Log, Viewer
from cip_assets.app.lake import Lake
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules


class NotFoundError(PlatformError):
    """The page asks for what is not there; the message says so to the reader."""


def day_in(text: str) -> date:
    """The day that a text names.

    Raises:
        NotFoundError: it is not a date.

    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFoundError(f"{text!r} is not a date. Write it as YYYY-MM-DD.") from error


@dataclass(frozen=True)
class Ask:
    """What a page is asked.

    ``day`` is the snapshot day, and ``given`` the texts in the address after the question mark.
    """

    lake: Lake
    rules: Rules
    viewer: Viewer
    log: Log
    client: str
    day: date
    given: Mapping[str, Sequence[str]]

    def one(self, name: str, default: str = "") -> str:
        """The text of a name in the address."""
        return next(iter(self.given.get(name, ())), default)

    def more(self, most: int) -> str:
        """The address of the same page with more entries."""
        return "?" + urlencode({**self.given, "most": most}, doseq=True)

    def look_up(self, what: str, customer_id: str | None, **more: object) -> None:
        """Log that a person is looked up. A page calls this before it shows anything of a person."""
        self.log.keep(self.viewer, self.client, what, customer_id, self.day, **more)


@dataclass(frozen=True)
class Page:
    """A page.

    ``show`` returns the values that the template uses. The title is the page's name in the menu; a page without
    one is not in it.
    """

    path: str
    template: str
    show: Callable[[Ask], Mapping[str, Any]]
    title: str = ""
