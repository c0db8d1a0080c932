"""The command line: its output and its exit codes."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cip_assets.cli.app import COMMANDS
from cip_assets.config.settings import Settings
from cip_assets.orchestration.instance import open_instance
from cip_assets.orchestration.jobs.names import INGEST, SCAN
from cip_assets_tests.conftest import ENGINE, ODD_NAME, Cip
from cip_assets_tests.integration.helpers import land, land_all


def test_before_the_first_run_the_status_says_so(cip: Cip, data_dir: Path) -> None:
    land_all(data_dir / "landing")
    code, shown, _ = cip("status")
    assert code == 1
    assert "have not been written yet: run 'cip run'" in shown


def test_a_run_and_the_commands_that_follow_it(
    cip_on: Callable[[Path], Cip], healthy: Path, tmp_path: Path
) -> None:
    """The folder has a name that the console, SQLite, DuckDB and the engine could misinterpret."""
    data_dir = healthy.rename(tmp_path / ODD_NAME)
    cip = cip_on(data_dir)
    land(data_dir / "landing", "returns.csv", "")
    returned = f"returns/100%20 {ODD_NAME}.csv"
    land(data_dir / "landing", returned, "R1,T3,C2,P1,oops,[/b] [red],2024-02-20\n")

    code, shown, _ = cip("run", "--select", "exports/kpi_totals")
    assert code == 0
    assert "snapshot of 2024-02-12" in shown
    assert str(data_dir / "final") in shown

    code, shown, _ = cip("status")
    assert code == 0
    assert "landing: 7 files, 0 new since the last run, 0 removed" in shown

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
    assert (
        "marts/kpi_totals: version 0 is older than the one that these tables were computed from: "
        "exports/dashboard, exports/kpi_totals; restore those tables first, or set force and rerun them"
        in errors
    )
    code, shown, _ = cip("restore", "marts/kpi_totals", "--version", "0", "--force")
    assert code == 0
    assert (
        "computed from a later version, so these need a rerun: exports/dashboard, exports/kpi_totals" in shown
    )
    assert "marts/kpi_totals: restored version 0" in shown
    assert cip("restore", "marts/kpi_totals", "--version", "99") == (
        1,
        "",
        "error marts/kpi_totals: unknown version 99. Choose one from 0 to 2 (see 'cip history')\n",
    )
    assert [path.name for path in tmp_path.iterdir()] == [ODD_NAME]


def test_an_unknown_table_is_named(cip: Cip) -> None:
    code, _, errors = cip("history", "nonsense")
    assert code == 1
    assert errors.startswith("error Unknown table 'nonsense'. Choose one of: ")


def test_brackets_are_printed_as_they_are(cip: Cip, data_dir: Path) -> None:
    (data_dir / "landing" / "notes [draft].csv").touch()
    assert "warning not read: notes [draft].csv: no table has this name" in cip("status")[1]
    assert "holds no landing files (not read: notes [draft].csv: no table" in cip("run")[2]
    assert cip("history", "[/b]")[2].startswith("error Unknown table '[/b]'.")


def test_for_a_name_in_several_layers_the_choices_are_listed(cip: Cip) -> None:
    code, _, errors = cip("history", "transactions")
    assert code == 1
    assert "error 'transactions' matches several tables. Choose one of: raw/transactions, " in errors


def test_an_empty_landing_folder_is_reported_in_one_line_with_exit_code_1(cip: Cip) -> None:
    code, _, errors = cip("run")
    assert code == 1
    assert [line for line in errors.splitlines() if "holds no landing files" in line]


def test_a_run_lists_what_it_did_not_ingest_and_the_files_it_did_not_read(cip: Cip, data_dir: Path) -> None:
    land_all(data_dir / "landing")
    (data_dir / "landing" / "returns.csv").write_text("return_id;amount\n", encoding="utf-8")
    (data_dir / "landing" / "orders.csv").write_text("order_id\n", encoding="utf-8")
    (data_dir / "landing" / "_notes.txt").touch()

    code, shown, errors = cip("run", "--select", "exports/kpi_monthly_revenue")

    assert code == 1
    rows = {row.split()[1]: row for row in shown.splitlines() if row.startswith("│")}
    assert "not ingested" in rows["returns"]
    assert "3" in rows["transactions"]
    ingested = " ".join(line for line in shown.splitlines() if line.startswith("ingested"))
    assert "transactions" in ingested
    assert "returns" not in ingested
    assert "warning not read: orders.csv: no table has this name; name it <table>.csv or" in shown
    assert "\nnot read: _notes.txt: the name begins with _ or .\n" in shown
    assert "error returns: returns.csv: its fields are separated by ';'; separate them with commas" in errors


@pytest.mark.parametrize("day", ["2022-12-31", "2999-01-01"])
def test_a_day_outside_the_calendar_is_reported_in_one_line_with_exit_code_1(cip: Cip, day: str) -> None:
    code, _, errors = cip("run", "--as-of", day)
    assert code == 1
    assert f"error there is no snapshot of {day}: choose a day from 2023-01-01 (" in errors


def test_facts_that_are_gone_are_added_up_again(cip_on: Callable[[Path], Cip], healthy: Path) -> None:
    shutil.rmtree(healthy / "lake" / "facts" / "session_days")
    code, printed, _ = cip_on(healthy)("run", "--select", "features/population")
    assert code == 0
    assert "added up 2024-02 to 2024-02 again: web_activity" in printed
    assert "not ingested" not in printed


def test_nothing_to_validate_is_reported_in_one_line_with_exit_code_1(cip: Cip) -> None:
    code, _, errors = cip("validate")
    assert code == 1
    assert errors.splitlines() == [
        "error marts/kpi_totals has no rows, so there is nothing to check: run 'cip run' first"
    ]


def test_generate_does_not_overwrite_data(cip: Cip, data_dir: Path) -> None:
    land_all(data_dir / "landing")
    code, _, errors = cip("generate", "--customers", "10")
    assert code == 1
    assert "already holds landing files" in errors


def test_generate_passes_on_what_speaks_against_the_purchase_model(cip: Cip, data_dir: Path) -> None:
    options = {"spend": "lognormal", "rates": "two_point", "season": 0.5, "established_decline": 0.4}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    code, _, _ = cip("generate", "--customers", "30", *words)
    assert code == 0
    truth = json.loads((data_dir / "landing" / "_truth.json").read_text(encoding="utf-8"))
    assert {name: truth["config"][name] for name in options} == options


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"CIP_ENGINE": "duck"}, "Unknown engine CIP_ENGINE='duck'. Choose one of: sail, spark, connect"),
        (
            {"CIP_ENGINE": "connect"},
            "CIP_ENGINE=connect needs CIP_SPARK_REMOTE=sc://host:port; it is not set",
        ),
        (
            {"CIP_ENGINE": "connect", "CIP_SPARK_REMOTE": "sc://127.0.0.1:1"},
            "CIP_SPARK_REMOTE=sc://127.0.0.1:1 does not answer",
        ),
        ({"CIP_ENGINE": "spark", "JAVA_HOME": "/nowhere"}, "CIP_ENGINE=spark needs Java, but none was found"),
        ({"CIP_SAIL_MEMORY_GB": "lots"}, "CIP_SAIL_MEMORY_GB='lots' is not a number"),
    ],
    ids=["unknown engine", "no remote", "dead remote", "no Java", "memory"],
)
def test_for_a_wrong_setting_one_line_says_what_to_do(
    cip: Cip, data_dir: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], message: str
) -> None:
    land_all(data_dir / "landing")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, _, errors = cip("run")
    assert code == 1
    assert message in errors
    assert "Traceback" not in errors


def test_a_missing_rules_file_is_reported_in_one_line_by_a_new_process(data_dir: Path) -> None:
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
    ("command", "not_imported"),
    [
        (["--help"], SLOW),
        (["status"], ("dagster", "scipy.special", "sklearn")),
        (["quarantine"], ("dagster", "scipy.special", "sklearn")),
        (["run"], ("sklearn",)),
    ],
    ids=["help", "status", "quarantine", "run"],
)
def test_a_command_imports_only_what_it_needs(
    data_dir: Path, command: list[str], not_imported: tuple[str, ...]
) -> None:
    program = (
        "import sys\nfrom cip_assets.__main__ import main\n"
        f"sys.argv = ['cip', *{command}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('imported:', *(name for name in {not_imported} if name in sys.modules))"
    )
    environment = {**os.environ, "CIP_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == ["imported:"]


def test_a_command_ends_without_warnings(healthy: Path) -> None:
    """C libraries warn if their objects still exist at the end of the process."""
    environment = {**os.environ, "CIP_DATA_DIR": str(healthy)}
    command = [sys.executable, "-m", "cip_assets", "quarantine", "returns"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_status_ends_without_an_abort(healthy: Path) -> None:
    """Threads that read the manifest were still there at the end, and half of the processes aborted."""
    environment = {**os.environ, "CIP_DATA_DIR": str(healthy)}
    command = [sys.executable, "-m", "cip_assets", "status"]
    ends = [subprocess.run(command, env=environment, capture_output=True, check=False) for _ in range(3)]
    assert [(end.returncode, end.stderr) for end in ends] == [(0, b"")] * 3


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_run_in_the_background_can_be_stopped_and_starts_nothing_more(
    data_dir: Path, how: signal.Signals
) -> None:
    """It went on with the snapshot, and could wait forever for a lock that a step of the stopped run held."""
    land_all(data_dir / "landing")
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "cip_assets", "run"],
        env={**os.environ, "CIP_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert next(line for line in process.stderr if line.startswith("check_"))  # the months are being ingested
    process.send_signal(how)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert errors.endswith("stopped The next 'cip run' goes on from here\n")
    with open_instance(Settings(data_dir, ENGINE).dagster_home) as instance:
        assert {run.job_name for run in instance.get_runs()} == {SCAN, INGEST}
        assert instance.event_log_storage.get_concurrency_run_ids() == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_exists_and_has_a_help_text(cip: Cip, name: str) -> None:
    code, shown, _ = cip(name, "--help")
    assert code == 0
    assert COMMANDS[name].help in " ".join(shown.split())
    assert COMMANDS[name].help in " ".join(cip("--help")[1].replace("│", "").split())


def test_an_unknown_command_is_refused(cip: Cip) -> None:
    code, _, errors = cip("stats")
    assert code == 2
    assert "Did you mean 'status'?" in errors
