"""Words are those of the business rules."""

from cip_assets.layers.cleaned.judge import unknown_words
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict

SHOWN = 20
"""How many examples the metadata lists."""


def _vocabulary(look: Look) -> Verdict:
    unknown = unknown_words(look.rows(look.source.cleaned), look.source, look.rules)
    listed = {f"{column} = {word}": rows for column, word, rows in unknown[:SHOWN]}
    return Verdict(
        passed=not unknown,
        description=f"{look.source.name}: {len(unknown)} unrecognized values; add them to the vocabulary of the "
        "business rules, or correct them at the source",
        metadata={"unknown_words": len(unknown), "examples": listed},
        is_warning=True,
    )


VOCABULARY = SourceCheck(
    name="vocabulary",
    description=lambda _source, _rules: (
        "Every value is in the vocabulary of the business rules. Unrecognized ones stay as they came."
    ),
    evaluate=_vocabulary,
    reads=lambda _source: (),
    applies=lambda source, rules: any(key.split(".")[0] == source.name for key in rules.vocabulary),
)
