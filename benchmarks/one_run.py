"""One measured run, in a process of its own: ``python -m benchmarks.one_run REPORT.json [--all]``."""

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.orchestration.instance import open_instance


class Bookkeeping:
    """Times what Dagster does inside steps with its own storage: events, and versions of inputs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.seconds = 0.0
        self._depth = 0
        for name in ("handle_new_event", "get_asset_records", "get_latest_data_version_record"):
            setattr(instance, name, self._timed(getattr(instance, name)))

    def _timed(self, call):  # noqa: ANN001, ANN202
        def timed(*args, **kwargs):  # noqa: ANN002, ANN003, ANN202
            began = time.monotonic()
            self._depth += 1
            try:
                return call(*args, **kwargs)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.monotonic() - began

        return timed


def main(report_file: Path, *, everything: bool) -> int:
    """Run the platform and write the rows and seconds of each asset."""
    settings = Settings.from_environment()
    instance = open_instance(settings.dagster_home)
    bookkeeping = Bookkeeping(instance)
    report = open_platform(settings, instance).run(everything=everything)
    facts = {
        "rows": report.rows,
        "step_seconds": report.seconds,
        "bookkeeping_seconds": bookkeeping.seconds,
        "jvm_peak_gb": max((_peak_gb(java) for java in _java()), default=0.0),
        "jvm_cpu_seconds": sum(java.cpu_times().user + java.cpu_times().system for java in _java()),
    }
    report_file.write_text(json.dumps(facts), encoding="utf-8")
    for failure in report.failures:
        sys.stderr.write(f"{failure.message}\n")
    return 0 if report.succeeded else 1


def _java() -> Iterator[psutil.Process]:
    """The Java process that Spark runs in, where there is one. Nobody waits for it, so no parent has its figures."""
    return (child for child in psutil.Process().children(recursive=True) if child.name() == "java")


def _peak_gb(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    return max(int(kb) / 1024**2 for kb in re.findall(r"VmHWM:\s+(\d+)", status))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), everything="--all" in sys.argv))
