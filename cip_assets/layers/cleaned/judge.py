"""From raw lines to cleaned rows and quarantined lines.

Every line is judged by the contract of its cleaned table. A line with a reason is quarantined. If several good lines
have the same id, in whatever months, the line delivered last is cleaned and the others are superseded. Each line has
exactly one of these three outcomes.

A text may contain anything, so it and the values read from it go only through functions that cannot raise an error:
``ON_ANY_TEXT`` names them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import reduce
from typing import Any

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame, Window

from cip_assets.calc.exact import MONEY
from cip_assets.calc.hashing import key_hash
from cip_assets.calc.together import together
from cip_assets.config.rules import Rules, folded
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.text_formats import (
    BLANK,
    BLANKS,
    ISO_DATE,
    ISO_TIME_TO_SECONDS,
    NEGATIVE_NUMBER,
    NO_DATE,
    NO_YEAR,
    NUMBER_TO_MILLS,
    PLAIN_DATE,
    PLAIN_NUMBER,
    PLAIN_TIME,
    SHORT_AMOUNT,
    SHORT_WHOLE_NUMBER,
    WHOLE_NUMBER,
)

REASON_SEPARATOR = "; "
HERE = "_is_here"
"""Whether a line is one of those to judge, and not of another month."""

RAGGED = ("ragged_text", "field_count", "header_field_count")
SEEN = "source_seen"
PROVENANCE = ("source_file", "source_version", "source_line", "delivery_date", SEEN, "month")


ON_ANY_TEXT = {
    "btrim": "blanks at the ends; with a pattern, Java takes minutes if there are many blanks inside the text",
    "nullif, coalesce, isnull, isnotnull, case, in": "missing texts, and choices",
    "rlike, regexp_replace, regexp_extract": "patterns without a repeated group, anchored if possible",
    "lower, length, substring, startswith, concat, concat_ws": "parts of texts and reasons",
    "try_cast": "text to a number, date or time; null if it is none",
    "hash": "finds lines that share an id",
    "cast": "a time to its date",
    "<, <=, >, >=, =, <>": "compare values with bounds, and dates with each other and the ends of the month",
    "last_day": "of the month that the reader assigned to the line, never of a date read from the text",
}
"""Every engine function that is applied to landed text, and what it does there. ``trunc``, ``date_trunc``, ``cast`` of
a text, ``to_date`` and ``add_months`` are not safe: each raises an error, on one engine, for some date or text.
"""


PLAIN: Mapping[T.DataType, tuple[str, Any, Any]] = {
    T.StringType(): ("^[!-~]", None, None),
    T.BooleanType(): ("^(true|false)$", None, None),
    T.IntegerType(): ("^[1-9][0-9]{0,8}$", 1, 999_999_999),
    MONEY: (SHORT_AMOUNT, 0, Decimal("999999999.99")),
    T.DateType(): (f"^{PLAIN_DATE}$", date(1900, 1, 1), date(2099, 12, 31)),
    T.TimestampType(): (f"^{PLAIN_DATE}([T ]{PLAIN_TIME})?$", None, None),
}
"""For each type, what the most ordinary texts look like, and the lowest and the highest value of such a text."""


def judge(
    raw: DataFrame,
    source: SourceTable,
    rules: Rules,
    elsewhere: DataFrame | None = None,
    *,
    only_suspects: bool = False,
) -> DataFrame:
    """Every raw line with its cleaned values, its outcome and its reasons.

    Grain: one row per line. ``outcome`` is cleaned, quarantined or superseded. ``reasons`` lists every problem as
    ``column:problem``. The struct ``text`` has the original text.

    Args:
        raw: the lines to judge.
        source: the table.
        rules: vocabulary and fill values.
        elsewhere: lines of other months that share an id with these (``rivals``). They can supersede these lines,
            but are not judged.
        only_suspects: leave out most of the lines that are cleaned. Every line that is not cleaned is there.

    """
    here = _with_seen(raw, source).withColumn(HERE, F.lit(True))
    if elsewhere is not None:
        here = here.unionByName(_with_seen(elsewhere, source).withColumn(HERE, F.lit(False)))
    hashed, repeated = _by_id(here, source)
    if only_suspects:
        shared = F.broadcast(repeated.withColumn("_is_shared", F.lit(True)))
        suspects = hashed.join(shared, "_hash", "left").where(~_is_plain(source) | F.col("_is_shared"))
        lines = _with_superseded(_with_reasons(suspects, source, rules), source)
    else:
        # Only lines that may share an id need a window, because it sorts whole rows.
        alone = hashed.join(F.broadcast(repeated), "_hash", "left_anti")
        rivals = hashed.join(F.broadcast(repeated), "_hash", "left_semi")
        judged = _with_reasons(alone, source, rules).withColumn("is_superseded", F.lit(False))
        for add in source.over_lines.values():
            judged = add(judged, None)
        lines = judged.unionByName(_with_superseded(_with_reasons(rivals, source, rules), source))
    outcome = F.when(F.col("reasons") != "", F.lit("quarantined")).when(
        F.col("is_superseded"), F.lit("superseded")
    )
    return (
        lines.where(HERE)
        .withColumn("outcome", outcome.otherwise(F.lit("cleaned")))
        .drop("is_superseded", HERE)
    )


def _with_superseded(lines: DataFrame, source: SourceTable) -> DataFrame:
    """The lines, whether another good line with the same id was delivered later, and what all of them decide."""
    is_good = F.col("reasons") == ""
    newest_first = [
        F.col("delivery_date").desc_nulls_last(),
        *([F.col(SEEN).desc_nulls_last()] if source.is_event else []),
        F.col("source_file").desc(),
        F.col("source_line").desc(),
    ]
    # Broken lines do not affect which line is cleaned, so they are in groups of their own.
    group = Window.partitionBy(source.id_column, is_good).orderBy(*newest_first)
    for add in source.over_lines.values():
        # Only lines of the same month, so that a month can be cleaned by itself.
        lines = add(lines, Window.partitionBy(source.id_column, is_good, "month"))
    return lines.withColumn("is_superseded", is_good & (F.row_number().over(group) > 1))


def _with_seen(lines: DataFrame, source: SourceTable) -> DataFrame:
    """The lines without additional columns, whose names may be any, and with ``SEEN``.

    A table of an earlier version lacks that column until its files are read again.
    """
    is_old = source.is_event and SEEN not in lines.columns
    own = lines.select(*(name for name in source.raw.columns if name in lines.columns))
    return own.withColumn(SEEN, F.lit(None).cast("string")) if is_old else own


def _with_reasons(lines: DataFrame, source: SourceTable, rules: Rules) -> DataFrame:
    """The lines with their values in the types of the contract, and the reasons."""
    text = F.struct(*(F.col(name) for name in source.texts)).alias("text")
    typed = _with_values(lines, source, rules, HERE, *RAGGED, text)
    # This shuffle halves the time on both engines, because without it they read every text again for each rule that
    # uses its value.
    typed = together(typed, "month" if source.is_event else source.id_column)
    is_ragged = F.col("ragged_text").isNotNull()
    few = F.col("field_count") < F.col("header_field_count")
    ragged = F.when(few, F.lit("row:too_few_fields")).otherwise(F.lit("row:too_many_fields"))
    found = [F.when(is_ragged, ragged), *(F.when(~is_ragged, reason) for reason in _reasons(source))]
    return typed.withColumn("reasons", F.concat_ws(REASON_SEPARATOR, *found))


def _is_plain(source: SourceTable) -> Column:
    """Whether a line breaks no rule, as far as its texts show without being read: never true if one is broken.

    Most lines are plain, and to see that takes a fraction of the time in which they are judged.
    """
    plain = F.col("ragged_text").isNull()
    for name in source.texts:
        if name in _KEPT_WHEN_UNREADABLE:
            continue
        text, declared = F.col(name), source.cleaned.columns[name]
        looks = _plain_look(declared)
        earlier = _earlier_dates(name, source)
        rules = {rule for rule in source.cleaned.row_rules if rule.startswith(f"{name}:")} - earlier.keys()
        good = text.rlike(looks) if looks and rules <= {f"{name}:missing"} else F.lit(False)
        for other in earlier.values():
            good = good & (text >= F.col(other))  # plain dates are in the order of their texts
        if name == source.event_date:
            good = good & text.startswith(F.substring(F.col("month").cast("string"), 1, 7))
        if (declared.nullable or name in source.defaults) and f"{name}:missing" not in rules:
            if isinstance(declared.dtype.type, T.StringType) and looks:
                continue
            good = good | F.coalesce(text, F.lit("")).isin("")
        plain = plain & F.coalesce(good, F.lit(False))
    return plain


def _earlier_dates(name: str, source: SourceTable) -> Mapping[str, str]:
    """The rules that want a date to be no earlier than another one, each with that one."""
    dates = [each for each in source.texts if isinstance(source.cleaned.columns[each].dtype.type, T.DateType)]
    found = {f"{name} < {other}": other for other in dates if name in dates}
    return {rule: found[broken] for rule, broken in source.cleaned.row_rules.items() if broken in found}


def _plain_look(declared: Any) -> str | None:
    """A pattern of texts that are values of a column and keep its rules; None if none is known."""
    pattern, lowest, highest = PLAIN.get(declared.dtype.type, (None, None, None))
    for check in declared.checks:
        least, most = check.statistics.get("min_value", lowest), check.statistics.get("max_value", highest)
        if check.statistics.keys() - {"min_value", "max_value"} or least > lowest or most < highest:
            return None
    return pattern


def _with_values(lines: DataFrame, source: SourceTable, rules: Rules, *others: Column | str) -> DataFrame:
    """The values of the lines in the types of the contract, and other columns."""
    texts = {name: _present_text(name, source) for name in source.texts}
    values = {name: _typed(texts[name], name, source, rules) for name in source.texts}
    typed = lines.select(
        *(name for name in PROVENANCE if name in source.raw.columns),
        *others,
        *(texts[name].isNotNull().alias(f"has_{name}") for name in source.texts),
        *(value.alias(name) for name, value in values.items()),
    )
    for name, default in source.defaults.items():
        unread = F.col(f"has_{name}")  # what cannot be read stays a problem
        typed = typed.withColumn(name, F.when(unread, F.col(name)).otherwise(default()))
    for name, expression in sorted(source.derived.items()):
        typed = typed.withColumn(name, expression())
    return typed


def _by_id(lines: DataFrame, source: SourceTable) -> tuple[DataFrame, DataFrame]:
    """The lines with the hash of their id, and the hashes that occur on more than one line."""
    hashed = lines.withColumn("_hash", key_hash(text_of(source.id_column)))
    return hashed, hashed.groupBy("_hash").count().where("count > 1").select("_hash")


def rivals(raw: DataFrame, others: DataFrame, source: SourceTable) -> DataFrame | None:
    """The lines of other months that share an id with these lines; None if there are none.

    Args:
        raw: the lines to judge.
        others: the raw lines of all other months. Only their ids are read, except in months that have such a line.
        source: the table.

    """
    ids = raw.select(key_hash(text_of(source.id_column)).alias("_hash")).distinct()
    hashed = others.withColumn("_hash", key_hash(text_of(source.id_column)))
    months = (
        hashed.select("month", "_hash").join(ids, "_hash", "left_semi").select("month").distinct().collect()
    )
    if not months:
        return None
    in_months = hashed.where(F.col("month").isin(*(row["month"] for row in months)))
    return in_months.join(ids, "_hash", "left_semi").drop("_hash")


def cleaned_rows(judged: DataFrame, source: SourceTable) -> DataFrame:
    """The rows of the cleaned table. Grain and key: see its contract."""
    return judged.where("outcome = 'cleaned'").select(*source.cleaned.columns)


def rows_not_kept_out(raw: DataFrame, kept_out: DataFrame, source: SourceTable, rules: Rules) -> DataFrame:
    """The rows of the cleaned table, if it is known which of its lines are quarantined or superseded.

    They are those of ``cleaned_rows``, without judging the lines a second time. The checks of the table show that none
    of them breaks a rule or shares its id. The table must have no columns that superseded lines decide.

    Args:
        raw: the lines to clean.
        kept_out: the rows of quarantine.
        source: the table.
        rules: vocabulary and fill values.

    """
    line = ["source_file", "source_line"]
    good = _with_seen(raw, source).join(F.broadcast(kept_out.select(*line)), line, "left_anti")
    rows = _with_values(good, source, rules).select(*source.cleaned.columns)
    return together(rows, "month") if source.is_event else rows


def good_rows(raw: DataFrame, source: SourceTable, rules: Rules) -> DataFrame:
    """What the cleaned table was after each of several full deliveries. Grain: one row per id and delivery date.

    Args:
        raw: the lines of the deliveries.
        source: a table of full deliveries.
        rules: vocabulary and fill values.

    """
    lines = _with_reasons(raw.withColumn(HERE, F.lit(True)), source, rules).where("reasons = ''")
    last = Window.partitionBy(source.id_column, "delivery_date").orderBy(
        F.col("source_file").desc(), F.col("source_line").desc()
    )
    return lines.withColumn("_place", F.row_number().over(last)).where("_place = 1").drop("_place")


def quarantine_rows(judged: DataFrame, source: SourceTable) -> DataFrame:
    """The lines that are not in cleaned, with their text and every reason. Grain: one row per line."""
    superseded = F.lit(f"{source.id_column}:superseded")
    kept_out = judged.where("outcome <> 'cleaned'").withColumn(
        "reasons", F.when(F.col("outcome") == "superseded", superseded).otherwise(F.col("reasons"))
    )
    texts = {name: F.col("text")[name] for name in source.texts}
    fields = [
        F.when(text.isNotNull(), _csv_field(text)) if name in source.defaults else _csv_field(text)
        for name, text in texts.items()
    ]
    raw_text = F.coalesce(F.col("ragged_text"), F.concat_ws(",", *fields))
    provenance = [name for name in source.quarantine.columns if name in PROVENANCE]
    return kept_out.select(
        *(F.col("text")[name].alias(name) for name in source.texts),
        "outcome",
        "reasons",
        raw_text.alias("raw_text"),
        *provenance,
    ).select(*source.quarantine.columns)


def _reasons(source: SourceTable) -> list[Column]:
    """For each possible problem, its name if the line has it, else null."""
    found = []
    for name, declared in source.cleaned.columns.items():
        if name in source.texts:
            unreadable = F.col(f"has_{name}") & F.col(name).isNull()
            if name not in _KEPT_WHEN_UNREADABLE:
                found.append(F.when(unreadable, F.lit(f"{name}:{_problem_of_type(declared.dtype.type)}")))
    for rule in source.cleaned.rules:
        name = rule.name.split(":")[0]
        if name in {*PROVENANCE, *source.over_lines} or rule.name in {
            f"{default}:missing" for default in source.defaults
        }:
            continue
        broken = F.expr(rule.broken_when)
        if rule.name == f"{name}:missing":
            broken = broken & ~F.col(f"has_{name}")
        found.append(F.when(broken, F.lit(rule.name)))
    if source.event_date:
        # The reader assigns a row to the month of its event date, unless that month is not in the calendar.
        day, month = F.col(source.event_date).cast("date"), F.col("month")
        off = (day < month) | (day > F.last_day(month))
        found.append(F.when(off, F.lit(f"{source.event_date}:outside_calendar")))
    return found


_KEPT_WHEN_UNREADABLE = {"date_of_birth"}
"""Columns whose unreadable values are emptied and flagged, while the row is kept."""


def _problem_of_type(data_type: T.DataType) -> str:
    if isinstance(data_type, T.BooleanType):
        return "not_true_or_false"
    return "not_a_date" if isinstance(data_type, T.DateType | T.TimestampType) else "not_a_number"


def text_of(name: str) -> Column:
    """The text of a column without blanks around it; null if nothing is left."""
    return F.nullif(F.btrim(F.col(name), F.lit(BLANKS)), F.lit(""))


def money_of(text: Column) -> Column:
    """The text as money; null if it is not a plain number."""
    # Nearly all amounts are short ones. Anything else takes three patterns, and three times as long.
    other = _number(text, PLAIN_NUMBER, F.regexp_extract(text, NUMBER_TO_MILLS, 0), MONEY)
    return F.when(text.rlike(SHORT_AMOUNT), text.try_cast(MONEY)).otherwise(other)


def _present_text(name: str, source: SourceTable) -> Column:
    """The text of a column; null also if an optional date has a placeholder such as 9999-12-31."""
    text = text_of(name)
    declared = source.cleaned.columns[name]
    if declared.nullable and isinstance(declared.dtype.type, T.DateType):
        return F.when(~F.substring(text, 1, 10).isin(*NO_DATE), text)
    return text


def _typed(text: Column, name: str, source: SourceTable, rules: Rules) -> Column:
    """The value in the type of the contract; null if the text is not of that type."""
    data_type = source.cleaned.columns[name].dtype.type
    if isinstance(data_type, T.StringType):
        return _word(text, f"{source.name}.{name}", rules)
    if isinstance(data_type, T.IntegerType):
        other = _number(text, WHOLE_NUMBER, F.regexp_replace(text, "[.]0*$", ""), data_type)
        return F.when(text.rlike(SHORT_WHOLE_NUMBER), text.try_cast(data_type)).otherwise(other)
    if data_type == MONEY:
        return money_of(text)
    if isinstance(data_type, T.BooleanType):
        return F.when(F.lower(text).isin("true", "false"), F.lower(text) == "true")
    is_date = text.rlike(ISO_DATE) & ~text.startswith(NO_YEAR)
    if isinstance(data_type, T.DateType):
        return F.when(is_date, F.substring(text, 1, 10).try_cast("date"))
    if isinstance(data_type, T.TimestampType):
        moment = F.regexp_replace(F.regexp_extract(text, ISO_TIME_TO_SECONDS, 0), "T", " ")
        return F.when(is_date, moment.try_cast("timestamp"))
    raise TypeError(
        f"{source.name}.{name}: text cannot be read as {data_type.simpleString()}; add a rule for it"
    )


def _number(text: Column, pattern: str, digits: Column, data_type: T.NumericType) -> Column:
    """The digits of a text as a number; null if the text does not match the pattern.

    A number that is too large for the type becomes the largest value of the type, and a number below zero stays below
    zero. The contracts forbid both, so the reason names the broken bound instead of ``not_a_number``.
    """
    smallest, largest = _EXTENT[data_type]
    number, is_negative = digits.try_cast(data_type), text.rlike(NEGATIVE_NUMBER)
    kept = (
        F.when(number.isNull(), F.when(is_negative, F.lit(f"-{largest}")).otherwise(F.lit(largest)))
        .when(is_negative & (number == 0), F.lit(f"-{smallest}"))
        .cast(data_type)
    )
    return F.when(text.rlike(pattern), F.coalesce(kept, number))


_EXTENT = {T.IntegerType(): ("1", "2147483647"), MONEY: ("0.01", "9999999999999999.99")}
"""The smallest and the largest number above zero of each type that a source column has."""


def _word(text: Column, key: str, rules: Rules) -> Column:
    words = rules.vocabulary.get(key, ())
    if words:
        seen = F.lower(F.regexp_replace(text, f"{BLANK}+", " "))
        spelled = reduce(lambda c, w: c.when(seen == folded(w), F.lit(w)), words, _no_case())
        text = F.when(text.isin(*words), text).otherwise(F.coalesce(spelled, text))
    return F.coalesce(text, F.lit(rules.fill[key])) if key in rules.fill else text


def _no_case() -> Column:
    return F.when(F.lit(False), F.lit(None).cast("string"))


def _csv_field(value: Column) -> Column:
    """A field as RFC 4180 writes it."""
    quoted = F.concat(F.lit('"'), F.regexp_replace(value, '"', '""'), F.lit('"'))
    return F.coalesce(F.when(value.rlike('[",\n\r]'), quoted).otherwise(value), F.lit(""))


def unknown_words(cleaned: DataFrame, source: SourceTable, rules: Rules) -> Sequence[tuple[str, str, int]]:
    """Values that are not in the vocabulary of the rules: column, value and number of rows, most frequent first."""
    vocabulary = {
        key.partition(".")[2]: words
        for key, words in rules.vocabulary.items()
        if key.startswith(f"{source.name}.")
    }
    unknown = cleaned.select(
        *(F.when(~F.col(name).isin(*words), F.col(name)).alias(name) for name, words in vocabulary.items())
    )
    found: Counter[tuple[str, str]] = Counter()
    for row in unknown.where(F.coalesce(*vocabulary).isNotNull()).groupBy(*vocabulary).count().collect():
        found.update({(name, row[name]): row["count"] for name in vocabulary if row[name] is not None})
    rows = ((name, word, count) for (name, word), count in found.items())
    return sorted(rows, key=lambda entry: (-entry[2], entry[0], entry[1]))
