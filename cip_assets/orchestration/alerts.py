"""Alerts about failures. They are always logged, and posted to the webhook in ``CIP_ALERT_WEBHOOK`` if it is set."""

import logging
import os
from dataclasses import asdict, dataclass
from typing import Self

WEBHOOK = "CIP_ALERT_WEBHOOK"
PAGE = "CIP_UI_URL"
SECONDS_TO_ANSWER = 5


@dataclass(frozen=True)
class Alert:
    """What failed, why, and a link: the JSON body that is posted to the webhook.

    ``text`` is the same in one line, which chat services show.
    """

    kind: str
    what: str
    why: str
    link: str
    text: str

    @classmethod
    def of(cls, kind: str, what: str, why: str, path: str) -> Self:
        """An alert with a link to a path of the Dagster UI."""
        link = f"{os.environ.get(PAGE) or 'http://127.0.0.1:3000'}/{path}"
        return cls(kind, what, why, link, f"{kind}: {what}: {why} ({link})")


def send(alert: Alert, log: logging.Logger) -> None:
    """Log an alert and post it. If the webhook does not answer, that is only logged."""
    log.error(alert.text)
    url = os.environ.get(WEBHOOK)
    if not url:
        return
    import requests  # noqa: PLC0415 -- few runs need it, and it takes each one 40 ms

    try:
        requests.post(url, json=asdict(alert), timeout=SECONDS_TO_ANSWER).raise_for_status()
    except requests.RequestException as error:
        log.error(f"{WEBHOOK} did not accept the alert: {type(error).__name__}")  # noqa: TRY400
