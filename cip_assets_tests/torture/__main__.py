"""``python -m cip_assets_tests.torture [TRIES] [SEED]``: kill commands, and write docs/reliability.md.

The engine is the one in CIP_ENGINE.
"""

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from cip_assets_tests.torture.tries import Result, Torture, attempts

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
TRIES = {"sail": 200, "spark": 40}


def main() -> int:
    engine = os.environ.get("CIP_ENGINE") or "sail"
    tries = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES[engine]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    results = []
    with tempfile.TemporaryDirectory() as folder:
        torture = Torture(Path(folder), engine)
        for attempt in islice(attempts(seed), tries):
            result = torture.disturb(attempt)
            results.append(result)
            state = "killed" if result.was_killed else "ended before"
            print(f"{len(results)}: {attempt.command}, {attempt.moment.name}: {state}", flush=True)  # noqa: T201
            for line in result.wrong:
                print(f"    {line}", flush=True)  # noqa: T201
    command = f"CIP_ENGINE={engine} python -m cip_assets_tests.torture {tries} {seed}"
    _write(engine, [f"`{command}`: {_summary(results)}", "", *_table(results)])
    return any(result.wrong for result in results)


def _summary(results: Sequence[Result]) -> str:
    killed = sum(result.was_killed for result in results)
    wrong = sum(bool(result.wrong) for result in results)
    return f"{len(results)} tries, {killed} of them killed (the others ended before their moment); {wrong} broke a promise."


def _table(results: Sequence[Result]) -> list[str]:
    kinds: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        kinds[result.attempt.command, result.attempt.moment.name].append(result)
    lines = ["| command | killed when | tries | killed | promises broken |", "|---|---|---|---|---|"]
    return lines + [
        f"| `{command}` | {moment} | {len(found)} | {sum(r.was_killed for r in found)} | "
        f"{sum(bool(r.wrong) for r in found)} |"
        for (command, moment), found in kinds.items()
    ]


def _write(engine: str, lines: Sequence[str]) -> None:
    """Replace the part of the page that is this engine's."""
    begin, end = f"<!-- make torture writes {engine} from here -->", "<!-- to here -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin, maxsplit=1)
    _, after = rest.split(end, maxsplit=1)
    text = "\n".join(["", "", *lines, "", ""])
    PAGE.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
