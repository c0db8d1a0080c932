"""Writes small workbooks (.xlsx) as programs write them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

Cell = str
"""A cell as XML, such as ``number("0.1")``."""

STYLES = (
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
    '<xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>'
)
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def text(value: str) -> Cell:
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def number(value: str) -> Cell:
    return f"<c><v>{value}</v></c>"


def day(serial: str) -> Cell:
    return f'<c s="1"><v>{serial}</v></c>'


def moment(serial: str) -> Cell:
    return f'<c s="2"><v>{serial}</v></c>'


def truth(value: str) -> Cell:
    return f'<c t="b"><v>{value}</v></c>'


EMPTY: Cell = "<c/>"


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], hidden: Sequence[str] = ()) -> bytes:
    """A workbook with these sheets, each with its rows of cells."""
    entries, relations, types = [], [], []
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for place, (name, rows) in enumerate(sheets.items(), 1):
            state = ' state="hidden"' if name in hidden else ""
            entries.append(f'<sheet name={quoteattr(name)} sheetId="{place}" r:id="r{place}"{state}/>')
            relations.append(
                f'<Relationship Id="r{place}" Type="{RELATIONS}/worksheet" Target="worksheets/{place}.xml"/>'
            )
            types.append(
                f'<Override PartName="/xl/worksheets/{place}.xml" '
                'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            )
            cells = "".join(f'<row r="{r}">{"".join(row)}</row>' for r, row in enumerate(rows, 1) if row)
            archive.writestr(
                f"xl/worksheets/{place}.xml",
                f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>',
            )
        archive.writestr("xl/styles.xml", STYLES)
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>{"".join(entries)}</sheets></workbook>',
        )
        relations.append(f'<Relationship Id="s" Type="{RELATIONS}/styles" Target="styles.xml"/>')
        package = "http://schemas.openxmlformats.org/package/2006"
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">{"".join(relations)}</Relationships>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships">'
            f'<Relationship Id="w" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            f'<Default Extension="xml" ContentType="application/xml"/>{"".join(types)}</Types>',
        )
    return content.getvalue()
