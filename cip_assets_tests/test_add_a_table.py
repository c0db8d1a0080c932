"""Who follows docs/add-a-table.md gets the table, its checks and its file."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from cip_assets_tests.conftest import ENGINE

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "add-a-table.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    """The code of the steps: contract, transform, asset, export."""
    found = re.findall(r"^   ```python\n(.*?)^   ```$", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


def edit(path: Path, before: str, text: str) -> None:
    """Put a text before another one, which stands there once; at the end where it is empty."""
    content = path.read_text(encoding="utf-8")
    if before:
        assert content.count(before) == 1
        content = content.replace(before, text + before)
    else:
        content += f"\n\n{text}"
    path.write_text(content, encoding="utf-8")


def test_the_guide_leads_to_a_table_with_checks_and_a_file(healthy: Path, tmp_path: Path) -> None:
    package = Path(shutil.copytree(ROOT / "cip_assets", tmp_path / "project" / "cip_assets"))
    contract, transform, asset, export = blocks()
    edit(package / "contracts" / "marts.py", "", contract)
    edit(package / "transforms" / "marts.py", "", transform)
    edit(package / "assets" / "marts.py", "ASSETS = [\n", f"{asset}\n\n")
    edit(package / "assets" / "marts.py", "    customer_360,\n    cohort_retention,\n", "    kpi_payment,\n")
    edit(
        package / "contracts" / "exports.py",
        '    CsvFile(\n        "customer_360",\n',
        f"{export.rstrip()},\n",
    )
    lines = [line for block in blocks() for line in block.splitlines() if line.strip()]
    assert f"in {len(lines) + 1} lines" in GUIDE  # and the one in the list

    done = subprocess.run(
        [sys.executable, "-m", "cip_assets", "run", "--select", "exports/kpi_payment"],
        cwd=package.parent,
        env={
            **os.environ,
            "PYTHONPATH": str(package.parent),
            "CIP_DATA_DIR": str(healthy),
            "CIP_ENGINE": ENGINE,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, dedent(done.stderr)[-2000:]
    assert "marts/kpi_payment_contract" in done.stderr
    with (healthy / "final" / "kpi_payment.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["payment_method"], row["orders"], row["revenue"]) for row in csv.DictReader(stream)]
    assert rows == [("Cash", "1", "12.50"), ("PayPal", "2", "37.50")]
