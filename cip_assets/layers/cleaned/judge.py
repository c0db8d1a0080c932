"""From raw lines to cleaned rows and quarantined lines.

Every line is judged by the contract of its cleaned table: a line with a reason is quarantined; of the good
lines with the same id, in whatever month, the one delivered last wins and the others are superseded. The three
outcomes together are every line, once.

A text may hold anything, so only functions that cannot raise see it, or a value that was read from it:
``ON_ANY_TEXT`` names them.
"""

from collections.abc import Sequence
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame, Window

from cip_assets.calc.exact import MONEY
from cip_assets.calc.hashing import key_hash
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
    PLAIN_NUMBER,
    WHOLE_NUMBER,
)

REASON_SEPARATOR = "; "
HERE = "_is_here"
"""Tells the lines that are judged from those of other months."""

PROVENANCE = ("source_file", "source_version", "source_line", "delivery_date", "month")


ON_ANY_TEXT = {
    "btrim": "blanks at the ends; a pattern for them takes Java minutes where many stand inside",
    "nullif, coalesce, isnull, isnotnull, case, in": "no text, and choices",
    "rlike, regexp_replace, regexp_extract": "patterns without a repeated group, anchored where they can be",
    "lower, length, substring, startswith, concat, concat_ws": "parts of texts and reasons",
    "try_cast": "text to a number, a date or a time; null where it is none",
    "hash": "which lines share an id",
    "cast": "a time as its date",
    "<, <=, >, >=, =, <>": "values against bounds, and dates against each other and their month's ends",
    "last_day": "of the month that the reader gave the line, never of a date that was read",
}
"""Every engine function that sees what landed, and why it is safe. ``trunc``, ``date_trunc``, ``cast`` of a text,
``to_date`` and ``add_months`` are not: each raises, on one engine, on a date or a text that may stand in a file.
"""


def judge(raw: DataFrame, source: SourceTable, rules: Rules, elsewhere: DataFrame | None = None) -> DataFrame:
    """Every raw line with its cleaned values, its outcome and its reasons.

    Grain: one row per line. ``outcome`` is cleaned, quarantined or superseded; ``reasons`` names each
    thing wrong as ``column:problem``; the text is in a struct ``text``.

    Args:
        raw: the lines to judge.
        source: the table.
        rules: vocabulary and fill values.
        elsewhere: lines of other months with an id of these (``rivals``). They can supersede, and are not judged.

    """
    here = raw.withColumn(HERE, F.lit(True))
    if elsewhere is not None:
        here = here.unionByName(elsewhere.withColumn(HERE, F.lit(False)))
    hashed, repeated = _by_id(here, source)
    # Only lines whose id may stand on another line need a window, which sorts whole rows.
    alone = _with_reasons(hashed.join(F.broadcast(repeated), "_hash", "left_anti"), source, rules)
    rivals = _with_reasons(hashed.join(F.broadcast(repeated), "_hash", "left_semi"), source, rules)
    is_good = F.col("reasons") == ""
    newest_first = [
        F.col("delivery_date").desc_nulls_last(),
        F.col("source_file").desc(),
        F.col("source_line").desc(),
    ]
    # Broken lines have no say in which line wins, so they stand in groups of their own.
    group = Window.partitionBy(source.id_column, is_good).orderBy(*newest_first)
    is_beaten = is_good & (F.row_number().over(group) > 1)
    judged = rivals.withColumn("is_beaten", is_beaten).where(HERE)
    lines = alone.withColumn("is_beaten", F.lit(False)).unionByName(judged).drop(HERE)
    outcome = F.when(~is_good, F.lit("quarantined")).when(F.col("is_beaten"), F.lit("superseded"))
    return lines.withColumn("outcome", outcome.otherwise(F.lit("cleaned"))).drop("is_beaten")


def _with_reasons(lines: DataFrame, source: SourceTable, rules: Rules) -> DataFrame:
    """The lines with their values in the contract's types, and everything that is wrong with them."""
    texts = {name: _said(name, source) for name in source.columns}
    values = {name: _typed(texts[name], name, source, rules) for name in source.columns}
    typed = lines.select(
        *(name for name in PROVENANCE if name in lines.columns),
        "ragged_text",
        "field_count",
        "header_field_count",
        HERE,
        F.struct(*(F.col(name) for name in source.columns)).alias("text"),
        *(texts[name].isNotNull().alias(f"has_{name}") for name in source.columns),
        *(value.alias(name) for name, value in values.items()),
    )
    for name, expression in sorted(source.derived.items()):
        typed = typed.withColumn(name, expression())
    # A shuffle here keeps the engines from reading every text again for each rule that looks at its value:
    # it halves the time of both. By month, so that a month is one file.
    typed = typed.repartition("month" if source.is_event else source.id_column)
    is_ragged = F.col("ragged_text").isNotNull()
    few = F.col("field_count") < F.col("header_field_count")
    ragged = F.when(few, F.lit("row:too_few_fields")).otherwise(F.lit("row:too_many_fields"))
    found = [F.when(is_ragged, ragged), *(F.when(~is_ragged, reason) for reason in _reasons(source))]
    return typed.withColumn("reasons", F.concat_ws(REASON_SEPARATOR, *found))


def _by_id(lines: DataFrame, source: SourceTable) -> tuple[DataFrame, DataFrame]:
    """The lines with the hash of their id, and the hashes that stand on more than one line."""
    hashed = lines.withColumn("_hash", key_hash(text_of(source.id_column)))
    return hashed, hashed.groupBy("_hash").count().where("count > 1").select("_hash")


def rivals(raw: DataFrame, others: DataFrame, source: SourceTable) -> DataFrame | None:
    """The lines of other months that have an id of these lines; None where there are none.

    Args:
        raw: the lines to judge.
        others: the raw lines of all other months. Just their ids are read, and whole lines of months with a rival.
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


def quarantine_rows(judged: DataFrame, source: SourceTable) -> DataFrame:
    """The lines that did not get in, with their text and every reason. Grain: one row per line."""
    superseded = F.lit(f"{source.id_column}:superseded")
    kept_out = judged.where("outcome <> 'cleaned'").withColumn(
        "reasons", F.when(F.col("outcome") == "superseded", superseded).otherwise(F.col("reasons"))
    )
    fields = [_csv_field(F.col("text")[name]) for name in source.columns]
    raw_text = F.coalesce(F.col("ragged_text"), F.concat_ws(",", *fields))
    provenance = [name for name in source.quarantine.columns if name in PROVENANCE]
    return kept_out.select(
        *(F.col("text")[name].alias(name) for name in source.columns),
        "outcome",
        "reasons",
        raw_text.alias("raw_text"),
        *provenance,
    ).select(*source.quarantine.columns)


def _reasons(source: SourceTable) -> list[Column]:
    """For each thing that can be wrong, its name where it is, else null."""
    found = []
    for name, declared in source.cleaned.columns.items():
        if name in source.columns:
            unreadable = F.col(f"has_{name}") & F.col(name).isNull()
            if name not in _KEPT_WHEN_UNREADABLE:
                found.append(F.when(unreadable, F.lit(f"{name}:{_problem_of_type(declared.dtype.type)}")))
    for rule in source.cleaned.rules:
        name = rule.name.split(":")[0]
        if name in PROVENANCE:
            continue
        broken = F.expr(rule.broken_when)
        if rule.name == f"{name}:missing":
            broken = broken & ~F.col(f"has_{name}")
        found.append(F.when(broken, F.lit(rule.name)))
    if source.event_date:
        # The reader puts a row into the month of its event date, unless that is no month of the calendar.
        day, month = F.col(source.event_date).cast("date"), F.col("month")
        off = (day < month) | (day > F.last_day(month))
        found.append(F.when(off, F.lit(f"{source.event_date}:outside_calendar")))
    return found


_KEPT_WHEN_UNREADABLE = {"date_of_birth"}
"""Columns whose unreadable value is emptied and flagged; the row is kept."""


def _problem_of_type(data_type: T.DataType) -> str:
    return "not_a_date" if isinstance(data_type, T.DateType | T.TimestampType) else "not_a_number"


def text_of(name: str) -> Column:
    """The text of a column without blanks around it; null where nothing is left."""
    return F.nullif(F.btrim(F.col(name), F.lit(BLANKS)), F.lit(""))


def money_of(text: Column) -> Column:
    """What a text says as money; null where it is no plain number."""
    return _number(text, PLAIN_NUMBER, F.regexp_extract(text, NUMBER_TO_MILLS, 0), MONEY)


def _said(name: str, source: SourceTable) -> Column:
    """The text of a column; null also where it stands for no date, in a column that may be without one."""
    text = text_of(name)
    declared = source.cleaned.columns[name]
    if declared.nullable and isinstance(declared.dtype.type, T.DateType):
        return F.when(~F.substring(text, 1, 10).isin(*NO_DATE), text)
    return text


def _typed(text: Column, name: str, source: SourceTable, rules: Rules) -> Column:
    """The value in its contract's type; null where the text is no such value."""
    data_type = source.cleaned.columns[name].dtype.type
    if isinstance(data_type, T.StringType):
        return _word(text, f"{source.name}.{name}", rules)
    if isinstance(data_type, T.IntegerType):
        return _number(text, WHOLE_NUMBER, F.regexp_replace(text, "[.]0*$", ""), data_type)
    if data_type == MONEY:
        return money_of(text)
    is_date = text.rlike(ISO_DATE) & ~text.startswith(NO_YEAR)
    if isinstance(data_type, T.DateType):
        return F.when(is_date, F.substring(text, 1, 10).try_cast("date"))
    if isinstance(data_type, T.TimestampType):
        moment = F.regexp_replace(F.regexp_extract(text, ISO_TIME_TO_SECONDS, 0), "T", " ")
        return F.when(is_date, moment.try_cast("timestamp"))
    raise TypeError(f"{source.name}.{name}: no rule to read {data_type.simpleString()} from text")


def _number(text: Column, pattern: str, digits: Column, data_type: T.NumericType) -> Column:
    """The digits of a text as a number; null where the text does not match the pattern.

    One that is too large for the type is the type's outermost value, and one below zero stays below it: the
    contracts forbid both, so the reason says which bound is broken, and not that it were no number.
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
    """Values that the vocabulary of the rules does not know: column, value and rows, most frequent first."""
    found: list[tuple[str, str, int]] = []
    for key, words in rules.vocabulary.items():
        table, name = key.split(".")
        if table == source.name:
            strange = cleaned.where(F.col(name).isNotNull() & ~F.col(name).isin(*words))
            found += [(name, row[name], row["count"]) for row in strange.groupBy(name).count().collect()]
    return sorted(found, key=lambda entry: (-entry[2], entry[0], entry[1]))
