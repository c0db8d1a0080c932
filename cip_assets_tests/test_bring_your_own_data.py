"""Who follows docs/bring-your-own-data.md sees what it says."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from cip_assets_tests.conftest import Cip
from cip_assets_tests.integration.helpers import land_all

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "bring-your-own-data.md").read_text(encoding="utf-8")
FILES: Mapping[str, str] = dict(
    re.findall(r"^`([^`\n]+)`\n\n```csv\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
)
COUNTED, KEPT_OUT, CUSTOMERS = re.findall(r"^```text\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def test_the_example_gives_what_the_guide_shows(cip: Cip, data_dir: Path) -> None:
    assert len(FILES) == 7
    for name, text in FILES.items():
        path = data_dir / "landing" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    code, shown, errors = cip("run")
    assert code == 0, errors
    table = next(row for row in shown.splitlines() if row.startswith("│ transactions"))
    assert table.replace("│", " ").split()[:5] == COUNTED.split()

    _, shown, _ = cip("quarantine", "transactions")
    file, reason = KEPT_OUT.split()
    assert f"{file}  {reason}" in shown

    with (data_dir / "final" / "customer_360.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    expected = list(csv.DictReader(CUSTOMERS.splitlines()))
    assert expected
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected


def test_files_that_cannot_be_read_are_told_in_the_words_of_the_guide(cip: Cip, data_dir: Path) -> None:
    landing = data_dir / "landing"
    land_all(landing)
    (landing / "products.csv").write_text("product_id;product_name\nLAMP;Lamp\n", encoding="utf-8")
    returns = FILES["returns.csv"].replace("amount,", "")
    (landing / "returns.csv").write_text(returns, encoding="utf-8")
    latin = landing / "customers" / "latin.csv"
    latin.parent.mkdir()
    latin.write_bytes((landing / "customers.csv").read_bytes().replace(b"Ada", b"Ren\xe9"))

    code, _, errors = cip("run")

    assert code == 1
    told = re.findall(r"`(error [^`]+)`", GUIDE)
    assert len(told) == 3
    for line in told:
        assert line in errors.splitlines()


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)", GUIDE))
def test_what_the_guide_refers_to_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).exists()
