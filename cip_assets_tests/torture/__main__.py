"""``python -m cip_assets_tests.torture [KIND] [NUMBER] [SEED] [TOGETHER]``: try to break the platform.

The results are written into docs/reliability.md.

Without a kind, commands are killed on the engine in CIP_ENGINE. ``fuzz`` reads hostile files, ``stream`` reads topics,
``clusters`` runs everything on clusters of this machine, and ``s3`` uses the bucket in CIP_DATA_DIR.
"""

import json
import os
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from cip_assets.synthetic.broker import Broker
from cip_assets_tests.kafka import FORGETS
from cip_assets_tests.torture import streams
from cip_assets_tests.torture.clusters import differences
from cip_assets_tests.torture.fuzz import FORMS, cases, wrong_with
from cip_assets_tests.torture.s3 import tried
from cip_assets_tests.torture.tries import Torture, attempts

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
KILLS = {"sail": 200, "spark": 40}


RECORD = PAGE.with_suffix(".json")
"""The tries at killing so far, by engine. To begin anew, make it an empty object."""

FILES = 20_000
RECORDS = 100_000


class Recorded(NamedTuple):
    """A try at killing a command."""

    command: str
    moment: str
    was_killed: bool
    is_broken: bool


def main() -> int:
    kinds = {"fuzz": _fuzz, "stream": _stream, "clusters": _clusters, "s3": _s3}
    kind, *numbers = sys.argv[1:] if {*sys.argv[1:2]} & kinds.keys() else ["kill", *sys.argv[1:]]
    return kinds.get(kind, _kill)(*map(int, numbers))


def _stream(records: int = RECORDS, seed: int = 0) -> int:
    with tempfile.TemporaryDirectory() as folder:
        data_dir, broker = Path(folder) / "data", Broker(Path(folder) / "broker", FORGETS)
        broker.start()
        try:
            say = partial(print, flush=True)
            result = streams.torture(broker, data_dir, records, streams.FULL, seed, say)
        finally:
            broker.kill()
        wrong = [*result.wrong, *streams.wrong_in_the_lake(data_dir, result.sent)]
    happened = ", ".join(f"{count} {streams.WORDS[what]}" for what, count in result.happened.items())
    command = f"python -m cip_assets_tests.torture stream {records} {seed}"
    summary = f"`{command}`: {len(result.sent):,} records, {happened}. They landed in {result.files:,} files."
    _write("stream", [f"{summary} {len(wrong)} promises were broken.", *wrong])
    return bool(wrong)


def _clusters() -> int:
    lines = ["| cluster | tables and files | that differ |", "|---|---|---|"]
    broken = []
    for name, count, different in differences():
        lines.append(f"| {name} | {count} | {', '.join(different) or 'none'} |")
        broken += different
        print(lines[-1], flush=True)  # noqa: T201
    _write("clusters", ["`python -m cip_assets_tests.torture clusters`:", "", *lines])
    return bool(broken)


def _fuzz(tries: int = FILES, seed: int = 0) -> int:
    wrong: dict[str, list[str]] = {form: [] for form in FORMS}
    whole, damaged = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(islice(cases(seed), tries)):
            (damaged if case.rows is None else whole)[case.form] += 1
            if found := wrong_with(case, Path(folder)):
                wrong[case.form].append(found)
                print(f"{number}, {case.form}: {found}", flush=True)  # noqa: T201
    lines = ["| format | whole files | damaged files | wrong |", "|---|---|---|---|"]
    lines += [f"| {form} | {whole[form]} | {damaged[form]} | {len(wrong[form])} |" for form in FORMS]
    _write("fuzz", [f"`python -m cip_assets_tests.torture fuzz {tries} {seed}`:", "", *lines])
    return any(wrong.values())


def _s3(commits: int = 50, seed: int = 0) -> int:
    """Try the bucket in CIP_DATA_DIR, which ends with a new prefix."""
    results = []
    for result in tried(commits, seed):
        results.append(result)
        print(f"{result.promise}: {result.wrong or 'kept'}", flush=True)  # noqa: T201
    lines = ["| promise | tries | broken |", "|---|---|---|"]
    lines += [f"| {result.promise} | {result.tries} | {len(result.wrong)} |" for result in results]
    _write("s3", [f"`python -m cip_assets_tests.torture s3 {commits} {seed}`:", "", *lines])
    return any(result.wrong for result in results)


def _kill(kills: int | None = None, seed: int = 0, together: int = 1) -> int:
    """Go on after the tries that are on record, until so many commands were killed.

    Args:
        kills: how many there are to be.
        seed: of the random moments.
        together: how many commands are disturbed in one folder before the run that mends it.

    """
    engine = os.environ.get("CIP_ENGINE") or "sail"
    kills = kills or KILLS[engine]
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    recorded = [Recorded(*entry) for entry in kept.get(engine, [])]
    with tempfile.TemporaryDirectory() as folder:
        torture = Torture(Path(folder), engine)
        left = islice(attempts(seed), len(recorded), None)
        while sum(entry.was_killed for entry in recorded) < kills:
            disturbed = [*islice(left, together)]
            result = torture.disturb(*disturbed)
            for attempt, was_killed in zip(disturbed, result.was_killed, strict=True):
                is_last = attempt is disturbed[-1]
                is_broken = is_last and bool(result.wrong)
                recorded.append(Recorded(attempt.command, attempt.moment.name, was_killed, is_broken))
                state = "killed" if was_killed else "ended before"
                print(f"{len(recorded)}: {attempt.command}, {attempt.moment.name}: {state}", flush=True)  # noqa: T201
            for line in result.wrong:
                print(f"    {line}", flush=True)  # noqa: T201
            # It takes hours, so what is known so far must not depend on the end.
            RECORD.write_text(json.dumps({**kept, engine: recorded}, indent=0) + "\n", encoding="utf-8")
            command = f"CIP_ENGINE={engine} python -m cip_assets_tests.torture {kills} {seed} {together}"
            _write(engine, [f"`{command}`: {_summary(recorded)}", "", *_table(recorded)])
    return any(entry.is_broken for entry in recorded)


def _summary(recorded: Sequence[Recorded]) -> str:
    killed = sum(entry.was_killed for entry in recorded)
    broken = sum(entry.is_broken for entry in recorded)
    return f"{len(recorded)} tries, {killed} of them killed (the others ended before their moment); {broken} broke a promise."


def _table(recorded: Sequence[Recorded]) -> list[str]:
    kinds: dict[tuple[str, str], list[Recorded]] = defaultdict(list)
    for entry in recorded:
        kinds[entry.command, entry.moment].append(entry)
    lines = ["| command | killed when | tries | killed | promises broken |", "|---|---|---|---|---|"]
    return lines + [
        f"| {command} | {moment} | {len(found)} | {sum(e.was_killed for e in found)} | "
        f"{sum(e.is_broken for e in found)} |"
        for (command, moment), found in kinds.items()
    ]


def _write(part: str, lines: Sequence[str]) -> None:
    """Replace a part of the page."""
    begin, end = f"<!-- make torture writes {part} from here -->", "<!-- to here -->"
    before, rest = PAGE.read_text(encoding="utf-8").split(begin, maxsplit=1)
    _, after = rest.split(end, maxsplit=1)
    text = "\n".join(["", "", *lines, "", ""])
    PAGE.write_text(f"{before}{begin}{text}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
