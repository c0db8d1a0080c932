"""What a person waits for, beside the same at an earlier commit: ``python -m benchmarks.start [COMMIT]``.

Each command is a process of its own. The two versions take turns, each a few times, and the best of each counts: the
machine is shared, so the ratio says more than the seconds. Both run with the packages of this environment.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import END
from benchmarks.beside import Took, took
from cip_assets.config.settings import PROJECT
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets_tests.integration.helpers import land_all

EARLIER = "1786fd6"
"""The last commit before the folders and the light start."""

TIMES = 3


def main(earlier: str = EARLIER) -> None:
    """Measure, and print both beside each other."""
    with tempfile.TemporaryDirectory(prefix="cip-start-") as scratch, _at(earlier, Path(scratch)) as before:
        table = Table(title=f"{earlier} and now, best of {TIMES}", title_justify="left")
        for heading in ("", "then, s", "now, s", "now / then", "then, MB", "now, MB"):
            table.add_column(heading, justify="left" if not heading else "right")
        roots = {"then": before, "now": PROJECT}
        for what, found in _measured(roots, Path(scratch)):
            then, now = found["then"], found["now"]
            table.add_row(
                what,
                f"{then.seconds:.2f}",
                f"{now.seconds:.2f}",
                f"{now.seconds / then.seconds:.2f}",
                f"{then.peak_mb:.0f}",
                f"{now.peak_mb:.0f}",
            )
        Console().print(table)


def _measured(roots: dict[str, Path], scratch: Path) -> Iterator[tuple[str, dict[str, Took]]]:
    """Each thing that a person waits for, at both versions."""
    data = {name: scratch / f"data-{name}" for name in roots}
    fresh = {"three purchases": _three_purchases, "10,000 customers": _sample}
    for what, land in fresh.items():
        found: dict[str, list[Took]] = {name: [] for name in roots}
        for _ in range(TIMES):
            for name, root in roots.items():
                data[name] = Path(tempfile.mkdtemp(dir=scratch))
                land(data[name] / "landing")
                found[name].append(_command(root, data[name], "run"))
        yield f"cip run, {what} from nothing", _best(found)
    for what, arguments in (
        ("cip run, nothing new", ["run"]),
        ("cip status", ["status"]),
        ("cip --help", ["--help"]),
    ):
        found = {name: [] for name in roots}
        for _ in range(TIMES):
            for name, root in roots.items():
                found[name].append(_command(root, data[name], *arguments))
        yield what, _best(found)


def _best(found: dict[str, list[Took]]) -> dict[str, Took]:
    return {name: min(several, key=lambda one: one.seconds) for name, several in found.items()}


def _three_purchases(landing: Path) -> None:
    landing.mkdir()
    land_all(landing)


def _sample(landing: Path) -> None:
    generate(GeneratorConfig(customers=10_000, end=END, seed=1), landing)


def _command(root: Path, data: Path, *arguments: str) -> Took:
    command = [sys.executable, "-m", "cip_assets", *arguments]
    return took(command, cwd=root, PYTHONPATH=str(root), CIP_DATA_DIR=str(data))


@contextmanager
def _at(commit: str, scratch: Path) -> Iterator[Path]:
    """The project as it was at a commit, in a worktree of its own."""
    folder = scratch / "then"
    _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    command: Sequence[str] = ["git", "-C", str(PROJECT), *arguments]
    done = subprocess.run(command, check=False)
    if done.returncode:
        raise SystemExit(
            f"'git {' '.join(arguments[:2])}' failed: this benchmark needs the project's git history"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
