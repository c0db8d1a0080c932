"""`cip scorecard`."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape

from cip_assets.cli.console import out, to_the_second
from cip_assets.config.errors import PlatformError
from cip_assets.definitions import open_platform
from cip_assets.reporting.scorecard import Card
from cip_assets.reporting.scorecard import scorecard as judged
from cip_assets.storage import place


def scorecard() -> None:
    settings = place.here()
    cards = judged(settings, open_platform(settings).default_day())
    if not cards:
        raise PlatformError("no forecasts have been issued: 'cip run' issues those of its snapshot day")
    for card in cards:
        out.print(
            f"[bold]{card.as_of}[/]: forecasts of {card.customers:,} customers by {escape(card.forecast_model)}, "
            f"issued {to_the_second(card.issued_at)} UTC",
            highlight=False,
            soft_wrap=True,
        )
        for line in _lines(card):
            out.print(f"  {line}", highlight=False, soft_wrap=True)
    out.print(
        "In brackets: the backtest of the same window, by models that were fitted again (marts/model_windows).",
        soft_wrap=True,
    )


def _lines(card: Card) -> Iterator[str]:
    if card.is_late:
        yield "not judged, because they were issued after the end of the churn window"
        return
    if not card.figures:
        yield f"open until {card.closes}, the end of the churn window"
        return
    found, again = card.figures, card.refitted
    yield (
        f"churn: Brier score {_figure(found, 'brier')}{_beside(again, 'brier')}, "
        f"calibration error {_figure(found, 'calibration_error')}{_beside(again, 'calibration_error')}"
    )
    yield _bias("orders", found, again)
    yield _bias("spend", found, again)
    if card.value_bias is None:
        yield "12-month value: open, or an amount is unknown"
    else:
        yield f"12-month value: {card.value_bias:+.1%} more expected than came"


def _bias(name: str, found: Mapping[str, Any], again: Mapping[str, Any]) -> str:
    key = f"{name}_bias"
    if found[key] is None:
        return f"{name}: an amount is unknown, or nothing came"
    beside = "" if again.get(key) is None else f" ({again[key]:+.1%})"
    return f"{name}: {found[key]:+.1%} more expected than came{beside}"


def _figure(of: Mapping[str, Any], name: str) -> str:
    return f"{of[name]:.4f}"


def _beside(of: Mapping[str, Any], name: str) -> str:
    return f" ({of[name]:.4f})" if of.get(name) is not None else ""
