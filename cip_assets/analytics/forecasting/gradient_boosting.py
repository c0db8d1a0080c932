"""The challenger of the purchase model: gradient boosting on all that was known of a buyer at an earlier day.

It learns from a finished window, the buyers of D - window and who of them bought by D, and speaks of the next.
Beside what the purchase model sees it knows of sessions, tickets and returns, and what the purchase model said.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
from pyspark.sql import DataFrame

from cip_assets.analytics.forecasting.maximum_likelihood import Floats
from cip_assets.calc.exact import RATIO

KNOWN = (
    "recency_days",
    "tenure_days",
    "purchase_days",
    "monetary_value",
    "mean_repeat_value",
    "recent_sessions",
    "earlier_sessions",
    "total_tickets",
    "open_tickets",
    "total_returns",
    "p_active",
    "expected_purchases_90",
)
"""What it knows of a buyer; the last two the purchase model said."""

COUNTS = ("recent_sessions", "earlier_sessions", "total_tickets", "open_tickets", "total_returns")
LEARNS_FROM = 100_000
"""At most so many customers, chosen by the hash of their id: more would not fit the driver, and add little."""

ENOUGH_OF_EACH = 100
"""Customers that bought, and that did not, without which it does not learn."""

FOLDS = 3
MILLION = 10**6

Classifier = Any
"""A fitted classifier of scikit-learn; None where there was too little to learn from."""


def known(
    purchases: DataFrame,
    predictions: DataFrame,
    engagement: DataFrame,
    support: DataFrame,
    returns: DataFrame,
) -> DataFrame:
    """The known buyers of a day with the columns of ``KNOWN``, given the features of that day.

    Args:
        purchases: what buyers bought.
        predictions: ``p_active``, ``expected_purchases_90`` and ``expected_value`` of known buyers.
        engagement: sessions of customers.
        support: tickets of customers.
        returns: returns of customers.

    """
    said = predictions.select("customer_id", "p_active", "expected_purchases_90", "expected_value")
    return (
        purchases.where("NOT is_orphan")
        .withColumn(
            "tenure_days",
            (F.datediff("last_purchase_date", "first_purchase_date") + F.col("recency_days")).cast("int"),
        )
        .join(said, "customer_id")
        .join(engagement.select("customer_id", *COUNTS[:2]), "customer_id", "left")
        .join(support.select("customer_id", *COUNTS[2:4]), "customer_id", "left")
        .join(returns.select("customer_id", COUNTS[4]), "customer_id", "left")
        .select("customer_id", *KNOWN, "expected_value")
        .fillna(0, list(COUNTS))
    )


def trained(buyers: DataFrame) -> Classifier:
    """A classifier of who buys in the window, its probabilities calibrated on customers it did not learn from.

    Args:
        buyers: the columns of ``KNOWN``, and ``came_days``, the purchase days of the window that followed.

    """
    # Imported here: it takes a second, which a process that only loads the graph need not wait for.
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    sample = buyers.select("customer_id", *KNOWN, "came_days")
    table = sample.orderBy(F.md5("customer_id"), "customer_id").limit(LEARNS_FROM).toArrow()
    bought = table["came_days"].to_numpy() > 0
    if min(bought.sum(), (~bought).sum()) < ENOUGH_OF_EACH:
        return None
    learner = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=40,
        early_stopping=False,
        random_state=0,
    )
    # The sigmoid has two parameters and keeps the order of customers; the rows come in the order of a hash.
    return CalibratedClassifierCV(learner, method="sigmoid", cv=FOLDS, ensemble=True).fit(
        _matrix(table), bought
    )


def with_challenger(buyers: DataFrame, classifier: Classifier, name: str) -> DataFrame:
    """The buyers with one more column, the probability to buy in the window that follows; null without a classifier."""
    if classifier is None:
        return buyers.withColumn(name, F.lit(None).cast(RATIO))

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not len(batch):
                continue
            said = classifier.predict_proba(_matrix(pa.Table.from_batches([batch])))[:, 1]
            yield batch.append_column("millionths", pa.array(np.rint(said * MILLION).astype(np.int64)))

    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in buyers.schema)
    scored = buyers.mapInArrow(score, f"{schema}, millionths bigint")
    exact = F.expr("CAST(millionths AS DECIMAL(20, 0)) * CAST('0.000001' AS DECIMAL(7, 6))").cast(RATIO)
    return scored.withColumn(name, exact).drop("millionths")


def _matrix(table: pa.Table) -> Floats:
    """Rows by the columns of ``KNOWN``; what is not known, as the value of a repeat of who bought once, is NaN."""
    return np.column_stack([table[name].cast(pa.float64()).to_numpy() for name in KNOWN])
