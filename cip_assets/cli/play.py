"""`cip generate --stream`: broker, producer, `cip stream` and the Dagster UI in one."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cip_assets.cli.console import bars, out
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.sources.config import FILE
from cip_assets.synthetic.broker import Broker
from cip_assets.synthetic.play import PARTITIONS, play, sources, taken, topic_of

OURS = "# written by 'cip generate --stream'\n"


def check(settings: Settings) -> None:
    """Refuse a data folder whose topics or exports are a person's.

    Raises:
        PlatformError: it has a ``sources.yaml`` that was not written here.

    """
    path = settings.data_dir / FILE
    if path.exists() and not path.read_text(encoding="utf-8").startswith(OURS):
        raise PlatformError(f"{path} exists; set CIP_DATA_DIR to another folder for the generated shop")


def play_generated(settings: Settings, speed: float) -> None:
    """Play the newest deliveries of the landing folder onto topics, and show them in the UI until it is stopped."""
    lines = taken(settings.landing)
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder))
        with _stopping() as stopped:
            try:
                broker.start()
                for table in sorted({line.table for line in lines}):
                    broker.make(topic_of(table), PARTITIONS)
                (settings.data_dir / FILE).write_text(f"{OURS}{sources(broker, lines)}", encoding="utf-8")
                with _process("stream"), _process("ui"):
                    out.print(
                        f"{len(lines):,} records are played; see http://127.0.0.1:3000 and {settings.final}"
                    )
                    with bars() as progress:
                        task = progress.add_task("records", total=len(lines))
                        for line in play(broker, lines, speed, lambda: bool(stopped)):
                            progress.update(task, advance=1, description=line.day[:10])
                    if not stopped:
                        out.print("all are played; stop with Ctrl+C")
                        signal.pause()
            finally:
                broker.stop()


@contextmanager
def _stopping() -> Iterator[list[int]]:
    """The signals to stop that have come."""
    stopped: list[int] = []
    before = {
        number: signal.signal(number, lambda given, _: stopped.append(given))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _process(command: str) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-m", "cip_assets", command], start_new_session=True)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
