"""One measured run, in a process of its own: ``python -m benchmarks.one_run REPORT.json``."""

import json
import re
import subprocess
import sys
from pathlib import Path

from cip_assets.runner import Platform
from cip_assets.settings import Settings


def main(report_file: Path) -> int:
    """Run the platform and write the rows and seconds of each asset."""
    report = Platform(Settings.from_environment()).run()
    facts = {"rows": report.rows, "step_seconds": report.seconds, "jvm_peak_gb": _jvm_peak_gb()}
    report_file.write_text(json.dumps(facts), encoding="utf-8")
    for failure in report.failures:
        sys.stderr.write(f"{failure.message}\n")
    return 0 if report.succeeded else 1


def _jvm_peak_gb() -> float:
    """The highest memory of the Java process that Spark runs in, where there is one."""
    listed = subprocess.run(["ps", "-eo", "pid,comm"], capture_output=True, text=True, check=True).stdout
    peaks = [0.0]
    for pid, command in re.findall(r"(\d+) (\S+)", listed):
        status = Path(f"/proc/{pid}/status")
        if command == "java" and status.exists():
            peaks += [int(kb) / 1024**2 for kb in re.findall(r"VmHWM:\s+(\d+)", status.read_text("utf-8"))]
    return max(peaks)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
