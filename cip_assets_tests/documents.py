"""What tests read of the documents."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def sections(text: str) -> dict[str, str]:
    """The sections of a document by their headings."""
    return {found.partition("\n")[0]: found for found in text.split("\n## ")}


def table_in(text: str, heading: str) -> list[list[str]]:
    """The rows of the table of a text whose first heading is this one."""
    _, _, table = text.partition(f"| {heading} |")
    lines = table.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def headings(text: str) -> set[str]:
    """What links may name in a document: its headings in lower case, with dashes, without signs."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in found}
