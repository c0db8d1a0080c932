"""One try: disturb a command, or one after the other, then see whether `cip run` makes everything right."""

import random
import shutil
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.layers import CONTRACTS
from cip_assets.orchestration.jobs.names import MAINTENANCE
from cip_assets.synthetic.broker import free_port
from cip_assets_tests.integration.helpers import every_table, files_of
from cip_assets_tests.torture.killing import Moment, killed
from cip_assets_tests.torture.reading import Reader, contents, orphans
from cip_assets_tests.torture.shop import land_first, land_second

RUN, RESTORE, REPLAY, MAINTAIN = "cip run", "cip restore", "cip replay", "cip maintain"
SENSOR = "cip ui, whose sensor starts a run"
DELIVERED = {RUN, SENSOR}
"""The commands that find the second delivery. It lands after the others."""

COMMANDS = {
    RUN: ["run"],
    RESTORE: ["restore", "cleaned/transactions", "--version", "1", "--force"],
    REPLAY: ["replay"],
    MAINTAIN: ["maintain", "--keep-days", "0"],
    SENSOR: ["ui", "--port", str(free_port())],
}
TAKES = {RUN: 12.0, RESTORE: 3.0, REPLAY: 8.0, MAINTAIN: 4.0, SENSOR: 40.0}
"""About as many seconds as a command takes, when it does something."""

PARQUET = r"lake/{}/(.*/)?[^/]*[.]parquet"
COMMIT = r"lake/{}/_delta_log/[0-9]{{20}}[.]json"


@dataclass(frozen=True)
class Attempt:
    """A command, and the moment at which it is killed."""

    command: str
    moment: Moment


@dataclass(frozen=True)
class Result:
    """What came of a try; ``wrong`` is empty if all promises were kept."""

    was_killed: Sequence[bool]
    """Whether each command was killed or ended before its moment."""
    wrong: Sequence[str] = field(default=())


def planted() -> list[Attempt]:
    """The points at which a kill would do the most harm."""
    tables = ["landing/manifest", "raw/transactions", "cleaned/transactions", "quarantine/transactions"]
    tables += ["facts/order_days", "features/purchases", "marts/customer_360"]
    found = [
        Attempt(RUN, Moment(f"a Parquet file of {name} is written, its commit is not", PARQUET.format(name)))
        for name in tables
    ]
    found += [Attempt(RUN, Moment(f"{name} is committed", COMMIT.format(name))) for name in tables]
    found += [
        Attempt(RUN, Moment("the first file is being exported", r"final/[.][^/]*-[^/]*")),
        Attempt(RUN, Moment("customer_360.csv is replaced", r"final/customer_360[.]csv")),
        Attempt(RUN, Moment("the page is replaced", r"final/dashboard[.]html")),
        Attempt(RESTORE, Moment("its run is recorded", r"[.]dagster/history/runs/[^/]*[.]db")),
        Attempt(RESTORE, Moment("the restored version is committed", COMMIT.format("cleaned/transactions"))),
        Attempt(REPLAY, Moment("the first month is cleaned again", PARQUET.format("cleaned/transactions"))),
        Attempt(MAINTAIN, Moment("the first small files are joined", PARQUET.format("[^/]*/[^/]*"))),
        Attempt(MAINTAIN, Moment("a table is compacted", COMMIT.format("[^/]*/[^/]*"))),
        Attempt(
            SENSOR,
            Moment(
                "a Parquet file of raw/transactions is written, its commit is not",
                PARQUET.format("raw/transactions"),
            ),
        ),
        Attempt(SENSOR, Moment("cleaned/transactions is committed", COMMIT.format("cleaned/transactions"))),
        Attempt(SENSOR, Moment("the first file is being exported", r"final/[.][^/]*-[^/]*")),
    ]
    return found


def attempts(seed: int) -> Iterator[Attempt]:
    """Every planted point once, then random tables and random times, without end."""
    yield from planted()
    dice = random.Random(seed)
    while True:
        command = dice.choice([RUN, RUN, RUN, RESTORE, REPLAY, MAINTAIN])
        if command == RUN and dice.random() < 0.1:
            command = SENSOR
        if command == RUN and dice.random() < 0.5:
            name = dice.choice(list(CONTRACTS))
            path, what = dice.choice(
                [(PARQUET, "a Parquet file is written"), (COMMIT, "a commit is written")]
            )
            yield Attempt(RUN, Moment(f"{what}, of a random table", path.format(name)))
        else:
            yield Attempt(command, Moment("a random time", after=dice.uniform(0.5, TAKES[command])))


class Torture:
    """The lakes that tries are made on and compared with: one with the first delivery, one with both."""

    def __init__(self, folder: Path, engine: str, select: Sequence[str] = ()) -> None:
        """Compute both lakes; ``select`` limits the snapshot to these assets and what they need."""
        self._folder, self._engine, self._select = folder, engine, select
        self._before, self._after = Settings(folder / "before", engine), Settings(folder / "after", engine)
        land_first(self._before.landing)
        self._compute(self._before)
        shutil.copytree(self._before.data_dir, self._after.data_dir)
        land_second(self._after.landing)
        self._compute(self._after)
        self._wanted = every_table(self._after)
        self._files = files_of(self._after)
        states = [contents(self._before), contents(self._after)]
        self._allowed = {name: {state[name] for state in states if name in state} for name in states[1]}

    def disturb(self, *attempts: Attempt) -> Result:
        """Make one try in a copy of the first lake: disturb these commands, one after the other, then run."""
        settings = Settings(self._folder / "tried", self._engine)
        shutil.rmtree(settings.data_dir, ignore_errors=True)
        shutil.copytree(self._before.data_dir, settings.data_dir)
        was_killed, wrong, has_landed = list[bool](), list[str](), False
        with Reader(settings, self._allowed) as reader:
            for attempt in attempts:
                if attempt.command in DELIVERED and not has_landed:
                    land_second(settings.landing)
                    has_landed = True
                found = killed(
                    self._command(attempt.command), settings.data_dir, self._engine, attempt.moment
                )
                was_killed.append(found.was_killed)
                if "Traceback" in found.output:
                    wrong.append(
                        f"{attempt.command}, {attempt.moment.name}: a traceback: {found.output[-2000:]}"
                    )
            if not has_landed:
                land_second(settings.landing)
            wrong += self._wrong_in_run(settings)
        wrong += reader.seen
        tables, files = every_table(settings), files_of(settings)
        wrong += [
            f"{name}: other rows than in the undisturbed lake"
            for name, rows in self._wanted.items()
            if not rows.equals(tables.get(name))
        ]
        wrong += [f"{name}: other bytes" for name in self._files if files.get(name) != self._files[name]]
        self._maintain(settings)
        wrong += [f"{path}: orphan" for path in orphans(settings)]
        return Result(was_killed, wrong)

    def _command(self, name: str) -> list[str]:
        selected = [f"--select={asset}" for asset in self._select] if name == RUN else []
        return [*COMMANDS[name], *selected]

    def _compute(self, settings: Settings) -> None:
        if wrong := self._wrong_in_run(settings):
            raise AssertionError(wrong)

    def _wrong_in_run(self, settings: Settings) -> list[str]:
        """Run everything; what it does not do, or how it ends."""
        platform = open_platform(settings, select=self._select)
        try:
            with platform.instance:
                report = platform.run()
        except Exception:  # noqa: BLE001 -- whatever it is, it is what a try looks for
            return [f"the run after ends: {traceback.format_exc()}"]
        return [f"the run after: {line}" for line in [*map(str, report.failures), *report.skipped]] + [
            f"the run after: {check.asset}, {check.name}: {check.description}"
            for check in report.checks
            if not check.passed and not check.is_warning
        ]

    def _maintain(self, settings: Settings) -> None:
        platform = open_platform(settings)
        with platform.instance:
            platform.recover(MAINTENANCE, {"keep_days": 0})
