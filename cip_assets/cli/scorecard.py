"""`cip scorecard`."""

from decimal import Decimal

from rich.table import Table

from cip_assets.cli.console import out, to_the_second
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.reporting.scorecard import Card, Sums
from cip_assets.reporting.scorecard import scorecard as judged

HEADINGS = (
    "Snapshot day",
    "Issued (UTC)",
    "Churn model",
    "Customers",
    "Brier",
    "Refitted",
    "Calibration",
    "Refitted",
    "Purchase days",
    "Spend",
    "CLV",
)


def scorecard() -> None:
    settings = Settings.from_environment()
    cards = judged(settings, open_platform(settings).default_day())
    if not cards:
        raise PlatformError("no forecasts have been issued: 'cip run' issues those of its snapshot day")
    shown = Table(title="Issued forecasts, judged by what happened since", title_justify="left")
    for place, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="left" if place < 3 else "right")
    for card in cards:
        shown.add_row(
            str(card.as_of),
            to_the_second(card.issued_at),
            card.churn_model,
            f"{card.customers:,}",
            *_churn(card),
            _bias(card.orders),
            _bias(card.spend),
            _bias(card.value),
        )
    out.print(shown)
    out.print(
        "Purchase days, Spend, CLV: how much more was expected than happened, in 90 days and 12 months. "
        "Refitted: the backtest of the same day and model (marts/model_backtest).",
        soft_wrap=True,
    )


def _churn(card: Card) -> list[str]:
    if card.is_late:
        return ["issued too late", "", "", ""]
    if card.brier is None:
        return [f"open until {card.closes}", "", "", ""]
    figures = (card.brier, card.refitted_brier, card.calibration_error, card.refitted_calibration)
    return [_figure(figure) for figure in figures]


def _figure(value: float | Decimal | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _bias(sums: Sums | None) -> str:
    return "" if sums is None or sums.bias is None else f"{sums.bias:+.1%}"
