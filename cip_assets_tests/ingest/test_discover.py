"""The landing folder: every file of a table is found once, and everything that is not read has a reason."""

import os
from datetime import date
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.ingest.discover import (
    HIDDEN,
    LEADS_NOWHERE,
    NO_FILE,
    NO_TABLE,
    NOT_CSV,
    NOT_DATED,
    READ_ALREADY,
    LandedFile,
    LeftAside,
    find_files,
    lines_about,
)


def put(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("a\n")


def link(folder: Path, path: str, target: str) -> None:
    """Create a link below the folder; the target is relative to the link."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).symlink_to(target)


def paths(folder: Path) -> list[str]:
    """The files that are read; none of them may have a problem."""
    found, _ = find_files(folder)
    assert [file for file in found if file.problem] == []
    return [file.path for file in found]


def left_aside(folder: Path) -> dict[str, str]:
    return {left.path: left.reason for left in find_files(folder)[1]}


def problems(folder: Path) -> dict[str, tuple[str, str]]:
    """The table and the problem of everything that stops its table."""
    return {file.path: (file.table, file.problem) for file in find_files(folder)[0] if file.problem}


def test_files_are_found_by_their_name_or_their_tables_folder(tmp_path: Path) -> None:
    put(
        tmp_path,
        "customers.csv",
        "products.csv.gz",
        "returns/any,thing 'quoted' [1].CSV",
        "returns/b.CSV.GZ",
        "transactions.csv/part-0.csv",
        "transactions/dt=2024-02-29/part-0.csv",
        "transactions/2024/dt=2024-03-31/shop/part-0.csv.gz",
        "transactions/dt=2024-04-30/dt=2024-05-31/part-0.csv",
    )
    assert find_files(tmp_path) == (
        [
            LandedFile("customers", "customers.csv", None),
            LandedFile("products", "products.csv.gz", None),
            LandedFile("returns", "returns/any,thing 'quoted' [1].CSV", None),
            LandedFile("returns", "returns/b.CSV.GZ", None),
            LandedFile(
                "transactions", "transactions/2024/dt=2024-03-31/shop/part-0.csv.gz", date(2024, 3, 31)
            ),
            LandedFile("transactions", "transactions/dt=2024-02-29/part-0.csv", date(2024, 2, 29)),
            LandedFile(
                "transactions", "transactions/dt=2024-04-30/dt=2024-05-31/part-0.csv", date(2024, 5, 31)
            ),
        ],
        [LeftAside("transactions.csv/part-0.csv", NO_TABLE)],  # Spark writes such folders
    )


@pytest.mark.parametrize(
    ("path", "shown", "reason"),
    [
        ("_truth.csv", "_truth.csv", HIDDEN),
        (".transactions.csv", ".transactions.csv", HIDDEN),
        ("_generating/transactions.csv", "_generating", HIDDEN),
        ("transactions/.uploading.csv", "transactions/.uploading.csv", HIDDEN),
        ("transactions/_tmp/part-0.csv", "transactions/_tmp", HIDDEN),
        ("transactions/README.md", "transactions/README.md", NOT_CSV),
        ("transactions/part-0.csv.bak", "transactions/part-0.csv.bak", NOT_CSV),
        ("transactions/csv", "transactions/csv", NOT_CSV),
        ("customers.xlsx", "customers.xlsx", NOT_CSV),
        ("orders.csv", "orders.csv", NO_TABLE),
        ("Customers.csv", "Customers.csv", NO_TABLE),
        ("Returns/returns.csv", "Returns/returns.csv", NO_TABLE),
        ("orders/dt=2024-01-31/part-0.csv.gz", "orders/dt=2024-01-31/part-0.csv.gz", NO_TABLE),
        ("dt=2024-01-31/transactions.csv", "dt=2024-01-31/transactions.csv", NO_TABLE),
    ],
)
def test_files_that_are_not_read_have_a_reason(tmp_path: Path, path: str, shown: str, reason: str) -> None:
    put(tmp_path, path)
    assert find_files(tmp_path) == ([], [LeftAside(shown, reason)])


@pytest.mark.parametrize(
    "folder",
    [
        "dt=31-03-2024",
        "dt=2024-02-30",
        "dt=2024-13-01",
        "dt=2024-1-5",
        "dt=",
        "DT=2024-03-31",
        "dt =2024-03-31",
    ],
)
def test_an_invalid_delivery_date_stops_its_table(tmp_path: Path, folder: str) -> None:
    """Otherwise an older delivery would count."""
    put(tmp_path, f"customers/{folder}/a.csv", "customers/dt=2024-01-31/a.csv")
    assert problems(tmp_path) == {
        f"customers/{folder}/a.csv": (
            "customers",
            f"the folder name {folder!r} is not a valid date; write it as dt=YYYY-MM-DD",
        )
    }


def test_only_a_folder_can_name_a_delivery_date(tmp_path: Path) -> None:
    put(tmp_path, "customers/dt=2024-01-31.csv")
    ((table, problem),) = problems(tmp_path).values()
    assert (table, problem.partition(";")[0]) == (
        "customers",
        "'dt=2024-01-31.csv' looks like a delivery date but is a file",
    )


def test_a_full_delivery_without_a_date_does_not_count_if_there_is_one_with_a_date(tmp_path: Path) -> None:
    put(tmp_path, "customers.csv", "customers/dt=2024-01-31/a.csv", "products.csv", "returns.csv")
    put(tmp_path, "returns/dt=2024-01-31/a.csv")
    assert left_aside(tmp_path) == {"customers.csv": NOT_DATED}
    assert len(paths(tmp_path)) == 5


# --- links ------------------------------------------------------------------------------------------------


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/a.csv", "elsewhere/deep/b.csv", "elsewhere/c.csv", "elsewhere/all/d.csv")
    landing = tmp_path / "landing"
    link(landing, "transactions/2024-02", "../../elsewhere")
    link(landing, "returns/dt=2024-03-31/c.csv", "../../../elsewhere/c.csv")
    link(landing, "customers", "../elsewhere/all")
    link(landing, "products.csv", "../elsewhere/a.csv")
    link(landing, "orders", "../elsewhere")
    (tmp_path / "linked").symlink_to("landing")
    for folder in (landing, tmp_path / "linked"):
        assert paths(folder) == [
            "customers/d.csv",
            "products.csv",
            "returns/dt=2024-03-31/c.csv",
            "transactions/2024-02/a.csv",
            "transactions/2024-02/all/d.csv",
            "transactions/2024-02/c.csv",
            "transactions/2024-02/deep/b.csv",
        ]
        assert left_aside(folder) == {"orders": NO_TABLE}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("transactions/2024/loop", ".."),
        ("transactions/loop", "."),
        ("transactions/loop", "../.."),
        ("transactions/loop", "/"),
        ("transactions/a_twin", "2024"),
        ("transactions/latest.csv", "2024/a.csv"),
        ("transactions/z_twin", "2024/deep"),
    ],
)
def test_a_link_to_something_already_read_or_to_a_parent_folder_is_not_read(
    tmp_path: Path, path: str, target: str
) -> None:
    landing = tmp_path / "landing"
    put(landing, "transactions/2024/a.csv", "transactions/2024/deep/b.csv")
    link(landing, path, target)
    assert paths(landing) == ["transactions/2024/a.csv", "transactions/2024/deep/b.csv"]
    assert left_aside(landing) == {path: READ_ALREADY}


def test_the_target_of_two_links_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/2024/a.csv", "elsewhere/b.csv")
    link(tmp_path / "elsewhere", "2024/back", "..")
    landing = tmp_path / "landing"
    link(landing, "transactions/one", "../../elsewhere/2024")
    link(landing, "transactions/two", "../../elsewhere")
    assert paths(landing) == ["transactions/one/a.csv", "transactions/two/b.csv"]
    assert left_aside(landing) == {
        "transactions/one/back": READ_ALREADY,
        "transactions/two/2024": READ_ALREADY,
    }


@pytest.mark.parametrize("target", ["gone", "loop"])
def test_a_broken_link_stops_its_table(tmp_path: Path, target: str) -> None:
    """Otherwise the rows of a share that is not mounted would be removed from the tables."""
    for path in ("transactions/loop", "customers", "returns.csv", "orders"):
        link(tmp_path, path, target if path.endswith("loop") else "gone")
    assert problems(tmp_path) == {
        "customers": ("customers", LEADS_NOWHERE),
        "returns.csv": ("returns", LEADS_NOWHERE),
        "transactions/loop": ("transactions", LEADS_NOWHERE),
    }
    assert left_aside(tmp_path) == {"orders": LEADS_NOWHERE}


# --- files and folders that cannot be read ----------------------------------------------------------------


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "returns").mkdir()
    for path in ("returns/pipe.csv", "orders.csv", "returns/pipe"):
        os.mkfifo(tmp_path / path)
    assert problems(tmp_path) == {"returns/pipe.csv": ("returns", NO_FILE)}
    assert left_aside(tmp_path) == {"orders.csv": NO_FILE, "returns/pipe": NOT_CSV}


def test_a_folder_that_cannot_be_listed_stops_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is simulated, because a test that runs as root can list everything."""
    put(tmp_path, "customers/dt=2024-01-31/a.csv", "customers/dt=2024-02-29/a.csv", "archive/a.txt")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name in ("dt=2024-02-29", "archive"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    denied = "it cannot be opened: Permission denied"
    assert problems(tmp_path) == {"customers/dt=2024-02-29": ("customers", denied)}
    assert left_aside(tmp_path) == {"archive": denied}
    with pytest.raises(PlatformError, match="archive cannot be listed: Permission denied"):
        find_files(tmp_path / "archive")


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"a\nb.csv", "a\\nb.csv"), (b"caf\xe9.csv", "caf\\udce9.csv"), (b"a\x1b[1m.csv", "a\\x1b[1m.csv")],
)
def test_a_name_that_is_not_text_stops_its_table_with_one_line(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    for folder in ("returns", "orders"):
        (tmp_path / folder).mkdir()
        Path(os.fsdecode(os.fsencode(tmp_path / folder) + b"/" + name)).touch()
    problem = "its name has a character that is not valid text; rename it"
    assert problems(tmp_path) == {f"returns/{shown}": ("returns", problem)}
    assert list(lines_about(find_files(tmp_path)[1])) == [f"not read: orders/{shown}: {NO_TABLE}"]


def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    assert find_files(tmp_path / "landing") == ([], [])


def test_each_reason_is_one_line_with_the_first_names(tmp_path: Path) -> None:
    put(tmp_path, *(f"{number}.csv" for number in range(7)), *(f"{number}.txt" for number in range(5)), "_x")
    assert list(lines_about(find_files(tmp_path)[1])) == [
        f"not read: 0.csv, 1.csv, 2.csv, 3.csv, 4.csv and 2 more: {NO_TABLE}",
        f"not read: 0.txt, 1.txt, 2.txt, 3.txt, 4.txt: {NOT_CSV}",
        f"not read: _x: {HIDDEN}",
    ]
