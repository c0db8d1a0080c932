"""Why an export cannot be read."""


class UnreadableExport(ValueError):  # noqa: N818 -- a state of the file, named as it is reported
    """An export cannot be read; one line names the file, the member and line if known, the fault and the remedy."""

    def __init__(self, name: str, fault: str, line: int | None = None) -> None:
        where = name if line is None else f"{name}, line {line}"
        super().__init__(" ".join(f"{where}: {fault}".splitlines()))
