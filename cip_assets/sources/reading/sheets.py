"""The sheets of a workbook (.xlsx), each as CSV text."""

import csv
import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, BinaryIO

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    XmlError,
    ZipError,
)

from cip_assets.sources.reading.errors import UnreadableExport

DAMAGED = (CalamineError, PasswordError, XmlError, ZipError, OSError)
DIGITS = 15
"""The digits that Excel keeps of a number. The others of a double are noise."""


def sheets(workbook: BinaryIO, name: str) -> dict[str, str | None]:
    """For each sheet of a workbook, why it is not read, or None.

    Raises:
        UnreadableExport: the workbook is damaged.

    """
    with _opened(workbook, name) as book:
        return {
            sheet.name: _reason(book, sheet.visible, sheet.typ, sheet.name) for sheet in book.sheets_metadata
        }


def _reason(book: CalamineWorkbook, visible: SheetVisibleEnum, kind: SheetTypeEnum, sheet: str) -> str | None:
    if visible != SheetVisibleEnum.Visible:
        return "a hidden sheet"
    if kind != SheetTypeEnum.WorkSheet:
        return "not a sheet of cells"
    return None if any(_rows(book, sheet)) else "an empty sheet"


def as_csv(workbook: BinaryIO, name: str, sheet: str) -> bytes:
    """A sheet as UTF-8 CSV text with one record per row; an empty row is an empty line.

    Raises:
        UnreadableExport: the workbook is damaged.

    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    with _opened(workbook, name) as book:
        writer.writerows(_rows(book, sheet))
    return text.getvalue().encode()


@contextmanager
def _opened(workbook: BinaryIO, name: str) -> Iterator[CalamineWorkbook]:
    try:
        yield CalamineWorkbook.from_filelike(workbook)
    except DAMAGED as error:
        raise UnreadableExport(name, f"the workbook is damaged ({error}); save it again as .xlsx") from error


def _rows(book: CalamineWorkbook, sheet: str) -> Iterator[list[str]]:
    """The rows from the first one of the sheet on; a row without values is empty."""
    for row in book.get_sheet_by_name(sheet).to_python(skip_empty_area=False):
        cells = [_as_text(value) for value in row]
        yield cells if any(cells) else []


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return format(Decimal(f"{value:.{DIGITS}g}"), "f")
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.date() | dt.time():
            return value.isoformat()
        case _:
            return str(value)
