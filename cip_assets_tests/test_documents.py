"""The commands and links in the documents work as they are written there."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cip_assets_tests.conftest import Cip
from cip_assets_tests.documents import ROOT, headings

# The command in add-a-table.md needs the table that test_add_a_table.py adds, and is run there.
GUIDES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name != "add-a-table.md")
DOCUMENTS = [ROOT / "README.md", ROOT / "data" / "README.md", *GUIDES]

STANDS_FOR: Mapping[str, str] = {
    "TABLE": "quarantine/returns",
    "ASSET": "exports/kpi_monthly_revenue",
    "CUSTOMER": "C1",
    "DAY": "2024-02-12",
    "D": "2024-02-12",
    "T": "2024-02-21",
    "N": "1",
    "S": "7",
    "TIME": "2999-01-01",
    "DIR": "generated",
}
"""The values that these tests use for the words in capitals."""

ELSEWHERE = {
    "cip adopt": "test_adopt",
    "cip ui": "test_dagster_page",
    "cip app": "test_pages",
    "cip conformance": "test_conformance",
    "cip erase": "test_erasure",
    "cip explain": "test_explain",
    "cip audience": "test_audiences",
    "cip stream": "test_consume",
}
"""Commands that other tests run, because they start a server, take long, or need two days."""


def documented(pattern: str) -> list[str]:
    texts = [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    return sorted({found for text in texts for found in re.findall(pattern, text)})


def written_out(command: str) -> list[str]:
    """The words of a command, including the optional ones, with a value for each word in capitals."""
    words = re.sub(r"[\[\]]", "", command).split()[1:]
    chosen = [STANDS_FOR.get(word, word) for word in words]
    if words[0] in {"quarantine", "replay"}:
        chosen = [word.removeprefix("quarantine/") for word in chosen]
    return chosen


COMMANDS = documented(r"`(?:\.venv/bin/)?(cip [a-z][^`]*)`")


@pytest.mark.parametrize("command", [c for c in COMMANDS if " ".join(c.split()[:2]) not in ELSEWHERE])
def test_a_documented_command_works(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, cip_on: Callable[[Path], Cip], command: str
) -> None:
    monkeypatch.chdir(healthy)
    code, *printed = cip_on(healthy)(*_possible(written_out(command), healthy))
    assert code == 0, printed


def _possible(words: list[str], data_dir: Path) -> list[str]:
    """The words for the small folder, which has no data of 2026 and in which only a replaced version can be restored.

    What is computed again is one file: all of them take ten seconds, and other tests compute them.
    """
    if words[0] == "generate" and "--out" not in words:
        return [*words, "--out", str(data_dir / "generated"), "--customers", "5"]
    if {"--all", "--known-at"} & {*words} and "--select" not in words:
        words = [*words, "--select", STANDS_FOR["ASSET"]]
    return [word.replace("2026-03", "2024-01") for word in words]


def test_the_commands_of_other_tests_are_run_there() -> None:
    tests = {path.stem: path.read_text("utf-8") for path in Path(__file__).parent.rglob("*.py")}
    for command, test in ELSEWHERE.items():
        assert any(name.startswith(command) for name in COMMANDS)
        assert test in tests
    assert '"ui", "--port"' in tests["dagster_page"]


@pytest.mark.parametrize("target", documented(r"\bmake ([a-z-]+)(?=`|\s*#|\n)"))
def test_a_documented_make_target_exists(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


LINK = re.compile(r"\]\((?!https?:)(?P<path>[^)#\s]*)(?:#(?P<heading>[^)\s]+))?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_of_a_document_exist(document: Path) -> None:
    for link in LINK.finditer(document.read_text(encoding="utf-8")):
        target = document.parent / link["path"] if link["path"] else document
        assert target.exists(), link[0]
        if link["heading"]:
            assert link["heading"] in headings(target.read_text(encoding="utf-8")), link[0]
