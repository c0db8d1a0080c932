"""The data folder and the engine, from environment variables."""

import os
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Self

from cip_assets.config.errors import PlatformError
from cip_assets.config.folders import check_address, check_folder, working_folder

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that contains the package."""

DAGSTER_SETTINGS = Path(__file__).with_name("dagster.yaml")
"""The Dagster settings that a new data folder gets."""


APP = "http://127.0.0.1:3001"
"""Where `cip app` is, unless it is told otherwise."""

APP_ADDRESS = "CIP_APP_URL"
"""The environment variable that says where else it is, for the links from the Dagster UI."""

FIRST_SEEN = "first_seen.csv"

KNOWN_AT = "known_at.csv"
"""The file of a data folder that has what was known on a day. Its header is the name, its only row the day."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    ``data_dir`` holds ``landing`` (input), ``lake`` (Delta tables) and ``final`` (exports). If these are in a bucket,
    ``bucket`` is their address, and ``data_dir`` has copies of all files but the Delta tables (``storage/place.py``).

    Raises:
        PlatformError: the folder cannot hold Delta tables, or the engine cannot write them to a bucket.

    """

    data_dir: Path
    engine: str
    bucket: str = ""

    def __post_init__(self) -> None:
        check_folder(self.data_dir)
        if self.bucket and self.engine == "spark":
            raise PlatformError(
                f"CIP_ENGINE=spark cannot write to {self.bucket}, because its Delta does not see commits of others "
                "there: leave CIP_ENGINE unset to use Sail, or set CIP_DATA_DIR to a folder"
            )

    @classmethod
    def at(cls, address: str, engine: str) -> Self:
        """The settings of the data folder at an address: a path, or ``s3://bucket/prefix``.

        Raises:
            PlatformError: it is an address that the platform cannot work at.

        """
        if "://" not in address:
            return cls(_folder(address), engine)
        check_address(address)
        return cls(working_folder(address), engine, address)

    @classmethod
    def from_environment(cls) -> Self:
        """The settings in ``CIP_DATA_DIR`` (default: the project's ``data``) and ``CIP_ENGINE`` (default: sail).

        Raises:
            PlatformError: ``CIP_DATA_DIR`` is not a folder that the platform can work in.

        """
        named = os.environ.get("CIP_DATA_DIR") or str(PROJECT / "data")
        return cls.at(named.rstrip("/") if "://" in named else named, os.environ.get("CIP_ENGINE") or "sail")

    @property
    def address(self) -> str:
        """Where the data folder is, which others find it by."""
        return self.bucket or str(self.data_dir)

    def address_of(self, path: Path) -> str:
        """Where a file of the data folder is."""
        return f"{self.address}/{path.relative_to(self.data_dir)}"

    @property
    def landing(self) -> Path:
        return self.data_dir / "landing"

    @property
    def first_seen(self) -> Path:
        """The file that remembers when landing files were first seen."""
        return self.data_dir / FIRST_SEEN

    @property
    def known_at(self) -> date | None:
        """The day by which all files of this folder had been delivered; None if the folder is not of a day.

        Raises:
            PlatformError: the file that names the day is damaged.

        """
        path = self.data_dir / KNOWN_AT
        if not path.exists():
            return None
        try:
            return date.fromisoformat(path.read_text(encoding="utf-8").split()[1])
        except (OSError, ValueError, IndexError) as error:
            raise PlatformError(f"{path} has no day: run 'cip run --known-at' again") from error

    def of_day(self, known_at: date) -> Self:
        """The settings of the data folder, inside this one, for what was known on a day."""
        inside = f"known/{known_at.isoformat()}"
        return replace(
            self, data_dir=self.data_dir / inside, bucket=self.bucket and f"{self.bucket}/{inside}"
        )

    @property
    def lake(self) -> Path:
        return self.data_dir / "lake"

    @property
    def lake_address(self) -> str:
        """Where the Delta tables are; ``lake`` only if that is on this machine."""
        return f"{self.address}/lake"

    @property
    def final(self) -> Path:
        return self.data_dir / "final"

    @property
    def issued(self) -> Path:
        """The folder of the issued forecasts."""
        return self.data_dir / "issued"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / ".dagster"

    @property
    def kept(self) -> Path:
        """The folder of results that are found again by what they were computed from. It can be deleted at any time."""
        return self.data_dir / ".kept"

    @property
    def app_home(self) -> Path:
        """The folder of `cip app`."""
        return self.data_dir / ".app"

    @property
    def index(self) -> Path:
        """The copies of tables that `cip app` makes to be fast. They hold what the lake holds."""
        return self.app_home / "index"

    def table_uri(self, layer: str, table: str) -> str:
        return f"{self.lake_address}/{layer}/{table}"


def app_address() -> str:
    """Where the pages of `cip app` are."""
    return os.environ.get(APP_ADDRESS) or APP


def _folder(named: str) -> Path:
    path = Path(os.path.expanduser(named)).absolute()  # noqa: PTH111 -- Path.expanduser raises for an unknown ~user
    # Tools disagree on what '..' after a symbolic link means.
    return path.resolve() if ".." in path.parts else path
