"""The command line: what it prints, and when it fails."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cip_assets.cli.app import COMMANDS
from cip_assets_tests.conftest import ODD_NAME, Cip
from cip_assets_tests.integration.helpers import land, land_all


def test_a_run_and_what_can_be_asked_after_it(cip_on: Callable[[Path], Cip], tmp_path: Path) -> None:
    """In a folder whose name the console, SQLite, DuckDB and the engine could take for something else."""
    data_dir = tmp_path / ODD_NAME
    cip = cip_on(data_dir)
    land_all(data_dir / "landing", returns="")
    returned = f"returns/100%20 {ODD_NAME}.csv"
    land(data_dir / "landing", returned, "R1,T3,C2,P1,oops,[/b] [red],2024-02-20\n")

    code, shown, _ = cip("status")
    assert code == 1
    assert "not written yet: run 'cip run'" in shown

    code, shown, _ = cip("run")
    assert code == 0
    assert "snapshot of 2024-02-12" in shown
    assert str(data_dir / "final") in shown

    code, shown, _ = cip("status")
    assert code == 0
    assert "landing: 7 files, 0 new since the last run, 0 gone" in shown

    code, shown, _ = cip("history", "customer_360")
    assert code == 0
    assert "2024-02-12" in shown

    code, shown, _ = cip("quarantine", "returns")
    assert code == 0
    assert f"{returned}:2  amount:not_a_number  'R1,T3,C2,P1,oops,[/b] [red],2024-02-20'" in shown

    assert cip("validate")[0] == 0
    code, shown, _ = cip("maintain", "marts/kpi_totals")
    assert code == 0
    assert shown.startswith("marts/kpi_totals: ")
    totals = data_dir / "final" / "kpi_totals.csv"
    totals.write_text(totals.read_text().replace("50.00", "51.00"))
    code, shown, _ = cip("validate")
    assert code == 1
    assert "kpi_totals.csv: 2 rows differ from kpi_totals" in shown

    code, _, errors = cip("restore", "marts/kpi_totals", "--version", "0")
    assert code == 1
    assert "marts/kpi_totals: version 0 is older than what exports/kpi_totals were computed from" in errors
    code, shown, _ = cip("restore", "marts/kpi_totals", "--version", "0", "--go-on")
    assert code == 0
    assert "to be run again: exports/kpi_totals" in shown
    assert "marts/kpi_totals is again what it was at version 0" in shown
    assert cip("restore", "marts/kpi_totals", "--version", "99") == (
        1,
        "",
        "error marts/kpi_totals: no version 99; it has 0 to 2 (see 'cip history')\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == [ODD_NAME]


def test_a_table_that_is_none_is_named(cip: Cip) -> None:
    code, _, errors = cip("history", "nonsense")
    assert code == 1
    assert errors.startswith("error 'nonsense' is no table; take one of ")


def test_brackets_in_what_was_given_are_shown_as_they_are(cip: Cip, data_dir: Path) -> None:
    (data_dir / "landing" / "notes [draft].csv").touch()
    assert "warning not read: notes [draft].csv: no table has this name" in cip("status")[1]
    assert "holds no landing files (not read: notes [draft].csv: no table" in cip("run")[2]
    assert cip("history", "[/b]")[2].startswith("error '[/b]' is no table")


def test_a_name_in_several_layers_asks_which(cip: Cip) -> None:
    code, _, errors = cip("history", "transactions")
    assert code == 1
    assert "names several tables; take one of raw/transactions, " in errors


def test_an_empty_landing_folder_is_one_line_and_exit_1(cip: Cip) -> None:
    code, _, errors = cip("run")
    assert code == 1
    assert [line for line in errors.splitlines() if "holds no landing files" in line]


def test_a_run_tells_what_it_did_not_ingest_and_what_it_did_not_read(cip: Cip, data_dir: Path) -> None:
    land_all(data_dir / "landing")
    (data_dir / "landing" / "returns.csv").write_text("return_id;amount\n", encoding="utf-8")
    (data_dir / "landing" / "orders.csv").write_text("order_id\n", encoding="utf-8")
    (data_dir / "landing" / "_notes.txt").touch()

    code, shown, errors = cip("run", "--select", "exports/kpi_totals")

    assert code == 1
    told = {row.split()[1]: row for row in shown.splitlines() if row.startswith("│")}
    assert "not ingested" in told["returns"]
    assert "3" in told["transactions"]
    ingested = " ".join(line for line in shown.splitlines() if line.startswith("ingested"))
    assert "transactions" in ingested
    assert "returns" not in ingested
    assert "warning not read: orders.csv: no table has this name; name it <table>.csv or" in shown
    assert "\nnot read: _notes.txt: the name begins with _ or .\n" in shown
    assert "error returns: returns.csv: its fields are separated by ';'; separate them by commas" in errors


@pytest.mark.parametrize("day", ["2022-12-31", "2999-01-01"])
def test_a_day_out_of_the_calendar_is_one_line_and_exit_1(cip: Cip, day: str) -> None:
    code, _, errors = cip("run", "--as-of", day)
    assert code == 1
    assert f"error there is no snapshot of {day}: take a day from 2023-01-01 (" in errors


def test_nothing_to_validate_is_one_line_and_exit_1(cip: Cip) -> None:
    code, _, errors = cip("validate")
    assert code == 1
    assert errors.splitlines() == [
        "error marts/kpi_totals has no rows, so there is nothing to check: run `cip run` first"
    ]


def test_generate_does_not_overwrite_data(cip: Cip, data_dir: Path) -> None:
    land_all(data_dir / "landing")
    code, _, errors = cip("generate", "--customers", "10")
    assert code == 1
    assert "already holds landing files" in errors


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CIP_ENGINE": "duck"}, "CIP_ENGINE='duck' is no engine; set it to one of sail, spark, connect"),
        (
            {"CIP_ENGINE": "connect"},
            "CIP_ENGINE=connect needs CIP_SPARK_REMOTE=sc://host:port; it is not set",
        ),
        (
            {"CIP_ENGINE": "connect", "CIP_SPARK_REMOTE": "sc://127.0.0.1:1"},
            "CIP_SPARK_REMOTE=sc://127.0.0.1:1 does not answer",
        ),
        ({"CIP_ENGINE": "spark", "JAVA_HOME": "/nowhere"}, "CIP_ENGINE=spark needs Java, and none was found"),
        ({"CIP_SAIL_MEMORY_GB": "lots"}, "CIP_SAIL_MEMORY_GB='lots' is no number"),
    ],
    ids=["unknown engine", "no remote", "dead remote", "no Java", "memory"],
)
def test_a_wrong_setting_is_one_line_that_says_what_to_do(
    cip: Cip, data_dir: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], says: str
) -> None:
    land_all(data_dir / "landing")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, _, errors = cip("run")
    assert code == 1
    assert says in errors
    assert "Traceback" not in errors


def test_rules_that_are_not_there_are_one_line_of_a_process_that_has_read_none(data_dir: Path) -> None:
    cip = Path(sys.executable).with_name("cip")
    environment = {
        **os.environ,
        "CIP_DATA_DIR": str(data_dir),
        "CIP_RULES": "/nowhere.yaml",
        "COLUMNS": "300",
    }
    done = subprocess.run([cip, "run"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "business rules /nowhere.yaml: cannot be read" in done.stderr
    assert "Traceback" not in done.stderr


SLOW = ("dagster", "pyspark", "pandera", "pandas", "duckdb", "deltalake")


@pytest.mark.parametrize(
    ("command", "goes_without"),
    [
        (["--help"], SLOW),
        (["status"], ("dagster", "scipy", "sklearn")),
        (["quarantine"], ("dagster", "scipy", "sklearn")),
        (["run"], ("sklearn",)),
    ],
    ids=["help", "status", "quarantine", "run"],
)
def test_a_command_waits_for_no_more_than_it_needs(
    data_dir: Path, command: list[str], goes_without: tuple[str, ...]
) -> None:
    program = (
        "import sys\nfrom cip_assets.__main__ import main\n"
        f"sys.argv = ['cip', *{command}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('imported:', *(name for name in {goes_without} if name in sys.modules))"
    )
    environment = {**os.environ, "CIP_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_nothing_is_said_at_the_end_of_a_command(healthy: Path) -> None:
    """By libraries in C, which look at what is left of their objects."""
    environment = {**os.environ, "CIP_DATA_DIR": str(healthy)}
    command = [sys.executable, "-m", "cip_assets", "quarantine", "returns"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there_and_has_help(cip: Cip, name: str) -> None:
    code, shown, _ = cip(name, "--help")
    assert code == 0
    assert COMMANDS[name].help in " ".join(shown.split())
    assert COMMANDS[name].help in " ".join(cip("--help")[1].replace("│", "").split())


def test_a_command_that_is_none_is_refused(cip: Cip) -> None:
    code, _, errors = cip("stats")
    assert code == 2
    assert "Did you mean 'status'?" in errors
