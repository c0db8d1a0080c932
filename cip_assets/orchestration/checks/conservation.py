"""Nothing is lost on the way from landing to cleaned and quarantine."""

from cip_assets.ingest import in_step
from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.checks import counts
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict


def _conservation(look: Look) -> Verdict:
    source = look.source
    manifest = read_manifest(look.settings.table_uri("landing", "manifest"))
    raw, cleaned, quarantine = map(look.rows, (source.raw, source.cleaned, source.quarantine))
    landed = in_step.landed_rows(source, manifest.get(source.name, []), look.covered)
    found = counts.conservation(landed, raw, cleaned, quarantine, source)
    return Verdict(
        passed=found.holds,
        description=(
            f"{source.name}: {found.landed} landed, {found.raw} raw = {found.cleaned} cleaned + "
            f"{found.quarantined} quarantined + {found.superseded} superseded"
        ),
        metadata={
            "landed": found.landed,
            "cleaned": found.cleaned,
            "quarantined": found.quarantined,
            "superseded": found.superseded,
            "landed_amount": str(found.landed_amount),
            "cleaned_amount": str(found.cleaned_amount),
            "kept_out_amount": str(found.kept_out_amount),
        },
    )


CONSERVATION = SourceCheck(
    name="conservation",
    description=lambda _source, _rules: (
        "Landed = cleaned + quarantined + superseded, and the amounts agree to the cent."
    ),
    evaluate=_conservation,
    reads=lambda source: ("landing/manifest", f"raw/{source.name}", f"quarantine/{source.name}"),
    blocking=True,
)


def _quarantined_share(look: Look) -> Verdict:
    source = look.source
    quarantined = look.rows(source.quarantine).where("outcome = 'quarantined'")
    by_reason = {row["reasons"]: row["count"] for row in quarantined.groupBy("reasons").count().collect()}
    lines, kept_out = look.rows(source.raw).count(), sum(by_reason.values())
    return Verdict(
        passed=kept_out <= look.rules.quality.max_quarantined_share * lines,
        description=f"{source.name}: {kept_out} of {lines} lines are quarantined",
        metadata={"quarantined": kept_out, "landed": lines, "by_reason": by_reason},
        is_warning=True,
    )


QUARANTINED_SHARE = SourceCheck(
    name="share",
    description=lambda _source, rules: (
        f"At most {rules.quality.max_quarantined_share:.0%} of the landed lines are quarantined "
        "(quality.max_quarantined_share)."
    ),
    evaluate=_quarantined_share,
    reads=lambda source: (f"raw/{source.name}",),
    of=lambda source: source.quarantine,
)
