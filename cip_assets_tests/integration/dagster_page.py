"""A real `dagster dev` with its daemon, as `make ui` starts it, driven over GraphQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import requests

from cip_assets_tests.conftest import ENGINE

T = TypeVar("T")
SELECTOR = {"repositoryName": "__repository__", "repositoryLocationName": "cip_assets.definitions"}
PATIENCE = 120.0
"""Seconds after which something that should have happened has not."""


class Page:
    """The actions of an operator in the Dagster UI."""

    def __init__(self, data_dir: Path, port: int) -> None:
        self.data_dir = data_dir
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data that a GraphQL query or mutation answers with."""
        body = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=body, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        found: dict[str, Any] = answer["data"]
        return found

    def start_backfill(self, assets: list[str], partitions: list[str]) -> str:
        """Start a backfill of some partitions of assets; its id."""
        started = self.ask_for_backfill(assets, partitionNames=partitions)
        assert started["__typename"] == "LaunchBackfillSuccess", started
        return str(started["backfillId"])

    def ask_for_backfill(self, assets: list[str], **partitions: Any) -> dict[str, Any]:
        """What *Launch backfill* is answered with."""
        answer: dict[str, Any] = self.ask(
            """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
                 __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={"assetSelection": [{"path": name.split("/")} for name in assets], **partitions},
        )["launchPartitionBackfill"]
        return answer

    def end_of_backfill(self, backfill_id: str) -> list[dict[str, Any]]:
        """Wait for the end of a backfill, which must be a good one; its runs."""
        query = """query($id: String!) { partitionBackfillOrError(backfillId: $id) {
            ... on PartitionBackfill { status error { message } runs { runId status tags { key value } } } } }"""

        def ended() -> dict[str, Any] | None:
            found = self.ask(query, id=backfill_id)["partitionBackfillOrError"]
            return found if found["status"] not in {"REQUESTED", "CANCELING"} else None

        done = wait_for(ended, "the end of the backfill")
        assert done["status"] == "COMPLETED_SUCCESS", done
        return list(done["runs"])

    def launch(
        self,
        job: str,
        config: dict[str, Any] | None = None,
        assets: list[str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Start a job, or some assets of it, from its launchpad; the id of its run."""
        selector: dict[str, Any] = {**SELECTOR, "jobName": job}
        if assets:
            selector["assetSelection"] = [{"path": name.split("/")} for name in assets]
        started = self.ask_for_run(selector, config, tags)
        assert started["__typename"] == "LaunchRunSuccess", started
        return str(started["run"]["runId"])

    def execute_checks(self, asset: str, *checks: str) -> str:
        """Press *Execute* on checks of an asset, which names no partition; the id of the run."""
        path = asset.split("/")
        selected = [{"assetKey": {"path": path}, "name": name} for name in checks]
        selector = {
            **SELECTOR,
            "jobName": "__ASSET_JOB",
            "assetSelection": [],
            "assetCheckSelection": selected,
        }
        started = self.ask_for_run(selector)
        assert started["__typename"] == "LaunchRunSuccess", started
        return str(started["run"]["runId"])

    def ask_for_run(
        self,
        selector: dict[str, Any],
        config: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """What *Launch run* is answered with."""
        answer: dict[str, Any] = self.ask(
            """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
                 ... on RunConfigValidationInvalid { errors { message } } } }""",
            params={
                "selector": selector,
                "runConfigData": config or {},
                "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in (tags or {}).items()]},
            },
        )["launchRun"]
        return answer

    def terminate(self, run_id: str) -> str:
        """Press *Terminate* on a run; the kind of the answer."""
        mutation = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"
        return str(self.ask(mutation, id=run_id)["terminateRun"]["__typename"])

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """The runs, newest first."""
        query = """query($filter: RunsFilter) { runsOrError(filter: $filter) {
            ... on Runs { results { runId status jobName tags { key value } } } } }"""
        return list(self.ask(query, filter=filters)["runsOrError"]["results"])

    def end_of(self, run_id: str) -> str:
        """Wait for the end of a run and return its status."""

        def ended() -> str | None:
            (run,) = self.runs(runIds=[run_id])
            return run["status"] if run["status"] in {"SUCCESS", "FAILURE", "CANCELED"} else None

        return wait_for(ended, f"the end of run {run_id}")


def wait_for(happened: Callable[[], T | None], what: str) -> T:
    """Wait until something has happened in another process."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := happened()) is not None:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {PATIENCE:.0f} s")


@contextmanager
def dagster_dev(data_dir: Path, **environment: str) -> Iterator[Page]:
    """Start the Dagster UI on a data folder, and afterward leave no process and no port behind."""
    port = _free_port()
    page = Page(data_dir, port)
    log = (data_dir / "page.log").open("wb")
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("cip")), "ui", "--port", str(port)],
        env={**os.environ, "CIP_DATA_DIR": str(data_dir), "CIP_ENGINE": ENGINE, **environment},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def answers() -> bool | None:
        assert process.poll() is None, (data_dir / "page.log").read_text("utf-8")[-2000:]
        try:
            return requests.get(f"{page.url}/server_info", timeout=5).ok or None
        except requests.ConnectionError:
            return None

    try:
        wait_for(answers, "the page")
        yield page
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        log.close()
        left = wait_for(
            lambda: None if (found := session_of(process.pid)) else [found], "the end of its processes"
        )
        assert left == [[]]
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))


def session_of(leader: int) -> list[int]:
    """The processes of a session that are still there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text("utf-8").rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        except ProcessLookupError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
