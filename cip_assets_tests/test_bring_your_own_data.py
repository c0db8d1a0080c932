"""The steps of docs/bring-your-own-data.md print and compute what it says, and its tables match the code."""

import csv
import io
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from cip_assets.cli.adopt import adopt as command
from cip_assets.cli.console import out
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import DEFAULT_RULES, load_rules
from cip_assets.config.settings import Settings
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.documents import ROOT, quoted, sections, table_in
from cip_assets_tests.integration.helpers import exported, rows_of

GUIDE = (ROOT / "docs" / "bring-your-own-data.md").read_text(encoding="utf-8")
SECTIONS = sections(GUIDE)
FOLDER = "/path/to/the/folder"
"""The data folder of the guide."""

WIDTH = 112
"""The width of the terminal whose output the guide shows."""

STEP = re.compile(
    r"`(?P<path>(?:shop|final)/[^`]+[.]csv)`[^`]*\n\n```csv\n(?P<rows>.*?)^```"
    r"|^```(?P<language>sh|text|diff)\n(?P<block>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
"""A file of the shop or to compare with, or a block of commands, of what they print, or of what to edit."""


def assert_printed(block: str, printed: str) -> None:
    """Each line of a block was printed, in this order. How long it took may stand behind it."""
    lines = iter(line.rstrip() for line in printed.splitlines())
    for wanted in block.splitlines():
        assert any(line.startswith(wanted) for line in lines), f"not printed: {wanted}\n{printed}"


def edited(text: str, diff: str) -> str:
    """A text after an edit that a person makes."""
    before = "".join(line[1:] for line in diff.splitlines(keepends=True) if line.startswith("-"))
    after = "".join(line[1:] for line in diff.splitlines(keepends=True) if line.startswith("+"))
    assert text.count(before) == 1, f"{before} is not there once: {text}"
    return text.replace(before, after)


def test_the_steps_print_and_compute_what_the_guide_says(
    cip: Cip, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(out, "_width", WIDTH)
    settings, sources = Settings(data_dir, ENGINE), data_dir / "sources.yaml"
    printed = ""
    steps = list(STEP.finditer(SECTIONS["In ten minutes"] + SECTIONS["The next export"]))
    for step in steps:
        path, rows, block = step["path"], step["rows"], step["block"]
        if path and path.startswith("shop/"):
            (data_dir / path).parent.mkdir(exist_ok=True)
            (data_dir / path).write_text(rows, encoding="utf-8")
        elif path:
            expected = list(csv.DictReader(io.StringIO(rows)))
            actual = exported(settings, Path(path).stem)
            assert [{name: row[name] for name in expected[0]} for row in actual] == expected
        elif step["language"] == "sh":
            for line in block.replace("$CIP_DATA_DIR", str(data_dir)).splitlines():
                program, *words = shlex.split(line)
                if program != "export":
                    code, shown, errors = cip(*words)
                    assert code == 0, errors
                    printed = f"{shown}{errors}".replace(str(data_dir), FOLDER)
        elif step["language"] == "diff":
            sources.write_text(edited(sources.read_text("utf-8"), block), encoding="utf-8")
        else:
            assert_printed(block, printed)
    counts = {kind: sum(step["language"] == kind for step in steps) for kind in ("sh", "text", "diff")}
    assert counts == {"sh": 4, "text": 6, "diff": 2}
    assert sum(bool(step["path"]) for step in steps) == 5
    # What became of the line that nobody can read, and of the version of the order that changed.
    (bad,) = [row for row in rows_of(settings, "quarantine/transactions") if row["outcome"] == "quarantined"]
    assert (bad["order_id"], bad["reasons"]) == ("1008", "quantity:not_a_number")
    left_out = csv.DictReader(io.StringIO((data_dir / "landing" / "_left_out.csv").read_text("utf-8")))
    assert [(row["export_line"], row["kind"]) for row in left_out] == [
        ("7", "cancelled"),
        ("9", "superseded"),
        ("11", "summary"),
    ]


def test_every_option_of_adopt_is_in_a_guide() -> None:
    documents = [GUIDE, (ROOT / "docs" / "databases.md").read_text(encoding="utf-8")]
    options = {f"--{name.replace('_', '-')}" for name in command.__annotations__} - {"--exports", "--return"}
    assert {name for name in options if not any(f"{name}" in text for text in documents)} == set()


# --- thresholds -----------------------------------------------------------------------------------------------

BROKEN_RULES: Mapping[str, str] = {
    "has `window_days: ninety`": "window_days: ninety",
    "has no `window_days`": "",
    "also has `window_day: 90`": "window_days: 90\n  window_day: 90",
}


@pytest.mark.parametrize(("what", "line"), table_in(SECTIONS["Thresholds"], "the file"))
def test_a_wrong_rule_gives_the_documented_line(
    what: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = DEFAULT_RULES.read_text(encoding="utf-8")
    assert text.count("window_days: 90") == 1
    Path("my-rules.yaml").write_text(text.replace("window_days: 90", BROKEN_RULES[what]), encoding="utf-8")
    with pytest.raises(PlatformError) as refused:
        load_rules(Path("my-rules.yaml"))
    assert [f"error {refused.value}"] == quoted(line)
