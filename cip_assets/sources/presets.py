"""Known exports. Each has a folder in ``presets`` with ``preset.yaml`` and SQL; a new one needs no Python."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Literal

from pydantic import Field

from cip_assets.config.yaml_text import read_yaml
from cip_assets.sources.config import (
    QUERIES,
    WHAT_RECORDS_ARE,
    Columns,
    DateOrder,
    FieldName,
    Kind,
    Layout,
    Query,
    Strict,
    Target,
)

FOLDER = "presets"


class Ask(Strict):
    """A question that only the shop can answer, and what is taken without an answer."""

    about: str = Field(description="what is asked")
    default: str = Field(description="what is taken without an answer")


class PresetLayout(Strict):
    """How the files with one kind of header are read."""

    name: str = Field(default="records", description="the name of the files' records in SQL")
    has: tuple[str, ...] = Field(description="the columns that each such file has; it may have others")
    lacks: tuple[str, ...] = Field(
        default=(), description="columns of another export that such a file never has"
    )
    key: str | None = Field(
        default=None,
        description="a column of which each value is there once, where others have the same columns",
    )
    may_lack: tuple[str, ...] = Field(
        default=(), description="columns that the SQL names and not every file has"
    )
    is_optional: bool = Field(default=False, description="whether the export may come without such a file")
    records: str | None = Field(default=None, description="the file with SQL that makes the records")
    table: Target = Field(default="orders", description=WHAT_RECORDS_ARE)
    fields: Mapping[FieldName, Columns] = Field(
        default={}, description="the column of each field, or several: the first that has a text counts"
    )
    date_order: DateOrder | None = Field(
        default=None, description="found in the contents, unless it is given"
    )
    decimal: Literal[".", ","] | None = Field(
        default=None, description="found in the contents, unless it is given"
    )
    no_customer: tuple[str, ...] | None = Field(default=None, description="as in sources.yaml")
    notes: str | None = Field(default=None, description="as in sources.yaml")
    kinds: tuple[Kind, ...] = Field(default=(), description="as in sources.yaml")

    def fits(self, header: Collection[str]) -> bool:
        """Whether files with this header are such files. Versions of an export differ in capital letters."""
        names = _lower(header)
        return _lower(self.has) <= names and not _lower(self.lacks) & names


class Preset(Strict):
    """A known export."""

    about: str = Field(description="the system, the name of the export there, and what a record is")
    layouts: tuple[PresetLayout, ...] = Field(description="how each kind of file is read")
    asks: tuple[Ask, ...] = Field(default=(), description="what the contents cannot tell")
    currency: str | None = Field(
        default=None, description="the currency of amounts with the sign $ alone, unless another is said"
    )
    refused: str | None = Field(default=None, description="why such an export cannot be used")

    def match(self, headers: Sequence[Sequence[str]], *, is_adopted: bool) -> Mapping[int, int] | None:
        """The place of the layout for each header that fits one; None unless all needed files are there.

        If the export is adopted already, a file with a new header is enough.

        Several headers may fit a layout, and several layouts may have one name: these are versions of the export.
        """
        found: dict[int, int] = {}
        for place, header in enumerate(headers):
            fitting = [number for number, layout in enumerate(self.layouts) if layout.fits(header)]
            if fitting:
                found[place] = max(fitting, key=lambda number: len(self.layouts[number].has))
        needed = {layout.name for layout in self.layouts if not layout.is_optional}
        is_whole = needed <= {self.layouts[number].name for number in found.values()}
        return found if found and (is_whole or is_adopted) else None


def _lower(names: Collection[str]) -> set[str]:
    return {name.lower() for name in names}


@cache
def presets() -> Mapping[str, Preset]:
    """All presets, by name; those that ask for more columns first."""
    folder = resources.files("cip_assets.sources") / FOLDER
    found = {
        item.name: Preset.model_validate(read_yaml((item / "preset.yaml").read_text(encoding="utf-8")))
        for item in folder.iterdir()
        if (item / "preset.yaml").is_file()
    }
    columns = {name: sum(len(layout.has) for layout in preset.layouts) for name, preset in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (-columns[name], name))}


def query(preset: str, name: str) -> Query:
    """The SQL of a preset, as the file below the data folder that it will be."""
    file: Traversable = resources.files("cip_assets.sources") / FOLDER / preset / name
    return Query(name=f"{QUERIES}/{preset}.{name}", sql=file.read_text(encoding="utf-8"))


def layout_for(
    preset: str, own: PresetLayout, header: Sequence[str], date_order: DateOrder, decimal: str
) -> Layout:
    """The layout for files with this header. Without SQL, fields of columns that the files lack are left out."""
    written = {name.lower(): name for name in header}
    fields = {
        name: columns
        if own.records
        else tuple(written[column.lower()] for column in columns if column.lower() in written)
        for name, columns in own.fields.items()
    }
    return Layout.model_validate(
        {
            "name": own.name,
            "header": tuple(header),
            "absent": tuple(column for column in own.may_lack if column.lower() not in written),
            "records": query(preset, own.records) if own.records else None,
            "table": own.table,
            "fields": {name: columns for name, columns in fields.items() if columns},
            "date_order": date_order,
            "decimal": decimal,
            **({} if own.no_customer is None else {"no_customer": own.no_customer}),
            "notes": own.notes,
            "kinds": own.kinds,
        }
    )
