"""A small shop with two deliveries. The second one corrects, adds and withdraws lines of the first."""

import csv
from datetime import date, timedelta
from pathlib import Path

from cip_assets.synthetic import GeneratorConfig, generate

SHOP = GeneratorConfig(customers=40, seed=11, end=date(2025, 6, 20), months=3, defects=0.05)
DELIVERED = SHOP.end + timedelta(days=1)
CORRECTED = 6
"""Lines of the oldest month that the second delivery corrects."""


def land_first(landing: Path) -> None:
    generate(SHOP, landing)


def land_second(landing: Path) -> None:
    """Correct old purchases, add new ones, deliver the customers again, and withdraw the newest file of returns."""
    files = sorted((landing / "transactions").glob("dt=*/*.csv"))
    with files[0].open(encoding="utf-8", newline="") as stream:
        header, *lines = list(csv.reader(stream))
    corrected = [_with(header, line, quantity="7") for line in lines[:CORRECTED]]
    day = DELIVERED.isoformat()
    new = [
        _with(header, line, transaction_id=f"{line[0]}-new", transaction_date=day)
        for line in lines[CORRECTED : 2 * CORRECTED]
    ]
    _write(landing / "transactions" / f"dt={day}" / "corrected.csv", [header, *corrected, *new])
    with (landing / "customers.csv").open(encoding="utf-8", newline="") as stream:
        header, *customers = list(csv.reader(stream))
    _write(
        landing / "customers" / f"dt={day}" / "all.csv",
        [header, *(_with(header, line, segment="Corporate") for line in customers)],
    )
    max((landing / "returns").glob("dt=*/*.csv")).unlink()


def _with(header: list[str], line: list[str], **changed: str) -> list[str]:
    if len(line) != len(header):
        return line
    return [changed.get(name, value) for name, value in zip(header, line, strict=True)]


def _write(path: Path, lines: list[list[str]]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines)
