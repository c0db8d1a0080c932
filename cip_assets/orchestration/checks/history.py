"""The history of a table of full deliveries has one state for each day, and the current one is the table.

Nothing is computed from a history, so its checks block nothing.
"""

from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.source import SourceTable
from cip_assets.orchestration.checks.contract import promise, verdict_of
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict
from cip_assets.storage import delta, questions


def _of(source: SourceTable) -> TableContract:
    if source.history is None:
        raise TypeError(f"{source.name} has no history")
    return source.history


def _unbroken(look: Look) -> Verdict:
    source, contract = look.source, _of(look.source)
    columns = ", ".join(source.columns)
    with questions.connection() as connection:
        for name, table in (("history", contract), ("cleaned", source.cleaned)):
            uri = look.settings.table_uri(table.layer, table.table)
            connection.register(name, delta.dataset(uri))
        (overlapping,) = connection.execute(
            f"""
            SELECT count(*) FROM (
              SELECT valid_to, lead(valid_from) OVER (PARTITION BY {source.id_column} ORDER BY valid_from) AS following
              FROM history)
            WHERE following IS NOT NULL AND (valid_to IS NULL OR valid_to > following)
            """
        ).fetchone() or (0,)
        (differing,) = connection.execute(
            f"""
            WITH every AS (
              SELECT hash({columns}) AS row, 1 AS times FROM history WHERE is_current
              UNION ALL SELECT hash({columns}), -1 FROM cleaned),
            by_row AS (SELECT sum(times) AS times FROM every GROUP BY row)
            SELECT coalesce(sum(abs(times)), 0)::BIGINT FROM by_row
            """
        ).fetchone() or (0,)
    wrong = [
        *([f"{overlapping} periods overlap the next one of their id"] if overlapping else []),
        *([f"{differing} current rows differ from {source.cleaned.name}"] if differing else []),
    ]
    return Verdict(
        passed=not wrong,
        description=f"{contract.name}: {'; '.join(wrong)}"
        if wrong
        else f"{contract.name}: one state for each day, and the current one is {source.cleaned.name}",
        metadata={"overlapping": overlapping, "current_rows_that_differ": differing},
    )


HISTORY_CONTRACT = SourceCheck(
    name="contract",
    description=lambda source, _rules: promise(_of(source)),
    evaluate=lambda look: verdict_of(look.rows(_of(look.source)), _of(look.source)),
    reads=lambda _source: (),
    of=_of,
)

HISTORY_UNBROKEN = SourceCheck(
    name="unbroken",
    description=lambda source, _rules: (
        f"No two periods of an id overlap, and the current rows are those of cleaned/{source.name}."
    ),
    evaluate=_unbroken,
    reads=lambda source: (source.cleaned.name,),
    of=_of,
)
