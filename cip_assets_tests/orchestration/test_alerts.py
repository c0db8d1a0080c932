"""Alerts: always logged, posted if a webhook is set, and not disturbed by a dead webhook."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from cip_assets.orchestration.alerts import Alert, send

LOG = logging.getLogger("alerts")
ALERT = Alert.of(
    "check failed", "marts/kpi_totals adds_up", "total_revenue is 1.00", "assets/marts/kpi_totals"
)


@contextmanager
def webhook(status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server that keeps the bodies that are posted to it."""
    received: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_alert_has_the_failure_the_reason_and_a_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIP_UI_URL", "https://dagster.example.org")
    alert = Alert.of("run failed", "ingest", "raw/returns: its header lacks a column", "runs/42")
    assert alert.link == "https://dagster.example.org/runs/42"
    assert alert.text == (
        "run failed: ingest: raw/returns: its header lacks a column (https://dagster.example.org/runs/42)"
    )


def test_an_alert_is_logged_and_posted_as_json(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook() as (url, received):
        monkeypatch.setenv("CIP_ALERT_WEBHOOK", url)
        send(ALERT, LOG)
    assert received == [
        {
            "kind": "check failed",
            "what": "marts/kpi_totals adds_up",
            "why": "total_revenue is 1.00",
            "link": "http://127.0.0.1:3000/assets/marts/kpi_totals",
            "text": ALERT.text,
        }
    ]
    assert caplog.messages == [ALERT.text]


def test_without_a_webhook_an_alert_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CIP_ALERT_WEBHOOK", raising=False)
    send(ALERT, LOG)
    assert caplog.messages == [ALERT.text]


def test_a_dead_webhook_is_logged_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook() as (url, _):
        pass  # nothing listens there any more
    monkeypatch.setenv("CIP_ALERT_WEBHOOK", url)
    send(ALERT, LOG)
    assert caplog.messages == [ALERT.text, "CIP_ALERT_WEBHOOK did not accept the alert: ConnectionError"]


def test_a_webhook_that_refuses_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook(status=500) as (url, _):
        monkeypatch.setenv("CIP_ALERT_WEBHOOK", url)
        send(ALERT, LOG)
    assert caplog.messages[-1] == "CIP_ALERT_WEBHOOK did not accept the alert: HTTPError"
