"""Fixtures of all tests: one Spark session per process, on the engine in CIP_ENGINE."""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings
from pyspark.sql import SparkSession

from cip_assets import definitions
from cip_assets.__main__ import heed_interrupts, main
from cip_assets.audiences.config import load_audiences
from cip_assets.config.rules import Rules, load_rules
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.engines.session import start_session
from cip_assets.orchestration.graph import Graph
from cip_assets.orchestration.runs import Platform
from cip_assets.reporting.dashboard.figures import Figures, figures
from cip_assets.sources.config import load_sources
from cip_assets.synthetic import generate
from cip_assets.synthetic.conformance import download_cdnow
from cip_assets_tests.buckets import bucket, s3  # noqa: F401 -- fixtures
from cip_assets_tests.databases import postgresql, server, shop, sqlite  # noqa: F401 -- fixtures
from cip_assets_tests.graph import GRAPH, platform_of
from cip_assets_tests.integration.helpers import land_all
from cip_assets_tests.kafka import broker  # noqa: F401 -- a fixture
from cip_assets_tests.sample import SAMPLE, Sample

ENGINE = os.environ.get("CIP_ENGINE") or "sail"

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")

ODD_NAME = 'my shop #1 [ä] 100%? it\'s "a,b" {c,d} 店铺 *&;:@=+$!^|`<>()~'
"""A folder name that has a different meaning as a URL, as a file name pattern, and in console markup."""

Cip = Callable[..., tuple[int, str, str]]


def pytest_configure() -> None:
    """Tests stop the processes that they start."""
    heed_interrupts()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what the fixtures and markers of a test say: it is of the `sample`, or is expected to fail on an engine that
    it is `not_on`. Those marked `last` run at the end.
    """
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
    for item in items:
        if "sample" in getattr(item, "fixturenames", ()):
            item.add_marker("sample")
        for marker in item.iter_markers("not_on"):
            if marker.args == (ENGINE,):
                reason = f"{marker.kwargs['because']} ({marker.kwargs['link']})"
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_collection_finish() -> None:
    """Leave modules and collected tests out of searches for garbage, and rarely search through everything else."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(scope="session", autouse=True)
def _one_graph() -> Iterator[None]:
    """Make the graph by the rules that come with the package once: each run of the command line would make it again."""
    graph_of = definitions.graph_of

    def made(settings: Settings, rules: Rules | None = None) -> Graph:
        declared = load_sources(settings.data_dir) or load_audiences(settings.data_dir)
        usual = settings.known_at is None and not declared
        if usual and (rules or definitions.checked_rules()) == GRAPH.rules:
            return GRAPH
        return graph_of(settings, rules)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(definitions, "graph_of", made)
        yield


@pytest.fixture(scope="session", params=[ENGINE])
def engine(request: pytest.FixtureRequest) -> str:
    """The engine under test, which CIP_ENGINE names: PySpark is either classic or Connect in one process."""
    return str(request.param)


@pytest.fixture(scope="session")
def spark(engine: str) -> SparkSession:
    """The session of this test process; tests that use it and are marked `engine` run on every engine."""
    return start_session(engine)


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """An empty data folder with a landing folder in it."""
    (tmp_path / "landing").mkdir()
    return tmp_path


@pytest.fixture
def cip(data_dir: Path, cip_on: Callable[[Path], Cip]) -> Cip:
    """Run `cip` on an empty data folder."""
    return cip_on(data_dir)


@pytest.fixture
def cip_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Path], Cip]:
    """Run `cip` in this process on a data folder; returns exit code, output and errors."""
    monkeypatch.setenv("CIP_ENGINE", ENGINE)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cip", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    def on(data_dir: Path) -> Cip:
        monkeypatch.setenv("CIP_DATA_DIR", str(data_dir))
        return run

    return on


@pytest.fixture(scope="session")
def _small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small landing folder after a run, which no test changes. The processes of ``make test`` share it."""
    shared = Path(os.environ.get("CIP_TESTS_SHARE") or tmp_path_factory.mktemp("shared")) / f"small-{ENGINE}"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            unfinished = shared.with_suffix(".unfinished")
            land_all(unfinished / "landing")
            platform = open_platform(Settings(unfinished, ENGINE))
            with platform.instance:
                assert platform.run().succeeded
            unfinished.rename(shared)
    return shared


@pytest.fixture
def healthy(_small_run: Path, tmp_path: Path) -> Path:
    """A separate data folder after a run of the small landing folder: tables, exports, Dagster's history."""
    return Path(shutil.copytree(_small_run, tmp_path / "healthy"))


@pytest.fixture
def platform_on() -> Callable[..., Platform]:
    """A platform on a data folder, for a whole snapshot or some assets, with a history that is not stored."""

    def make(data_dir: Path, *select: str) -> Platform:
        return platform_of(Settings(data_dir, ENGINE), dg.DagsterInstance.ephemeral(), select)

    return make


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The sample, run once on the engine under test, in a folder with an odd name.

    The other processes of ``make test`` find a copy of its tables in ``sample_of``.
    """
    settings = Settings(tmp_path_factory.mktemp("sample") / ODD_NAME, ENGINE)
    truth = generate(SAMPLE, settings.landing)
    platform = open_platform(settings, dg.DagsterInstance.ephemeral())
    made = Sample(settings, truth, platform, platform.run())
    if (copy := sample_of(ENGINE)) and not copy.data_dir.exists():
        unfinished = copy.data_dir.with_suffix(".unfinished")
        shutil.copytree(settings.lake, unfinished / settings.lake.name)
        unfinished.rename(copy.data_dir)
    return made


def sample_of(engine: str) -> Settings | None:
    """Where a process of ``make test`` puts the tables of the sample; None for a process of its own."""
    shared = os.environ.get("CIP_TESTS_SHARE")
    return Settings(Path(shared) / f"sample-{engine}", engine) if shared else None


@pytest.fixture(scope="session")
def found(sample: Sample) -> Figures:
    """The figures of the sample's page."""
    assert sample.report.as_of is not None
    return figures(sample.settings, sample.report.as_of)


@pytest.fixture(scope="session")
def cdnow_wheel(pytestconfig: pytest.Config) -> Path:
    """The wheel that contains the CDNOW files. It is downloaded once into pytest's cache and never installed."""
    assert pytestconfig.cache is not None
    folder = pytestconfig.cache.mkdir("cdnow")
    return next(folder.glob("*.whl"), None) or download_cdnow(folder)
