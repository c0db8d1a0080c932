"""Rules of the project that no other test would notice being broken."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cip_assets.reporting.dictionary import DOCUMENT, as_markdown

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


@pytest.mark.parametrize(
    "path", modules("transforms", "layers", "calc", "contracts", "synthetic", "analytics"), ids=named
)
def test_tables_can_be_read_without_knowing_dagster(path: Path) -> None:
    assert not [name for name in imported_modules(path) if name.split(".")[0].startswith("dagster")]


@pytest.mark.parametrize("path", modules("."), ids=named)
def test_only_the_io_manager_and_the_instance_use_private_dagster_modules(path: Path) -> None:
    private = [name for name in imported_modules(path) if re.match(r"dagster[\w.]*[.]_", name)]
    assert not private or path in {
        PACKAGE / "orchestration" / name for name in ("io_manager.py", "instance.py")
    }


@pytest.mark.parametrize("path", modules("transforms", "layers", "calc"), ids=named)
def test_transforms_read_no_clock(path: Path) -> None:
    clocks = r"\b(now|today|utcnow|current_date|current_timestamp|time\.time|monotonic)\s*\("
    assert not re.search(clocks, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "path", modules("transforms", "layers", "calc", "orchestration", "contracts"), ids=named
)
def test_only_engines_and_io_know_which_engine_runs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"CIP_ENGINE|pysail|sparkContext|\.rdd\b|_jvm", text)


def test_the_data_dictionary_is_what_the_contracts_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown(), (
        "docs/data-dictionary.md is out of date: run .venv/bin/python -m cip_assets.reporting.dictionary"
    )


def test_every_direct_dependency_has_its_reason_beside_it() -> None:
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    dependencies = [line for line in lines if re.match(r'\s+"[\w\[\]-]+==', line)]
    assert dependencies
    assert [line for line in dependencies if not re.search(r'",\s+# \w', line)] == []


def test_pins_hold_no_address() -> None:
    assert "://" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")
