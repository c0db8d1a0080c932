"""The steps of docs/add-a-table.md give the table, its checks and its file, and mistakes are reported."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cip_assets_tests.conftest import ENGINE

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "add-a-table.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    """The code of the steps: the file, and the line of the list."""
    found = re.findall(r"^   ```python\n(.*?)^   ```$", GUIDE, re.DOTALL | re.MULTILINE)
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


def test_the_guide_leads_to_a_table_with_checks_and_a_file(healthy: Path, tmp_path: Path) -> None:
    package = Path(shutil.copytree(ROOT / "cip_assets", tmp_path / "project" / "cip_assets"))
    table, listed = blocks()
    (package / "layers" / "marts" / "kpi_payment.py").write_text(table, encoding="utf-8")
    tables = package / "layers" / "__init__.py"
    opening = "TABLES: Sequence[Table] = (\n"
    content = tables.read_text(encoding="utf-8").replace(opening, f"{opening}    kpi_payment,\n")
    tables.write_text(f"{listed}{content}", encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "CIP_DATA_DIR": str(healthy),
        "CIP_ENGINE": ENGINE,
    }

    def python(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, cwd=package.parent, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout + done.stderr

    assert "kpi_payment" in python("-m", "cip_assets", "run", "--select", "exports/kpi_payment")

    with (healthy / "final" / "kpi_payment.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["payment_method"], row["orders"], row["revenue"]) for row in csv.DictReader(stream)]
    assert rows == [("Cash", "1", "12.50"), ("PayPal", "2", "37.50")]
    (package.parent / "docs").mkdir()
    both = "for name in ('dictionary', 'powerbi'): run_module(f'cip_assets.reporting.{name}', run_name='__main__')"
    python("-c", f"from runpy import run_module\n{both}")
    assert "### marts/kpi_payment" in (package.parent / "docs" / "data-dictionary.md").read_text("utf-8")
    assert list((package.parent / "powerbi").rglob("kpi_payment.tmdl"))
