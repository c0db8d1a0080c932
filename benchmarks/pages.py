"""How long `cip app` takes for a search and for a customer's page: random ones, one after the other, over HTTP."""

import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import quote

import psutil
import requests
import yaml
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks import END
from benchmarks.beside import took
from cip_assets.app.index import Index
from cip_assets.app.lake import Lake
from cip_assets.config.rules import DEFAULT_RULES
from cip_assets.config.settings import Settings
from cip_assets.synthetic import GeneratorConfig, generate

TIMES = 50

ROLE = "support"

ASKED: Mapping[str, tuple[str, str]] = {
    "search by id": ("/?q={}", 'customer_id FROM "cleaned/customers"'),
    "search by order number": ("/?q={}", 'order_id FROM "cleaned/transactions"'),
    "search by email": ("/?q={}", 'email FROM "cleaned/customers" WHERE email IS NOT NULL'),
    "search by a part of a name": (
        "/?q={}",
        'last_name[:4] FROM "cleaned/customers" WHERE len(last_name) > 4',
    ),
    "page of a customer": ("/customer?id={}", 'customer_id FROM "marts/customer_360"'),
}
"""What is asked for: an address, and where the values in it come from."""


@dataclass(frozen=True)
class Answered:
    """The milliseconds of one kind of request."""

    customers: int
    asked: str
    times: int
    median_ms: float
    worst_ms: float
    cpu_ms: float
    copies_cpu_seconds: float
    """The time that making the copies took, of all kinds together; 0 if they were there."""


def measured(customers: int, data: Path | None, times: int = TIMES) -> Iterator[Answered]:
    """Ask for random customers of a shop, which is made if the folder has none.

    Args:
        customers: the number of customers to generate.
        data: a data folder, which is kept; without one, it is a scratch folder.
        times: the requests of each kind.

    Raises:
        SystemExit: the run failed, or a page was not found.

    """
    with tempfile.TemporaryDirectory(prefix="cip-pages-") as scratch:
        settings = Settings(data or Path(scratch), "sail")
        if not settings.lake.exists():
            generate(GeneratorConfig(customers=customers, end=END, seed=1), settings.landing)
            took([sys.executable, "-m", "cip_assets", "run"], CIP_DATA_DIR=str(settings.data_dir))
        index = Index(settings)
        began = _cpu_seconds()
        index.make()
        copied = round(_cpu_seconds() - began, 1)
        lake = Lake(settings, index)
        (row,) = lake.rows('SELECT count(*) AS customers FROM "cleaned/customers"')
        with _served(settings, Path(scratch)) as (url, process):
            for asked, (path, values) in ASKED.items():
                query = f"SELECT DISTINCT {values.replace(' FROM', ' AS value FROM', 1)}"
                found = sorted(each["value"] for each in lake.rows(query))
                chosen = random.Random(asked).choices(found, k=times + 1)  # noqa: S311 -- not for secrets
                seconds, cpu = _ask([f"{url}{path.format(quote(each))}" for each in chosen], process)
                yield Answered(
                    customers=row["customers"],
                    asked=asked,
                    times=times,
                    median_ms=round(1000 * median(seconds), 1),
                    worst_ms=round(1000 * max(seconds), 1),
                    cpu_ms=round(1000 * cpu / times, 1),
                    copies_cpu_seconds=copied,
                )


def _ask(addresses: Sequence[str], process: psutil.Process) -> tuple[list[float], float]:
    """The seconds of each request, and the processor's of all; the first one, which fills caches, is left out."""
    seconds, before = [], 0.0
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=Retry(connect=30, backoff_factor=0.1)))
        for number, address in enumerate(addresses):
            if number == 1:
                before = sum(process.cpu_times()[:2])
            began = time.perf_counter()
            answer = session.get(address, timeout=60)
            seconds.append(time.perf_counter() - began)
            if answer.status_code != requests.codes.ok:
                raise SystemExit(f"{address}: status {answer.status_code}")
    return seconds[1:], sum(process.cpu_times()[:2]) - before


@contextmanager
def _served(settings: Settings, scratch: Path) -> Iterator[tuple[str, psutil.Process]]:
    """The address of `cip app` for a role that sees names and emails, and its process."""
    rules = yaml.safe_load(DEFAULT_RULES.read_text(encoding="utf-8"))
    rules["app"] = {"roles": {ROLE: dict.fromkeys(("first_name", "last_name", "email"), "shown")}}
    path = scratch / "rules.yaml"
    path.write_text(yaml.safe_dump(rules, sort_keys=False), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cip_assets", "app", "--port", str(port), "--role", ROLE]
    environment = {"CIP_DATA_DIR": str(settings.data_dir), "CIP_ENGINE": "sail", "CIP_RULES": str(path)}
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def section(answered: Sequence[Answered]) -> list[str]:
    """The part of docs/benchmarks.md about `cip app`."""
    if not answered:
        return []
    copies = {entry.customers: entry.copies_cpu_seconds for entry in answered if entry.copies_cpu_seconds}
    return [
        "",
        "## A search and a customer's page",
        "",
        "[`cip app`](app.md) is asked for random customers, one request after the other, over HTTP. The figures are",
        "milliseconds, and CPU is the mean of the server's.",
        *(
            f"Its copies of {customers:,} customers took {seconds} seconds of CPU once."
            for customers, seconds in copies.items()
        ),
        "",
        "| customers | what | requests | median | worst | CPU |",
        "|---|---|---|---|---|---|",
        *(
            f"| {entry.customers:,} | {entry.asked} | {entry.times} | {entry.median_ms} | {entry.worst_ms} "
            f"| {entry.cpu_ms} |"
            for entry in answered
        ),
    ]
