"""An Apache Kafka broker on this machine, for demonstrations and tests. It needs Java 17 or later.

Its jars are downloaded once, from Maven Central or where Ivy's settings say, by the Ivy that comes with PySpark.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pyspark
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from filelock import FileLock

from cip_assets.config.errors import PlatformError

VERSION = "4.1.0"
CLUSTER = "Y2lwLWNsdXN0ZXItY2lwLQ"
"""The id of the cluster: 16 bytes in Base64."""

STARTS_WITHIN = 120.0
"""The seconds that a broker has to start on a busy machine."""

JAVA = (
    "java",
    "-XX:+UnlockDiagnosticVMOptions",
    "-XX:-BytecodeVerificationRemote",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xmx512m",
)
"""A broker that lives for minutes does not earn back what Java's optimizing compiler costs."""

PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
log.dirs={folder}/log
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
num.network.threads=2
num.io.threads=2
log.cleaner.enable=false
{more}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@dataclass
class Broker:
    """A broker with its data in a folder. It can be stopped, killed and started again.

    ``more`` are further properties, which are fixed when it is first started.
    """

    folder: Path
    more: str = ""
    port: int = field(default_factory=free_port)
    controller: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            PlatformError: its jars cannot be had, or it does not start. The message says why.

        """
        classes = f"{jars()}/*"
        properties = self.folder / "server.properties"
        if not properties.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            text = PROPERTIES.format(
                port=self.port, controller=self.controller, folder=self.folder, more=self.more
            )
            properties.write_text(text, encoding="utf-8")
            self._java(classes, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(properties))
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*JAVA, "-cp", classes, "kafka.Kafka", str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # an interrupt of the terminal is not the broker's
            )
        admin, until = self.admin(), time.monotonic() + STARTS_WITHIN
        while True:
            try:
                admin.list_topics(timeout=2)
            except KafkaException as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise PlatformError(f"Kafka does not start: see {self.folder / 'output'}") from error
            else:
                return

    def stop(self) -> None:
        """Stop it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def admin(self) -> AdminClient:
        """A client for its topics."""
        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def make(self, topic: str, partitions: int = 1) -> None:
        """Make a topic."""
        admin = self.admin()  # the answer comes as long as the client lives
        admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result()

    def delete(self, topic: str) -> None:
        """Delete a topic."""
        admin = self.admin()
        admin.delete_topics([topic])[topic].result()

    def _java(self, classes: str, *arguments: str) -> None:
        done = subprocess.run(
            [*JAVA, "-cp", classes, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PlatformError(f"Kafka cannot be set up: {done.stderr.strip().splitlines()[-1]}")


def jars() -> Path:
    """The folder with Kafka's jars, which are downloaded if they are not there.

    Raises:
        PlatformError: Java is missing, or the jars cannot be downloaded.

    """
    if shutil.which("java") is None:
        raise PlatformError("Kafka needs Java, but none was found: install Java 17 or later")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cip"
    home.mkdir(parents=True, exist_ok=True)
    folder = home / f"kafka-{VERSION}"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            (ivy,) = Path(pyspark.__file__).parent.glob("jars/ivy-*.jar")
            with tempfile.TemporaryDirectory(dir=home) as scratch:
                what = ("-dependency", "org.apache.kafka", "kafka_2.13", VERSION, "-confs", "default")
                where = (
                    "-types",
                    "jar",
                    "bundle",
                    "-retrieve",
                    f"{scratch}/jars/[artifact]-[revision].[ext]",
                )
                done = subprocess.run(
                    ["java", "-jar", str(ivy), *what, *where], capture_output=True, text=True, check=False
                )
                found = list(Path(scratch, "jars").glob("kafka-server-*.jar"))
                if done.returncode or not found:
                    last = (done.stdout + done.stderr).strip().splitlines()[-1:]
                    raise PlatformError(
                        f"Kafka {VERSION} cannot be downloaded ({' '.join(last)}); let this machine reach Maven "
                        f"Central, or put its jars into {folder}"
                    )
                shutil.move(Path(scratch, "jars"), folder)
    return folder
