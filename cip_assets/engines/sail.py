"""Sail: a Spark Connect server inside this process. It needs no Java and starts in less than a second."""

import atexit
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession
from pyspark.sql.connect.client.core import ConfigResult
from pyspark.sql.connect.proto import ConfigRequest

from cip_assets.calc.together import PARTITIONS
from cip_assets.config.errors import PlatformError

MEMORY_SHARE = 0.25
"""The share of the machine's memory that queries may use before they spill to disk. CIP_SAIL_MEMORY_GB overrides it."""

FEWEST_PARTITIONS = 2
"""With one partition, which is Sail's choice on one core, some unions fail ("Can not create InterleaveExec")."""

PARTITIONS_TOGETHER = 4
"""Partitions of rows that were brought together; as many as there are cores, if these are more. Sail would make one for
each month that it reads. Each of them sorts, and each sort keeps 10 MB that it cannot spill.
"""

ROWS_AT_ONCE, FEWER_ROWS = 32_768, 8_192
"""The rows of a batch. With 8,192, a write by month takes a fifth longer, but a sort needs memory for two batches."""

LITTLE_MEMORY = 2 * 1024**3
"""Bytes of memory. With less, batches are small."""

CONTAINER_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""The processor time of a container in a period, and the period; ``max`` is no limit."""


def prepare(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Start the server, once per process, and return the configuration of a session on it."""
    return {
        "spark.remote": f"sc://127.0.0.1:{_serve(_pool_bytes(environment))}",
        PARTITIONS: str(max(_cores(), PARTITIONS_TOGETHER)),
    }


def read_directly(session: SparkSession) -> None:
    """Read results in one stream, which cannot break off inside a process.

    By default the client could attach to a query again. It then asks for each query twice and releases every part of
    its result: 2 ms of CPU of a query that takes 4.
    """
    session.client.disable_reattachable_execute()


def ask_once(session: SparkSession) -> None:
    """Ask the server for the value of a setting once, until one is set; nobody else sets any.

    PySpark asks for one each time that rows are collected, which takes a fifth of the time of a query on a few rows.
    """
    client = session.client
    if "config" in vars(client):
        return
    ask = client.config
    answers: dict[bytes, ConfigResult] = {}

    def config(operation: ConfigRequest.Operation) -> ConfigResult:
        if operation.WhichOneof("op_type") not in {"get", "get_with_default"}:
            answers.clear()
            return ask(operation)
        asked = operation.SerializeToString()
        if asked not in answers:
            answers[asked] = ask(operation)
        return answers[asked]

    client.config = config  # type: ignore[method-assign]


def leave_quietly(session: SparkSession) -> None:
    """Ask the server for nothing when the process ends, as it ends with it.

    PySpark would have it drop its models. Sail has none and refuses, and the client logs the refusal as an error.
    """
    atexit.unregister(session.client._on_exit)  # noqa: SLF001 -- it has no public name


def _pool_bytes(environment: Mapping[str, str]) -> int:
    text = environment.get("CIP_SAIL_MEMORY_GB")
    if not text:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE)
    try:
        return int(float(text) * 1024**3)
    except ValueError as error:
        raise PlatformError(
            f"CIP_SAIL_MEMORY_GB={text!r} is not a number; set it to a number of gigabytes, such as 4"
        ) from error


def _cores() -> int:
    """The cores that this process may use, as Sail counts them: those it is bound to, within a container's limit."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not CONTAINER_LIMIT.exists():
        return bound
    quota, period = CONTAINER_LIMIT.read_text(encoding="ascii").split()
    return bound if quota == "max" else min(bound, max(int(quota) // int(period), 1))


def is_running() -> bool:
    """Whether this process has a server."""
    return bool(_RUNNING)


@cache
def _serve(pool_bytes: int) -> int:
    # Sail reads its settings from the environment when the server is created; by default its memory is not limited.
    os.environ.setdefault("SAIL_RUNTIME__MEMORY_POOL__TYPE", "fair")
    os.environ.setdefault("SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE", str(pool_bytes))
    if _cores() < FEWEST_PARTITIONS:
        os.environ.setdefault("SAIL_EXECUTION__DEFAULT_PARALLELISM", str(FEWEST_PARTITIONS))
    rows = FEWER_ROWS if pool_bytes < LITTLE_MEMORY else ROWS_AT_ONCE
    os.environ.setdefault("SAIL_EXECUTION__BATCH_SIZE", str(rows))
    os.environ.setdefault("RUST_LOG", "error")
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    _RUNNING.append(server)
    _, port = server.listening_address
    return int(port)


_RUNNING: list[SparkConnectServer] = []
"""A reference that keeps the server alive as long as the process."""
