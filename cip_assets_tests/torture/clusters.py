"""Whole runs on clusters of this machine, started from the distributions in PySpark and in Sail."""

import os
import re
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from signal import SIGTERM
from threading import Thread

import pyspark

from cip_assets.config.settings import PROJECT, Settings
from cip_assets.engines import spark
from cip_assets_tests.integration.helpers import every_table, files_of
from cip_assets_tests.torture.shop import land_first

HOME = Path(pyspark.__path__[0])
WORKERS = 2
ON_THIS_MACHINE = {
    "SPARK_LOCAL_IP": "127.0.0.1",
    "SPARK_HOME": str(HOME),
    "PYSPARK_PYTHON": sys.executable,
    "PYTHONPATH": str(PROJECT),
}

Environment = Mapping[str, str]


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Environment]:
    """A master and two workers. The settings of one machine suit so few rows."""
    (folder / "spark-defaults.conf").write_text(_lines(spark.LOCAL_TUNING), encoding="utf-8")
    program = [str(HOME / "bin" / "spark-class"), "org.apache.spark.deploy"]
    here = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]

    def start(role: str, *arguments: str) -> AbstractContextManager[str]:
        ready = (
            r"Starting Spark master at (\S+)" if role == "master.Master" else "registered with master (.*)"
        )
        return _server([program[0], f"{program[1]}.{role}", *here, *arguments], ready)

    with ExitStack() as stack:
        address = stack.enter_context(start("master.Master"))
        for number in range(WORKERS):
            work = folder / f"worker-{number}"
            limits = ["--cores", "1", "--memory", "1g", "--work-dir", str(work)]
            stack.enter_context(start("worker.Worker", *limits, address))
        yield {
            **ON_THIS_MACHINE,
            "CIP_ENGINE": "spark",
            "CIP_SPARK_MASTER": address,
            "SPARK_CONF_DIR": str(folder),
        }
        idle = [work for work in folder.glob("worker-*") if not any(work.glob("app-*/*"))]
        if idle:
            raise AssertionError(f"nothing was computed by {idle}")


@contextmanager
def connect_server(folder: Path) -> Iterator[Environment]:
    """Apache Spark's own Spark Connect server, with Delta."""
    del folder
    config = {
        **spark.prepare(os.environ),
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
    }
    del config["spark.log.level"]  # the line with the port is information
    settings = [part for key, value in config.items() for part in ("--conf", f"{key}={value}")]
    server = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
    ready = r"Spark Connect server started at: (\S+)"
    with _server([str(HOME / "bin" / "spark-submit"), *settings, *server], ready) as address:
        yield {"CIP_ENGINE": "connect", "CIP_SPARK_REMOTE": f"sc://{address}"}


@contextmanager
def sail_cluster(folder: Path) -> Iterator[Environment]:
    """Sail's workers in the threads of one process, which send each other rows over the network."""
    del folder
    yield {"CIP_ENGINE": "sail", "SAIL_MODE": "local-cluster"}


@contextmanager
def sail(folder: Path) -> Iterator[Environment]:
    """The default, which the clusters are compared with."""
    del folder
    yield {"CIP_ENGINE": "sail"}


CLUSTERS: Mapping[str, Callable[[Path], AbstractContextManager[Environment]]] = {
    "a Spark cluster: a master and two workers (`CIP_SPARK_MASTER=spark://…`)": spark_cluster,
    "a Spark Connect server (`CIP_ENGINE=connect`, `CIP_SPARK_REMOTE=sc://…`)": connect_server,
    "Sail's cluster in one process (`SAIL_MODE=local-cluster`)": sail_cluster,
}


def differences() -> Iterator[tuple[str, int, Sequence[str]]]:
    """For each cluster, how many tables and files a whole run makes there, and which differ from those of Sail."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = _contents(Path(folder, "sail"), sail)
        for number, (name, start) in enumerate(CLUSTERS.items()):
            found = _contents(Path(folder, str(number)), start)
            yield name, len(found), sorted(k for k in found.keys() | wanted if found.get(k) != wanted.get(k))


def _contents(
    folder: Path, start: Callable[[Path], AbstractContextManager[Environment]]
) -> dict[str, object]:
    """What a whole run leaves: the rows of each table, and the hash of each exported file."""
    settings = Settings(folder / "data", "sail")
    land_first(settings.landing)
    with start(folder) as environment:
        given = {**os.environ, **environment, "CIP_DATA_DIR": str(settings.data_dir)}
        subprocess.run([sys.executable, "-m", "cip_assets", "run"], env=given, check=True)
    return {**every_table(settings), **files_of(settings)}


@contextmanager
def _server(command: Sequence[str], ready: str) -> Iterator[str]:
    """Start a server and wait until it prints that it is ready; yields what the pattern finds in that line."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **ON_THIS_MACHINE},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed: deque[str] = deque(maxlen=20)
    try:
        for line in process.stdout:
            printed.append(line)
            if found := re.search(ready, line):
                break
        else:
            raise RuntimeError(f"{' '.join(command)} ended:\n{''.join(printed)}")
        rest = Thread(target=deque, args=(process.stdout, 0))  # a full pipe would stop the server
        rest.start()
        yield found[1]
    finally:
        os.killpg(process.pid, SIGTERM)
        process.wait()


def _lines(config: Mapping[str, str]) -> str:
    return "".join(f"{key} {value}\n" for key, value in config.items())
