"""``python -m cip_assets_tests.simulation [SEEDS]``: how often the four answers are wrong, written to docs/metrics.md."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import scipy

from cip_assets.analytics.insights.answers import answers
from cip_assets.analytics.insights.questions import FALLING, QUESTIONS, RISING
from cip_assets.config.rules import load_rules
from cip_assets_tests.simulation.counts import counts
from cip_assets_tests.simulation.shops import Shop, play, sized, slope, step

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BEGIN, END = "<!-- make simulate writes from here -->", "<!-- to here -->"
SEEDS = 200
SIZES = (300, 1_000, 3_000, 10_000)


@dataclass(frozen=True)
class Cell:
    """A kind of shop, and the true directions of what changes in it."""

    name: str
    shop: Shop
    truth: Mapping[str, str]


UNCHANGED = Shop(engaged=0.0)
STEADY: Sequence[Cell] = (
    *(Cell(f"steady, {size:,} customers", sized(UNCHANGED, size), {}) for size in SIZES),
    Cell("growing threefold", Shop(engaged=0.0, growth=3), {}),
    Cell("shrinking to a third", Shop(engaged=0.0, growth=1 / 3), {}),
    Cell("open for three years before", Shop(engaged=0.0, open_before=36, customers=7_000), {}),
    Cell(
        "open before, and shrinking to a tenth",
        Shop(engaged=0.0, open_before=36, customers=7_000, growth=0.1),
        {},
    ),
    Cell("strong season", Shop(engaged=0.0, season=0.6), {}),
    Cell("strong season, 10,000 customers", Shop(engaged=0.0, season=0.6, customers=10_000), {}),
    Cell("lognormal customers", Shop(engaged=0.0, lognormal=True), {}),
    Cell("start-up, 12 months old", Shop(engaged=0.0, months=12), {}),
)
"""Shops in which nothing changes."""

_FEWER = {"repeat_purchases": FALLING}
_ALL = {"repeat_purchases": FALLING, "returns": RISING, "complaints": RISING}
CHANGING: Sequence[Cell] = (
    *(
        Cell(
            f"established customers buy {1 - factor:.0%} less for 8 months, {size:,} customers",
            Shop(engaged=0.0, customers=size, purchases=step(16, factor), established_only=True),
            _FEWER,
        )
        for factor, size in ((0.3, 300), (0.3, 1_000), (0.3, 5_000), (0.7, 1_000), (0.7, 5_000))
    ),
    *(
        Cell(
            f"purchases fall by 80% over 9 months, returns rise by half, tickets by 60%, {size:,} customers",
            Shop(
                engaged=0.0,
                customers=size,
                purchases=slope(15, 24, 0.2),
                returns=step(15, 1.5),
                tickets=step(18, 1.6),
            ),
            _ALL,
        )
        for size in (1_000, 4_000)
    ),
    Cell("sessions follow purchases and end with them", Shop(), {"engagement": RISING}),
)
"""Shops in which something changes."""


CELLS = (*STEADY, *CHANGING)


def told(cell: Cell, seed: int) -> Mapping[str, str]:
    """The direction of each answer."""
    rules = load_rules()
    table = counts(play(cell.shop, seed), rules.churn.window_days)
    found = answers(table, rules.insights.smallest_change, rules.insights.confidence)
    return {each.question.name: each.answer.direction for each in found}


def false_alarm(cell: Cell, directions: Mapping[str, str]) -> bool:
    """Whether an answer tells a change that is not there, or its opposite."""
    return any(
        direction in (RISING, FALLING) and direction != cell.truth.get(name)
        for name, direction in directions.items()
    )


def row(cell: Cell, found: Sequence[Mapping[str, str]]) -> str:
    """A line of the table: what the shop's answers told, and how often any was wrong."""
    by_question = {each.name: Counter(one[each.name] for one in found) for each in QUESTIONS}
    shown = [
        f"{(by_question[each.name][RISING] + by_question[each.name][FALLING]) / len(found):.1%}"
        + (" *" if each.name in cell.truth else "")
        for each in QUESTIONS
    ]
    wrong = sum(false_alarm(cell, one) for one in found)
    low, high = scipy.stats.binomtest(wrong, len(found)).proportion_ci(method="wilson")
    return f"| {cell.name} | {' | '.join(shown)} | {wrong / len(found):.1%} ({low:.1%} to {high:.1%}) |"


def main(seeds: int) -> None:
    """Simulate every cell and write the page."""
    lines = [
        "| shop | repeat purchases | returns | complaints | engagement | any false alarm |",
        "|---|---|---|---|---|---|",
    ]
    with ProcessPoolExecutor(2) as processes:
        for place, cell in enumerate(CELLS):
            found = list(processes.map(_told, [(place, seed) for seed in range(seeds)], chunksize=5))
            lines.append(row(cell, found))
            sys.stdout.write(f"{lines[-1]}\n")
            sys.stdout.flush()
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    note = f"{seeds} shops of each kind. A star marks what really changes.\n"
    PAGE.write_text("\n".join([f"{head}{BEGIN}", "", note, *lines, "", f"{END}{tail}"]), encoding="utf-8")


def _told(job: tuple[int, int]) -> Mapping[str, str]:
    """In another process, which a trend cannot be sent to: it looks the cell up."""
    place, seed = job
    return told(CELLS[place], seed)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
