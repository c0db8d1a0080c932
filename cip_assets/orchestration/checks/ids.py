"""An id is in one month, and on one line of a delivery."""

from cip_assets.ingest import in_step
from cip_assets.ingest.conflicts import conflicting_ids
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict

REMEDY = (
    "each line needs an id of its own, such as order id and line number; or deliver corrections in a later dt= "
    "folder; or raise quality.max_conflicting_ids_share, if the last line of each id is right"
)


def _one_month(look: Look) -> Verdict:
    name, months = look.source.name, sorted(in_step.moved(look.settings, look.source))
    listed = ", ".join(month[:7] for month in months)
    return Verdict(
        passed=not months,
        description=f"{name}: lines moved between months; run the job ingest again for {listed}"
        if months
        else f"{name}: every id is in one month",
        metadata={"run_again": months},
        # `cip run` and the sensor clean these months next, so this is not an alert.
        is_warning=True,
    )


ONE_MONTH_PER_ID = SourceCheck(
    name="one_month_per_id",
    description=lambda _source, _rules: (
        "Every id is in one month only, that of its newest line. Until it is, no snapshot is computed."
    ),
    evaluate=_one_month,
    reads=lambda source: (f"quarantine/{source.name}",),
    applies=lambda source, _rules: source.is_event,
)


def _one_line(look: Look) -> Verdict:
    name, found = look.source.name, conflicting_ids(look.settings, look.source, look.covered)
    several = found.in_one_file + found.across_files
    return Verdict(
        passed=not several,
        description=(
            f"{name}: {several} ids are on several different lines of one delivery, and only the last line of each "
            f"counts ({'; '.join(found.places)}): {REMEDY}"
            if several
            else f"{name}: no id is on different lines of one delivery"
        ),
        metadata={
            "in_one_file": found.in_one_file,
            "across_files": found.across_files,
            "examples": list(found.places),
        },
        is_warning=not found.exceeds(look.rules.quality.max_conflicting_ids_share),
    )


ONE_LINE_PER_ID = SourceCheck(
    name="one_line_per_id",
    description=lambda _source, rules: (
        "No id is on different lines of one file: only the last of them would count. Blocks above "
        f"{rules.quality.max_conflicting_ids_share:.1%} of a month's ids (quality.max_conflicting_ids_share); a single "
        "one only warns."
    ),
    evaluate=_one_line,
    reads=lambda source: (f"raw/{source.name}", f"quarantine/{source.name}"),
    blocking=True,
)
