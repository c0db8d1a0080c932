"""`cip scorecard`."""

from rich.table import Table

from cip_assets.cli.console import out, to_the_second
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.definitions import open_platform
from cip_assets.reporting.scorecard import Card
from cip_assets.reporting.scorecard import scorecard as judged

HEADINGS = (
    "Snapshot day",
    "Issued (UTC)",
    "Model",
    "Customers",
    "Brier",
    "Refitted",
    "Calibration",
    "Refitted",
    "Orders",
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
            card.forecast_model,
            f"{card.customers:,}",
            *_churn(card),
            _bias(card.figures.get("orders_bias")),
            _bias(card.figures.get("spend_bias")),
            _bias(card.value_bias),
        )
    out.print(shown)
    out.print(
        "Orders, Spend, CLV: how much more was expected than came, within the churn window and 12 months. "
        "Refitted: the backtest of the same window (marts/model_windows).",
        soft_wrap=True,
    )


def _churn(card: Card) -> list[str]:
    if card.is_late:
        return ["issued too late", "", "", ""]
    if not card.figures:
        return [f"open until {card.closes}", "", "", ""]
    return [
        _figure(of.get(name))
        for name in ("brier", "calibration_error")
        for of in (card.figures, card.refitted)
    ]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _bias(value: float | None) -> str:
    return "" if value is None else f"{value:+.1%}"
