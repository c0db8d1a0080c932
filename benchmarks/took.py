"""The seconds, the CPU and the peak memory of a command: ``python -m benchmarks.took COMMAND...``.

A process of its own, and a small one: a child counts the memory of the process that started it. When the machine has
no memory left, Linux kills this command before any other.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

KB_IN_MB = 1024
KILLED_FIRST = "1000"

if __name__ == "__main__":
    began = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    Path(f"/proc/{child.pid}/oom_score_adj").write_text(KILLED_FIRST, encoding="ascii")
    _, status, usage = os.wait4(child.pid, 0)
    took = {
        "seconds": time.monotonic() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / KB_IN_MB,
        "is_killed": os.WIFSIGNALED(status),
    }
    sys.stdout.write(json.dumps(took))
    sys.exit(bool(status) and not took["is_killed"])
