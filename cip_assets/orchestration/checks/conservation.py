"""Nothing is lost on the way from landing to cleaned and quarantine."""

from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict


def _conservation(look: Look) -> Verdict:
    source, found = look.source, look.conserved
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
    source, found = look.source, look.conserved
    return Verdict(
        passed=found.quarantined <= look.rules.quality.max_quarantined_share * found.raw,
        description=f"{source.name}: {found.quarantined} of {found.raw} lines are quarantined",
        metadata={"quarantined": found.quarantined, "landed": found.raw, "by_reason": found.by_reason},
        is_warning=True,
    )


QUARANTINED_SHARE = SourceCheck(
    name="share",
    description=lambda _source, rules: (
        f"At most {rules.quality.max_quarantined_share:.0%} of the landed lines are quarantined "
        "(quality.max_quarantined_share)."
    ),
    evaluate=_quarantined_share,
    reads=lambda source: ("landing/manifest", f"raw/{source.name}", source.cleaned.name),
    of=lambda source: source.quarantine,
)
