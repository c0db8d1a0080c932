"""Where things lie and which engine computes, from the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    ``data_dir`` holds ``landing`` (input), ``lake`` (Delta tables) and ``final`` (exports).
    """

    data_dir: Path
    engine: str

    @classmethod
    def from_environment(cls) -> Self:
        """``CIP_DATA_DIR`` (default: the project's ``data``) and ``CIP_ENGINE`` (default: sail)."""
        return cls(
            data_dir=Path(os.environ.get("CIP_DATA_DIR") or PROJECT / "data").absolute(),
            engine=os.environ.get("CIP_ENGINE") or "sail",
        )

    @property
    def landing(self) -> Path:
        return self.data_dir / "landing"

    @property
    def lake(self) -> Path:
        return self.data_dir / "lake"

    @property
    def final(self) -> Path:
        return self.data_dir / "final"

    @property
    def dagster_home(self) -> Path:
        return self.data_dir / ".dagster"

    def table_uri(self, layer: str, table: str) -> str:
        return str(self.lake / layer / table)
