"""Who may see what of a person, and the log of who looked at whom."""

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import PersonalData, Rules

TOKENS = "CIP_APP_TOKENS"
"""The environment variable with the tokens: ``role=token``, separated by commas."""

SHORTEST_TOKEN = 20

NO_ROLE = "nobody in particular"
"""Who opens a page on this machine without a token and without a role."""


@dataclass(frozen=True)
class Viewer:
    """Who looks at a page: the role, and what it may see of a person."""

    role: str
    sees: PersonalData
    has_token: bool = False

    def shown(self, column: str) -> str:
        """``shown``, ``masked`` or ``hidden``."""
        return str(self.sees.model_dump()[column])


def viewer(rules: Rules, role: str = "") -> Viewer:
    """A viewer with a role of the rules; without a role, what the exported files show.

    Raises:
        PlatformError: the rules do not have the role.

    """
    if not role:
        return Viewer(NO_ROLE, rules.personal_data)
    if role not in rules.app.roles:
        raise PlatformError(
            f"business rules: app.roles has no role {role!r}. Choose one of: {', '.join(rules.app.roles) or 'none'}"
        )
    more = rules.app.roles[role].model_dump(exclude_none=True)
    return Viewer(role, rules.personal_data.model_copy(update=more))


def tokens_of(text: str) -> Mapping[str, str]:
    """The role of each token.

    Raises:
        PlatformError: an entry is not ``role=token``, or a token is short or given twice. No message shows a token.

    """
    found: dict[str, str] = {}
    for number, entry in enumerate(filter(None, text.split(",")), 1):
        role, _, token = entry.strip().partition("=")
        if not role or len(token) < SHORTEST_TOKEN:
            raise PlatformError(
                f"{TOKENS}: entry {number} is not role=token with a token of {SHORTEST_TOKEN} characters or more"
            )
        if token in found:
            raise PlatformError(f"{TOKENS}: entry {number} has the token of another entry")
        found[token] = role
    return found


@dataclass
class Doors:
    """Who is let in: everybody as one viewer if there are no tokens, otherwise who has one.

    A browser that has shown a token gets a cookie with a random text, which is known until the server stops.
    """

    rules: Rules
    tokens: Mapping[str, str]
    without_token: Viewer
    sessions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Rules, role: str = "", tokens: str | None = None) -> "Doors":
        """The doors for the tokens in the environment.

        Raises:
            PlatformError: a token is not in order, or the rules do not have its role.

        """
        found = tokens_of(os.environ.get(TOKENS, "") if tokens is None else tokens)
        for each in found.values():
            viewer(rules, each)
        return cls(rules, found, viewer(rules, role))

    @property
    def need_token(self) -> bool:
        return bool(self.tokens)

    def enter(self, token: str) -> str | None:
        """The cookie for a token; None if it is none."""
        role = self._role_of(token)
        if role is None:
            return None
        cookie = secrets.token_urlsafe(32)
        self.sessions[cookie] = role
        return cookie

    def leave(self, cookie: str) -> None:
        self.sessions.pop(cookie, None)

    def viewer(self, cookie: str = "", bearer: str = "") -> Viewer | None:
        """Who looks, by a cookie or a token; None if nobody may without one."""
        if not self.need_token:
            return self.without_token
        role = self.sessions.get(cookie) or self._role_of(bearer)
        return replace(viewer(self.rules, role), has_token=True) if role else None

    def _role_of(self, given: str) -> str | None:
        # Every token is compared, and in constant time, so that the time taken says nothing about any of them.
        found = [
            role for token, role in self.tokens.items() if hmac.compare_digest(token.encode(), given.encode())
        ]
        return found[0] if found else None


@dataclass(frozen=True)
class Log:
    """The look-ups of persons, one JSON object a line, only ever appended to."""

    path: Path

    def keep(
        self, viewer: Viewer, client: str, what: str, customer_id: str | None, as_of: date, **more: object
    ) -> None:
        """Write a look-up down, before anything of it is shown.

        Raises:
            PlatformError: the file cannot be written.

        """
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "role": viewer.role,
            "client": client,
            "what": what,
            "customer_id": customer_id,
            "as_of": str(as_of),
            **more,
        }
        line = json.dumps(entry, ensure_ascii=False) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode())
            finally:
                os.close(file)
        except OSError as error:
            raise PlatformError(
                f"{self.path}: a look-up cannot be logged, so it is refused: {error.strerror}"
            ) from error
