"""The Customer Intelligence Platform: from landing files to a Customer 360, as one Dagster asset graph.

``layers`` declares and computes the tables with ``contracts``, ``calc`` and ``analytics``. ``ingest`` reads landing
files, ``storage`` writes tables and files, and ``engines`` start Spark sessions. ``orchestration`` puts all of it into
Dagster, ``reporting`` makes the dashboard and the Power BI project, and ``cli`` has the commands.
"""

import gc
import os
import warnings

# Dagster calls backfill policies, mappings across grains and partitioned checks preview or beta. Its version is
# pinned, and tests cover each of them. The warnings are matched by text because importing Dagster takes longer than
# some commands do.
warnings.filterwarnings("ignore", message=r".* is currently in (beta|preview), and may have breaking changes")

# At Python's usual 700 new objects, its searches for garbage were an eighth of the CPU of a run on three purchases,
# because each goes through Dagster's graph as well.
gc.set_threshold(50_000)

# The vectors and matrices of the forecasts are small. The threads of OpenBLAS share them, and in between wait busily:
# 3 % of the CPU of such a run.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
