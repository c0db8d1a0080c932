"""One generated landing folder per scenario, shared by the tests of the generator."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from cip_assets.synthetic import GeneratorConfig, Truth, generate

END = date(2025, 11, 21)


@dataclass(frozen=True)
class Landing:
    """A generated folder and its ground truth."""

    folder: Path
    truth: Truth
    _clean: dict[str, list[list[str]]] = field(default_factory=dict)

    def defects(self) -> list[dict[str, str]]:
        """The lines of _truth.csv."""
        with (self.folder / "_truth.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def records(self, table: str) -> Iterator[tuple[str, int, list[str]]]:
        """Every record of a table, without the headers: file, line number and fields."""
        for path in sorted([*self.folder.glob(f"{table}.csv"), *self.folder.glob(f"{table}/*/*.csv")]):
            with path.open(encoding="utf-8", newline="") as file:
                reader = csv.reader(file)
                next(reader)
                for fields in reader:
                    yield str(path.relative_to(self.folder)), reader.line_num, fields

    def clean(self, table: str) -> list[list[str]]:
        """The records that correct cleaning keeps, as they are in the files."""
        if table not in self._clean:
            out = {
                (line["file"], int(line["line"]))
                for line in self.defects()
                if line["table"] == table and line["outcome"] != "kept"
            }
            self._clean[table] = [
                fields for file, line, fields in self.records(table) if (file, line) not in out
            ]
        return self._clean[table]


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """10,000 customers with the default parameters."""
    folder = tmp_path_factory.mktemp("story")
    return Landing(folder, generate(GeneratorConfig(end=END), folder))


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Landing:
    """10,000 customers without trends."""
    folder = tmp_path_factory.mktemp("steady")
    return Landing(folder, generate(GeneratorConfig(end=END, scenario="steady"), folder))
