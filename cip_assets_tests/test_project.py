"""Rules of the project that no other test checks."""

import ast
import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from cip_assets.reporting import dictionary, sources_reference

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "cip_assets"


def imported_modules(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


# --- import order -------------------------------------------------------------------------------------------

ORDER = (
    "cli",
    "definitions",
    "orchestration",
    "app",
    "reporting synthetic audiences",
    "ingest",
    "sources",
    "storage",
    "engines",
    "layers",
    "analytics",
    "calc",
    "contracts",
    "config",
)
"""A folder may import only the folders after it."""

PLACE = {name: place for place, names in enumerate(ORDER) for name in names.split()}


def arrows() -> dict[str, set[str]]:
    """For each module of the project, the modules of the project that it imports."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in modules(".")}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    found = {name: set(imported_modules(path)) & names.keys() for name, path in names.items()}
    # An import of a module from its package imports the module.
    packages = {name: {other.rpartition(".")[0] for other in imported} for name, imported in found.items()}
    return {name: imported - packages[name] for name, imported in found.items()}


def test_a_folder_imports_only_those_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    between: dict[str, set[str]] = {name: set() for name in PLACE}
    for module, imported in arrows().items():
        here = [*module.split("."), ""][1]
        if here in PLACE:
            between[here] |= {other.split(".")[1] for other in imported if "." in other} - {here}
    with capsys.disabled():
        for name, others in between.items():
            print(f"\n{name} -> {', '.join(sorted(others, key=PLACE.__getitem__))}", end="")  # noqa: T201 -- to be read
    wrong = {
        (name, other) for name, others in between.items() for other in others if PLACE[name] >= PLACE[other]
    }
    assert wrong == set()


def test_no_module_imports_itself_through_others() -> None:
    graph = arrows()
    while free := [name for name, imported in graph.items() if not imported & graph.keys()]:
        for name in free:
            del graph[name]
    assert graph == {}


LAZY = {
    "cip_assets.__main__",
    "cip_assets.analytics.insights.rates",
    "cip_assets.audiences.members",
    "cip_assets.audiences.send",
    "cip_assets.cli.run",
    "cip_assets.cli.stream",
    "cip_assets.cli.tables",
    "cip_assets.orchestration.alerts",
    "cip_assets.reporting.dashboard.runtime",
    "cip_assets.storage.place",
}
"""Modules that import inside a function, to start faster, never to hide a cycle."""


def test_imports_are_at_the_top() -> None:
    inside = set()
    for path in modules("."):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        if any(isinstance(node, ast.Import | ast.ImportFrom) for f in functions for node in ast.walk(f)):
            inside.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert inside == LAZY


KNOW_DAGSTER = {"orchestration", "definitions", "engines", "cli", "errors", "__init__"}


@pytest.mark.parametrize("path", modules("."), ids=named)
def test_only_orchestration_and_its_callers_import_dagster(path: Path) -> None:
    knows = [name for name in imported_modules(path) if name.split(".")[0].startswith("dagster")]
    assert not knows or {path.stem, path.relative_to(PACKAGE).parts[0]} & KNOW_DAGSTER


@pytest.mark.parametrize("path", modules("."), ids=named)
def test_only_four_modules_use_private_dagster_modules(path: Path) -> None:
    private = [name for name in imported_modules(path) if re.match(r"dagster[\w.]*[.]_", name)]
    assert not private or path in {
        PACKAGE / "orchestration" / name
        for name in ("io_manager.py", "instance.py", "event_storage.py", "executor.py")
    }


@pytest.mark.parametrize("path", modules("layers", "calc", "analytics"), ids=named)
def test_transforms_read_no_clock(path: Path) -> None:
    clocks = r"\b(now|today|utcnow|current_date|current_timestamp|time\.time|monotonic)\s*\("
    assert not re.search(clocks, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", modules("layers", "calc", "analytics", "orchestration", "contracts"), ids=named
)
def test_only_engines_and_io_know_which_engine_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"CIP_ENGINE|pysail|sparkContext|\.rdd\b|_jvm", text)


@pytest.mark.parametrize("page", [dictionary, sources_reference], ids=lambda module: module.__name__)
def test_a_generated_document_matches_the_code(page: ModuleType) -> None:
    assert page.DOCUMENT.read_text(encoding="utf-8") == page.as_markdown(), (
        f"{page.DOCUMENT.name} is out of date: run .venv/bin/python -m {page.__name__}"
    )


def test_every_direct_dependency_has_a_comment_with_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    dependencies = [line for line in lines if re.match(r'\s+"[\w\[\]-]+==', line)]
    assert dependencies
    assert [line for line in dependencies if not re.search(r'",\s+# \w', line)] == []


def test_pins_contain_no_address() -> None:
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


# --- the license --------------------------------------------------------------------------------------------


def test_the_license_is_the_whole_standard_text_and_is_declared() -> None:
    words = " ".join((ROOT / "LICENSE").read_text(encoding="ascii").split())
    assert (
        sha256(words.encode()).hexdigest()
        == "0ffddef9e48f8a09aed5caf2d44f7ba1c1be2d9b8e0a6f693b1635b2d5566645"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])
    assert "[Apache 2.0](LICENSE)" in (ROOT / "README.md").read_text(encoding="utf-8")
