"""The CDNOW sample, from which the published estimates of both models were made.

It has 2,357 customers who first bought at an online music shop in the first quarter of 1997, with all purchases up to
June 1998. It is the 1/10 sample of Fader, Hardie, Lee (2005). The data is not part of this project: it is read from a
package that contains it, which is opened as an archive and never run.
"""

import zipfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from cip_assets.analytics.forecasting.maximum_likelihood import Floats

MEMBER = "lifetimes/datasets/CDNOW_sample.txt"
CALIBRATION_END = date(1997, 9, 30)
HOLDOUT_END = date(1998, 6, 30)


@dataclass(frozen=True)
class CdnowCases:
    """Arrays with one entry per customer, sorted by id; each has the shape (2357,).

    Attributes:
        x: distinct purchase days up to 1997-09-30, minus 1.
        t_x: days from the first to the last of these purchase days.
        age: days from the first purchase day to 1997-09-30.
        mean_value: mean of the daily totals without the first day, in dollars; nan if x = 0.
        holdout_purchases: distinct purchase days from 1997-10-01 to 1998-06-30, which are 39 weeks.

    """

    x: Floats
    t_x: Floats
    age: Floats
    mean_value: Floats
    holdout_purchases: Floats


@dataclass(frozen=True)
class Purchase:
    """One line of the sample."""

    customer: int
    day: date
    discs: int
    dollars: str


def cdnow_purchases(archive: Path) -> list[Purchase]:
    """The sample's lines, from a wheel or zip file that contains `lifetimes/datasets/CDNOW_sample.txt`.

    Raises:
        ValueError: the archive does not contain the file.

    """
    with zipfile.ZipFile(archive) as opened:
        if MEMBER not in opened.namelist():
            raise ValueError(f"{archive} does not contain {MEMBER}: download lifetimes 0.11.3")
        lines = opened.read(MEMBER).decode("ascii").splitlines()
    purchases = []
    for line in lines:
        # Master id, id in the sample, YYYYMMDD, number of CDs, dollars.
        _, customer, day, discs, dollars = line.split()
        purchases.append(Purchase(int(customer), date.fromisoformat(day), int(discs), dollars))
    return purchases


def cdnow_cases(archive: Path) -> CdnowCases:
    """The sample in the form that the models need.

    Raises:
        ValueError: the archive does not contain the file.

    """
    totals: dict[int, dict[date, float]] = {}
    for purchase in cdnow_purchases(archive):
        days = totals.setdefault(purchase.customer, {})
        days[purchase.day] = days.get(purchase.day, 0.0) + float(purchase.dollars)
    return CdnowCases(*np.array([_case(totals[customer]) for customer in sorted(totals)]).T)


def _case(days: dict[date, float]) -> tuple[float, float, float, float, float]:
    seen = sorted(day for day in days if day <= CALIBRATION_END)
    later = sum(1 for day in days if CALIBRATION_END < day <= HOLDOUT_END)
    repeat = [days[day] for day in seen[1:]]
    mean = sum(repeat) / len(repeat) if repeat else float("nan")
    return len(repeat), (seen[-1] - seen[0]).days, (CALIBRATION_END - seen[0]).days, mean, later
