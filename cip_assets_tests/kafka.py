"""A real Apache Kafka broker that the tests start for themselves, and processes of `cip stream`."""

import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import Self

import pytest

from cip_assets.__main__ import main
from cip_assets.config.errors import PlatformError
from cip_assets.sources.streams.files import Range
from cip_assets.synthetic.broker import Broker, free_port, jars

STARTER = multiprocessing.get_context("forkserver")
"""Starts processes from one that has imported the command, which saves two seconds each."""
STARTER.set_forkserver_preload(["cip_assets.cli.stream"])

LONGEST = 60.0
"""Seconds until what is waited for is given up."""

FORGETS = "group.min.session.timeout.ms=1000"
"""Lets consumers be given up for dead soon."""


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker on a free port, until the tests end."""
    try:
        jars()
    except PlatformError as error:
        if os.environ.get("CI"):
            pytest.fail(f"KAFKA IS MISSING, and CI may not go without it: {error}")
        pytest.skip(f"KAFKA IS MISSING: {error}")
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    broker.more = f"{FORGETS}\n{_with_passwords(broker)}"
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


USER, PASSWORD, LOCKED_PORT = "shop", "p@ss:w/rd%20#?", free_port()
"""Who may use the broker's other port, which needs a password and speaks TLS."""


def certificate(broker: Broker) -> Path:
    """The certificate of the broker's other port, which nobody else has signed."""
    return broker.folder / "broker.pem"


def _with_passwords(broker: Broker) -> str:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    kinds = {"PLAINTEXT": broker.port, "SASL_SSL": LOCKED_PORT, "CONTROLLER": broker.controller}
    broker.folder.mkdir(parents=True, exist_ok=True)
    key, own = broker.folder / "key.pem", certificate(broker)
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=broker"]
    where = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(own)]
    subprocess.run([*made, *where], check=True, capture_output=True)
    both = broker.folder / "both.pem"
    both.write_text(key.read_text() + own.read_text())
    return f"""
listeners={",".join(f"{kind}://127.0.0.1:{port}" for kind, port in kinds.items())}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={both}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config={module} required username="b" password="b" user_{USER}="{PASSWORD}";
"""


@dataclass
class Consumers:
    """Processes of `cip stream` on a data folder."""

    data_dir: Path
    running: list[BaseProcess] = field(default_factory=list)
    _outputs: dict[BaseProcess, Path] = field(default_factory=dict)

    def start(self, variables: Mapping[str, str] = MappingProxyType({})) -> BaseProcess:
        number = len(list(self.data_dir.glob("output-*")))
        output = self.data_dir / f"output-{number}"
        output.touch()
        process = STARTER.Process(target=_cip_stream, args=(str(self.data_dir), str(output), dict(variables)))
        process.start()
        self.running.append(process)
        self._outputs[process] = output
        return process

    def end(self, process: BaseProcess, how: signal.Signals = signal.SIGTERM) -> int | None:
        """End a process, and return its exit code."""
        assert process.pid is not None
        self.running.remove(process)
        if how == signal.SIGTERM:  # which it heeds once it says what it reads
            until(
                lambda: self._outputs[process].stat().st_size > 0 or not process.is_alive(),
                lambda: self.output,
            )
        if process.is_alive():
            os.kill(process.pid, how)
        process.join(LONGEST)
        return process.exitcode

    def end_all(self, how: signal.Signals = signal.SIGTERM) -> list[int | None]:
        return [self.end(process, how) for process in [*self.running]]

    @property
    def output(self) -> str:
        return "".join(path.read_text() for path in sorted(self.data_dir.glob("output-*")))


def _cip_stream(data_dir: str, output: str, variables: Mapping[str, str]) -> None:
    with open(output, "w", encoding="utf-8") as stream:  # noqa: PTH123 -- it is the descriptor that is needed
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ |= {"CIP_DATA_DIR": data_dir, "COLUMNS": "200", **variables}
    sys.argv = ["cip", "stream"]
    main()


class SchemaRegistry:
    """A server on this machine that answers as a schema registry does."""

    def __init__(self, answers: Mapping[str, object], port: int = 0) -> None:
        self.asked: list[str] = []
        self.refuse_with = 0
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                found = answers.get(self.path)
                body = json.dumps(found or {"error_code": 40403}).encode()
                self.send_response(registry.refuse_with or (200 if found else 404))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def configure(data_dir: Path, broker: Broker, *topics: str, seconds: float = 0.3, **more: object) -> None:
    """Write a ``sources.yaml`` in which the topics have transactions, and the client has more settings."""
    client = {"session.timeout.ms": 2000, "heartbeat.interval.ms": 500, **more}
    data_dir.mkdir(parents=True, exist_ok=True)
    lines = [f"  - {{topic: {topic}, table: transactions}}" for topic in topics]
    text = f"""\
first_month: 2024-01-01
kafka:
  servers: {broker.servers}
  group: {data_dir.name}
  seconds: {seconds}
  settings: {json.dumps(client)}
  topics:
"""
    (data_dir / "sources.yaml").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


def until(is_so: Callable[[], bool], what: Callable[[], object], longest: float = LONGEST) -> None:
    """Wait for something that nobody reports."""
    end = time.monotonic() + longest
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(str(what()))
        time.sleep(0.1)


def landed(data_dir: Path) -> list[str]:
    """The first field of each line of the landing files: its id, or its text if it could not be read."""
    found: list[str] = []
    for path in sorted((data_dir / "landing").rglob("*.csv")):
        found += [line.partition(",")[0] for line in path.read_text("utf-8").splitlines()[1:]]
    return found


def overlapping(data_dir: Path) -> Sequence[tuple[Range, Range]]:
    """The landing files that hold an offset that another one holds, too."""
    found = sorted(filter(None, map(Range.of, (data_dir / "landing").rglob("*.csv"))))
    same = lambda a, b: (a.topic_id, a.partition) == (b.topic_id, b.partition)  # noqa: E731 -- only here
    return [(a, b) for a, b in itertools.pairwise(found) if same(a, b) and b.first <= a.last]
