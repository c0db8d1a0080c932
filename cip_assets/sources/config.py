"""``sources.yaml`` in the data folder: which exports of a shop there are, and what their columns mean.

`cip adopt` writes it, and a person may edit it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from cip_assets.config.errors import PlatformError
from cip_assets.sources.databases.database import Database

FILE = "sources.yaml"

FieldName = Literal[
    "order_id",
    "customer_id",
    "product_id",
    "product_name",
    "category",
    "quantity",
    "unit_price",
    "line_total",
    "discount",
    "refunded",
    "date",
    "payment_method",
]
"""What a column can be. An order line needs ``order_id``, ``date``, and ``unit_price`` or ``line_total``. ``discount``
and ``refunded`` are amounts of the line: what is taken off it, and what was given back for it.
"""

KindName = Literal[
    "sale",
    "return",
    "discount",
    "shipping",
    "fee",
    "tax",
    "adjustment",
    "gift_card",
    "summary",
    "test",
    "cancelled",
    "awaiting_payment",
    "failed",
    "zero_price",
    "stock_correction",
    "unlinked_credit",
]
"""What a record can be. Sales and returns are counted, everything else is left out, each record with its kind."""

DateOrder = Literal["ymd", "mdy", "dmy"]


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""One column, or several: the first that has a text in the record counts."""


class _Strict(BaseModel):
    # Errors do not show what was given, because it may be a password.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Kind(_Strict):
    """A rule for what a record is: SQL that is true for it."""

    kind: KindName = Field(alias="is")
    when: str


class Layout(_Strict):
    """How the files with one header are read."""

    header: tuple[str, ...] = Field(description="the columns of the files, in any order")
    fields: Mapping[FieldName, Columns] = Field(description="the column of each field")
    date_order: DateOrder = Field(description="the order of year, month and day in dates: ymd, mdy or dmy")
    decimal: Literal[".", ","] = Field(default=".", description="the decimal sign of amounts")
    no_customer: tuple[str, ...] = Field(
        default=("0", "-", "null", "n/a", "nan", "none", "guest", "gast", "walk-in", "anonymous"),
        description="texts that are no customer, in lower case: the order is a guest's",
    )
    kinds: tuple[Kind, ...] = Field(
        default=(),
        description="what a record is: the first rule whose SQL is true. It may use order_id, customer_id, product_id, "
        "quantity, amount, and any column of the file in double quotes. Without one, a record with a negative "
        "quantity or amount is a return, and any other a sale",
    )


class Export(_Strict):
    """Files of order lines."""

    files: tuple[str, ...] = Field(description="paths or patterns, absolute or below the data folder")
    layouts: tuple[Layout, ...]


class Sources(_Strict):
    """All exports of the shop."""

    first_month: date = Field(description="the month of the first order, by its first day")
    exports: tuple[Export, ...]
    databases: tuple[Database, ...] = Field(
        default=(), description="what is fetched from databases before the exports are read"
    )

    @model_validator(mode="after")
    def _has_distinct_names(self) -> Self:
        names = [database.name.lower() for database in self.databases]
        if len(set(names)) < len(names):
            raise ValueError("two databases have one name; give each its own")
        return self


def load_sources(data_dir: Path) -> Sources | None:
    """The exports of a data folder; None if it has no ``sources.yaml``.

    Raises:
        PlatformError: the file cannot be read, or a key is wrong. The message names it.

    """
    path = data_dir / FILE
    if not path.exists():
        return None
    try:
        return Sources.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise PlatformError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PlatformError(
            f"{path}: {where}: {first['msg']}; correct it, or run 'cip adopt' again"
        ) from error


def files_of(export: Export, data_dir: Path) -> Sequence[Path]:
    """The files of an export, sorted by path.

    Raises:
        PlatformError: a pattern matches no file.

    """
    found: set[Path] = set()
    for pattern in export.files:
        path = data_dir / pattern  # an absolute path stays as it is
        inside = str(path.relative_to(path.anchor))
        # A name may have characters that mean something else in a pattern.
        here = (
            {path} if path.is_file() else {file for file in Path(path.anchor).glob(inside) if file.is_file()}
        )
        if not here:
            raise PlatformError(f"{FILE}: no file matches {pattern!r}; put the file there, or correct files")
        found |= here
    return sorted(found)


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
