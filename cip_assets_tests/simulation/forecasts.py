"""``python -m cip_assets_tests.simulation.forecasts``: how good the forecasts are, written to docs/metrics.md."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from cip_assets.analytics.forecasting.forecast import bands_of
from cip_assets.analytics.forecasting.history import Events, History
from cip_assets.analytics.forecasting.intervals import coverage
from cip_assets.analytics.forecasting.judgment import joined
from cip_assets.analytics.forecasting.level import CARRIED, PLAIN
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import VARIANTS, Variant, backtest
from cip_assets.analytics.forecasting.scores import figures
from cip_assets.synthetic import GeneratorConfig, generate
from cip_assets.synthetic.cdnow import CALIBRATION_END, HOLDOUT_END, cdnow_purchases
from cip_assets.synthetic.conformance import download_cdnow
from cip_assets_tests.simulation.__main__ import PAGE
from cip_assets_tests.simulation.rivals import BOOSTING, LOGISTIC

BEGIN, END = "<!-- make forecasts writes from here -->", "<!-- to there -->"
EPOCH = date(1970, 1, 1)
END_OF_SAMPLE = date(2026, 11, 27)
RIVALS = tuple(Variant(rival, level) for rival in (LOGISTIC, BOOSTING) for level in (PLAIN, CARRIED))
NOTHING = Events(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
HEADINGS = (
    "model",
    "Brier",
    "log loss",
    "AUC (95%)",
    "RMSE of orders",
    "bias of orders",
    "of money",
    "coverage",
)


def generated(scenario: str) -> History:
    """The history of generated customers without defects."""
    with tempfile.TemporaryDirectory() as scratch:
        landing = Path(scratch)
        config = GeneratorConfig(end=END_OF_SAMPLE, scenario=scenario, defects=0, late=0)  # type: ignore[arg-type]
        generate(config, landing)

        def read(table: str) -> pa.Table:
            files = sorted([*landing.glob(f"{table}.csv"), *landing.glob(f"{table}/**/*.csv")])
            texts = pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(_TEXTS, pa.string()), strings_can_be_null=True
            )
            return pa.concat_tables(
                [pyarrow.csv.read_csv(file, convert_options=texts) for file in files],
                promote_options="permissive",
            )

        bought, seen, asked, returned = (
            read(table) for table in ("transactions", "web_activity", "support_tickets", "returns")
        )
    ids = pc.unique(bought["customer_id"]).sort()

    def events(table: pa.Table, day: str, value: Sequence[float] | np.ndarray | None = None) -> Events:
        buyer = pc.index_in(table["customer_id"], ids).to_numpy().astype(float)
        days = _days(table[day])
        known = np.isfinite(buyer) & np.isfinite(days)
        values = np.ones(len(buyer)) if value is None else np.asarray(value, dtype=float)
        return Events(buyer[known].astype(np.int64), days[known].astype(np.int64), values[known])

    amounts = bought["amount"].cast(pa.float64()).to_numpy()
    is_closed = pc.is_in(asked["status"], pa.array(["Closed", "Resolved"])).to_numpy()
    opened, resolved = _days(asked["opened_date"]), _days(asked["resolved_date"])
    closed = np.where(np.isfinite(resolved), resolved, np.where(is_closed, opened, np.inf))
    return History(
        len(ids),
        by_day(events(bought, "transaction_date", amounts)),
        by_day(events(seen, "timestamp")),
        events(asked, "opened_date", closed),
        events(returned, "return_date"),
    )


_TEXTS = (
    "customer_id",
    "transaction_date",
    "timestamp",
    "opened_date",
    "resolved_date",
    "return_date",
    "status",
)


def _days(column: pa.ChunkedArray) -> np.ndarray:
    """The days of texts that begin with an ISO date; nan if empty."""
    days = pc.utf8_slice_codeunits(column, 0, 10).cast(pa.date32()).cast(pa.int32())
    return days.cast(pa.float64()).fill_null(np.nan).to_numpy()


def by_day(events: Events) -> Events:
    """One event for each buyer and day."""
    pairs, index = np.unique(np.column_stack([events.buyer, events.day]), axis=0, return_inverse=True)
    return Events(pairs[:, 0], pairs[:, 1], np.bincount(index.ravel(), events.value))


def cdnow(archive: Path) -> History:
    lines = cdnow_purchases(archive)
    ids = {name: number for number, name in enumerate(sorted({line.customer for line in lines}))}
    rows = [(ids[line.customer], (line.day - EPOCH).days, float(line.dollars)) for line in lines]
    buyer, day, value = (np.array(column) for column in zip(*rows, strict=True))
    return History(len(ids), by_day(Events(buyer, day, value)), NOTHING, NOTHING, NOTHING)


def table(past: Past, *, with_rivals: bool = True) -> Iterator[str]:
    """The rows of a table of all candidates, rivals and baselines, the best first."""
    found = backtest(past, (*VARIANTS, *(RIVALS if with_rivals else ())))
    ours = backtest(past)
    variants = {variant.name: variant for variant in (*VARIANTS, *RIVALS)}
    rows = []
    complete = max(len(windows) for windows in found.judged.values())
    for name, windows in found.judged.items():
        if len(windows) < complete:
            continue
        row = figures(joined(list(windows.values())))
        held = ""
        if name in variants and len(windows) > 1:
            others = [judged for origin, judged in windows.items() if origin > 1]
            bands = bands_of(past, variants[name], others)
            assert bands is not None
            held = f"{coverage(bands.orders, windows[1].days, windows[1].came_days):.0%}"
        used = ours.chosen is not None and ours.chosen.name == name
        title = f"**{name}**" if used else name
        auc = f"{row['auc']:.3f} ({row['auc_low']:.3f} to {row['auc_high']:.3f})"
        bias, money = (
            f"{row[key]:+.0%}" if row[key] is not None else "" for key in ("orders_bias", "spend_bias")
        )
        cells = (
            title,
            f"{row['brier']:.4f}",
            f"{row['log_loss']:.4f}",
            auc,
            f"{row['rmse_orders']:.3f}",
            bias,
            money,
            held,
        )
        rows.append((row["log_loss"], "| " + " | ".join(cells) + " |"))
    yield "| " + " | ".join(HEADINGS) + " |"
    yield "|" + "---|" * len(HEADINGS)
    yield from (text for _, text in sorted(rows))


def page(archive: Path) -> str:
    of_cdnow = cdnow(archive)
    end, calibration = ((day - EPOCH).days for day in (HOLDOUT_END, CALIBRATION_END))
    today = (END_OF_SAMPLE - EPOCH).days
    cases = (
        (
            "The generated sample, whose purchases fall by 80% over the last 9 months",
            Past(generated("story"), today, 90),
        ),
        ("A steady shop with the same customers", Past(generated("steady"), today, 90)),
        ("CDNOW, windows of 90 days up to June 1998", Past(of_cdnow, end, 90)),
        ("CDNOW, the 39 weeks of the published case", Past(of_cdnow, end, end - calibration)),
    )
    parts = []
    for heading, past in cases:
        parts += [f"{heading}:", "", *table(past), ""]
    return "\n".join(parts)


def main(archive: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        text = page(Path(archive) if archive else download_cdnow(Path(scratch)))
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
