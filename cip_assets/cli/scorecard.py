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
    "Day",
    "Issued (UTC)",
    "Model",
    "Buyers",
    "Brier (refitted)",
    "Calibration (refitted)",
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
        "Refitted: the same day and model in marts/model_backtest. Forecasts that were issued after their window ended "
        "are not judged.",
        soft_wrap=True,
    )


def _churn(card: Card) -> tuple[str, str]:
    """The accuracy of the purchase probability, or why it is not known."""
    if card.is_late:
        return "issued too late", ""
    if card.brier is None:
        return f"open until {card.closes}", ""
    return (
        _with_refitted(card.brier, card.refitted_brier),
        _with_refitted(card.calibration_error, card.refitted_calibration),
    )


def _with_refitted(issued: float | None, refitted: Decimal | None) -> str:
    return f"{issued:.4f}" + ("" if refitted is None else f" ({refitted:.4f})")


def _bias(sums: Sums | None) -> str:
    return "" if sums is None or sums.bias is None else f"{sums.bias:+.1%}"
