"""Events belong to known customers."""

from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.checks import counts
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict
from cip_assets.storage import delta


def _orphans(look: Look) -> Verdict:
    name, customers = look.source.name, SOURCE_TABLES["customers"].cleaned
    if not delta.exists(look.settings.table_uri("cleaned", "customers")):
        # What kept it from being written is an error of its own.
        return Verdict(passed=True, description=f"{name}: no customers were ingested", is_warning=True)
    known = look.rows(customers)
    if known.isEmpty():
        return Verdict(passed=True, description=f"{name}: no customers were delivered", is_warning=True)
    orphans, rows = counts.orphans(look.rows(look.source.cleaned), known)
    return Verdict(
        passed=orphans <= look.rules.quality.max_orphan_share * rows,
        description=f"{name}: {orphans} of {rows} rows refer to a customer that is not in the customers table",
        metadata={"orphans": orphans, "rows": rows},
        is_warning=True,
    )


ORPHANS = SourceCheck(
    name="orphans",
    description=lambda _source, rules: (
        f"At most {rules.quality.max_orphan_share:.0%} of the rows refer to a customer that is not in the customers "
        "table (quality.max_orphan_share)."
    ),
    evaluate=_orphans,
    reads=lambda _source: ("cleaned/customers",),
    applies=lambda source, _rules: source.is_event,
)
