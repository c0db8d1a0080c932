"""The brief: one page for the week that ends with a snapshot day, as HTML that can be mailed and as Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from cip_assets.analytics.insights.questions import QUESTIONS
from cip_assets.config.settings import Settings
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.labels import WITHHELD
from cip_assets.reporting.brief.behind import WEEK, Part, parts, strongest
from cip_assets.reporting.brief.done import Done, done
from cip_assets.reporting.dashboard.figures import quality_of
from cip_assets.storage import delta, place, questions
from cip_assets.storage.files import replace_text
from cip_assets.storage.views import view
from cip_assets.storage.written import require_written

MARTS = ("insights", "lists", "kpi_totals")
TEMPLATES = Path(__file__).parent

Row = Mapping[str, Any]

UNSURE = {"cannot tell yet", "no data"}
"""The directions of an answer that is not known."""


@dataclass(frozen=True)
class Brief:
    """What the page says.

    Attributes:
        day: the snapshot day, the last one of the week.
        totals: the row of kpi_totals.
        week: each figure of the week with that of the week before.
        answers: the four answers, in the order of the questions.
        behind: of each figure that changed, the groups that did most for it, by figure.
        done: what was done to the lake, and by whom.
        lists: the rows of marts/lists.
        quality: the lines of each source table.
        unknown: what nobody can tell, a sentence each.

    """

    day: date
    totals: Row
    week: Sequence[tuple[str, Any, Any]]
    answers: Sequence[Row]
    behind: Mapping[str, Sequence[Part]]
    done: Sequence[Done]
    lists: Sequence[Row]
    quality: Sequence[Row]
    unknown: Sequence[str]

    @property
    def first_day(self) -> date:
        return self.day - WEEK + timedelta(days=1)


def brief(settings: Settings, day: date) -> Brief:
    """Read the brief of a day.

    Raises:
        PlatformError: a table has no snapshot of the day.

    """
    with questions.connection() as connection:
        for name in ("features/forecast_model", *(f"marts/{mart}" for mart in MARTS)):
            layer, table = name.split("/")
            uri = settings.table_uri(layer, table)
            require_written(uri, delta.Slice.of_day(day))
            view(connection, table, delta.dataset(uri, day=day.isoformat()))
        order = {question.name: place for place, question in enumerate(QUESTIONS)}
        answers = sorted(_rows(connection, "FROM insights"), key=lambda row: order[row["question"]])
        lists = _rows(connection, "FROM lists ORDER BY place")
        (totals,) = _rows(connection, "FROM kpi_totals")
        (model,) = _rows(connection, "SELECT forecast_model FROM forecast_model")
        week = list(_week(settings, connection, day))
        behind = strongest([*parts(settings, connection, day)])
    quality = [quality_of(settings, table) for table in SOURCE_TABLES]
    unknown = list(_unknown(answers, lists, quality, model["forecast_model"], day))
    return Brief(day, totals, week, answers, behind, done(settings, day, WEEK), lists, quality, unknown)


def write(settings: Settings, found: Brief) -> Sequence[Path]:
    """Write ``final/brief.html`` and ``final/brief.md``."""
    written = []
    for name in ("brief.html", "brief.md"):
        path = settings.final / name
        replace_text(path, text_of(found, name))
        place.publish(settings, path)
        written.append(path)
    return written


def text_of(found: Brief, name: str) -> str:
    """The text of one of the two files."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["figure"] = _figure
    environment.filters["part"] = lambda part: f"{part.group} ({part.by}) {part.change:+,}"
    environment.filters["cell"] = lambda text: " ".join(str(text).split()).replace("|", "\\|")
    return environment.get_template(f"{name}.jinja").render(brief=found)


def _question(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _figure(value: Any) -> str:
    """A number as people write it; what is not known is said."""
    if value is None:
        return "unknown"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def _week(
    settings: Settings, connection: duckdb.DuckDBPyConnection, day: date
) -> Iterator[tuple[str, Any, Any]]:
    """The figures of the week and of the week before; those of a table without rows are left out."""
    for what, name, event_date, sql in (
        ("orders", "facts/order_days", "transaction_date", "count(DISTINCT order_id)"),
        ("revenue", "facts/order_days", "transaction_date", _money("amount")),
        ("returns", "cleaned/returns", "return_date", "count(*)"),
        ("refunds", "cleaned/returns", "return_date", _money("amount")),
        ("tickets", "cleaned/support_tickets", "opened_date", "count(*)"),
    ):
        layer, table = name.split("/")
        rows = delta.dataset(settings.table_uri(layer, table))
        if not rows.files:
            continue
        view(connection, f"all_{what}", rows)
        this, before = (
            connection.execute(
                f"SELECT {sql} FROM all_{what} WHERE {event_date} > ? AND {event_date} <= ?",
                [end - WEEK, end],
            ).fetchall()[0][0]
            for end in (day, day - WEEK)
        )
        yield what, this, before


def _money(column: str) -> str:
    return f"CASE WHEN count({column}) = count(*) THEN coalesce(sum({column}), 0) END"


def _unknown(
    answers: Sequence[Row], lists: Sequence[Row], quality: Sequence[Row], model: str, day: date
) -> Iterator[str]:
    for row in answers:
        if row["direction"] in UNSURE:
            months = row["months_needed"]
            yield f"{_question(row['question'])}: {row['direction']}" + (
                f"; about {months} more months would tell" if months else ""
            )
    if model == WITHHELD:
        yield "Who will buy and who will leave: no forecast was better than the base rate, so all are withheld"
    for row in lists:
        if row["row_count"] is None:
            yield f"{row['title']}: what the list needs is missing"
        elif row["money"] is None and row["money_is"]:
            yield f"{row['title']}: an amount is unknown, so the money is"
    for row in quality:
        if not row["cleaned"]:
            yield f"{row['table']}: there are no rows"
        elif row["newest"] and date.fromisoformat(row["newest"]) <= day - WEEK:
            yield f"{row['table']}: nothing of the week; the newest row is of {row['newest']}"


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    found = connection.execute(sql)
    columns = [name for name, *_ in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
