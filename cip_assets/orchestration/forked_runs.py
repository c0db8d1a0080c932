"""Runs that the Dagster UI starts are forked from a process that has imported everything.

Dagster's code server starts a process for each run, which imports for about three seconds of CPU before it does
anything. So the server also starts one process that only imports. The runs are forked from it, and are otherwise the
processes that Dagster knows: it starts, ends and watches them as before. Each run loads the rules and ``sources.yaml``
by itself. If a module of ours was changed since it was imported, the next run is a new process, as without this. The
importing process ends with its server; if it is killed, the next run starts another one.
"""

import multiprocessing
import sys
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]

IMPORTED = ["cip_assets.definitions", "scipy.interpolate", "scipy.optimize"]
"""What runs need: all of ours, and what scipy would import when a forecast is fitted."""

SERVER = "dagster._grpc.server"
"""The module of Dagster's code server. It has no public name, and no setting for how it starts a process."""

Sources = dict[Path, int]


class ForkedRuns(ForkServerContext):
    """Makes processes that are forked, as long as our modules are as they were imported."""

    def __init__(self) -> None:
        super().__init__()
        self._imported = _sources()
        self.set_forkserver_preload(IMPORTED)
        ensure_running()

    def Process(self, *args: Any, **options: Any) -> Any:  # type: ignore[override]  # noqa: N802 -- its name there
        """A process that has not been started yet."""
        is_current = _sources() == self._imported
        return (ForkServerProcess if is_current else SpawnProcess)(*args, **options)


def _sources() -> Sources:
    """When each of our modules was last changed."""
    return {path: path.stat().st_mtime_ns for path in PACKAGE.rglob("*.py")}


def fork_runs() -> None:
    """Fork the runs of this process, if it is a code server, which loads the definitions before it serves.

    Only Linux forks safely after these imports.
    """
    server = sys.modules.get(SERVER)
    if server is None or sys.platform != "linux" or multiprocessing.parent_process():
        return
    serve = server.DagsterGrpcServer.serve

    def serve_forking(self: Any) -> None:
        self._api_servicer._mp_ctx = ForkedRuns()  # noqa: SLF001 -- as above
        serve(self)

    server.DagsterGrpcServer.serve = serve_forking
