"""The challenger: gradient boosting on what was known about each buyer on a day.

It is trained on a finished window (the buyers of D - window, and which of them bought by D) and predicts the next one.
Besides the data of the purchase model, it uses sessions, tickets, returns and the predictions of the purchase model.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyspark.sql.functions as F
from pyspark.sql import DataFrame
from threadpoolctl import threadpool_limits

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
"""The inputs of the challenger. The last two are predictions of the purchase model."""

COUNTS = ("recent_sessions", "earlier_sessions", "total_tickets", "open_tickets", "total_returns")
MOST_TO_TRAIN_ON = 100_000
"""The most customers to train on, chosen by the hash of their ids. More would add little and might exceed the driver's
memory.
"""

ENOUGH_OF_EACH = 100
"""The fewest customers who bought, and who did not, to train on."""

FEWEST_IN_LEAF = 40
FOLDS = 3
MILLION = 10**6
ONE_THREAD = {"limits": 1, "user_api": "openmp"}
"""scikit-learn's threads wait for each other at every node of a tree, and spin until then: beside an engine that keeps
the cores busy, training took 26 seconds of CPU with two threads and 1 with one. Their sums also depend on their number.
"""

Classifier = Any
"""A fitted classifier of scikit-learn; None if there was too little data to train on."""


def known(
    purchases: DataFrame,
    predictions: DataFrame,
    engagement: DataFrame,
    support: DataFrame,
    returns: DataFrame,
) -> DataFrame:
    """The known buyers of a day with the columns of ``KNOWN``, given the features of that day.

    Args:
        purchases: the purchases of buyers.
        predictions: ``p_active``, ``expected_purchases_90`` and ``expected_value`` of known buyers.
        engagement: sessions of customers.
        support: tickets of customers.
        returns: returns of customers.

    """
    predicted = predictions.select("customer_id", "p_active", "expected_purchases_90", "expected_value")
    return (
        purchases.where("NOT is_orphan")
        .withColumn(
            "tenure_days",
            (F.datediff("last_purchase_date", "first_purchase_date") + F.col("recency_days")).cast("int"),
        )
        .join(predicted, "customer_id")
        .join(engagement.select("customer_id", *COUNTS[:2]), "customer_id", "left")
        .join(support.select("customer_id", *COUNTS[2:4]), "customer_id", "left")
        .join(returns.select("customer_id", COUNTS[4]), "customer_id", "left")
        .select("customer_id", *KNOWN, "expected_value")
        .fillna(0, list(COUNTS))
    )


def sample(buyers: DataFrame) -> DataFrame:
    """Those of the known buyers that ``trained`` trains on; what else it needs to know need not be looked up of all.

    Args:
        buyers: known buyers, and orphans.

    """
    return _first_by_hash(buyers.where("NOT is_orphan"))


def _first_by_hash(buyers: DataFrame) -> DataFrame:
    return buyers.orderBy(F.md5("customer_id"), "customer_id").limit(MOST_TO_TRAIN_ON)


def trained(buyers: DataFrame) -> Classifier:
    """A classifier of customers who buy in the window. Its probabilities are calibrated on customers that it was not
    trained on.

    Args:
        buyers: the columns of ``KNOWN``, and ``came_days``, the actual purchase days in the window.

    """
    table = _first_by_hash(buyers.select("customer_id", *KNOWN, "came_days")).toArrow()
    bought = table["came_days"].to_numpy() > 0
    if min(bought.sum(), (~bought).sum()) < ENOUGH_OF_EACH:
        return None
    # Imported here because it takes a second, which only a process that trains needs to spend.
    from sklearn.calibration import CalibratedClassifierCV  # noqa: PLC0415
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

    learner = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=FEWEST_IN_LEAF,
        early_stopping=False,
        random_state=0,
    )
    # The sigmoid has two parameters and keeps the order of customers. The rows are in the order of a hash.
    calibrated = CalibratedClassifierCV(learner, method="sigmoid", cv=FOLDS, ensemble=True)
    with threadpool_limits(**ONE_THREAD):
        return calibrated.fit(_without_empty(_matrix(table)), bought)


def with_challenger(buyers: DataFrame, classifier: Classifier, name: str) -> DataFrame:
    """The buyers with one more column: the probability of a purchase in the next window; null without a classifier."""
    if classifier is None:
        return buyers.withColumn(name, F.lit(None).cast(RATIO))

    def score(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with threadpool_limits(**ONE_THREAD):
            for batch in batches:
                if not len(batch):
                    continue
                probabilities = classifier.predict_proba(_matrix(pa.Table.from_batches([batch])))[:, 1]
                yield batch.append_column(
                    "millionths", pa.array(np.rint(probabilities * MILLION).astype(np.int64))
                )

    schema = ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in buyers.schema)
    scored = buyers.mapInArrow(score, f"{schema}, millionths bigint")
    exact = F.expr("CAST(millionths AS DECIMAL(20, 0)) * CAST('0.000001' AS DECIMAL(7, 6))").cast(RATIO)
    return scored.withColumn(name, exact).drop("millionths")


def _without_empty(matrix: Floats) -> Floats:
    """The matrix with 0 in each column that too few customers have for a leaf, so that no tree can split by it.

    scikit-learn refuses a column without any value, such as the spend if all amounts are unknown.
    """
    has_enough = np.count_nonzero(~np.isnan(matrix), axis=0) >= FEWEST_IN_LEAF
    return np.where(has_enough, matrix, 0.0)


def _matrix(table: pa.Table) -> Floats:
    """The columns of ``KNOWN`` as a matrix. Missing values, such as a one-time buyer's mean repeat value, are NaN."""
    return np.column_stack([table[name].cast(pa.float64()).to_numpy() for name in KNOWN])
