"""The version of an asset's code: it changes with the code that decides its content, and with nothing else.

What decides a table's content is the module that it stands in and the modules of ours that it imports, and what these
import, down to the parser of the landing files. What a formatter, a comment or a docstring changes does not count: the
compiled code is hashed, without the places of its lines.
"""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import SourceFileLoader
from modulefinder import ModuleFinder
from types import CodeType, ModuleType
from typing import Any, cast

from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import Contract
from cip_assets.contracts.source import SourceTable

PACKAGE = __name__.split(".", maxsplit=1)[0]

DECIDING = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "layers.",
        "analytics.",
        "calc.",
        "ingest.",
        "contracts.facts",
        "contracts.text_formats",
        "reporting.dashboard.",
        "storage.csv_",
    )
)
"""The modules whose code decides what stands in a table, in a file or on the page. The others declare, store, compute
and ask: what they say is in the contract, which counts by itself, or has no say in the content.
"""

NOT_COMPUTED_WITH = {"app", "operations", "exports", "personal_data"}
"""Sections of the rules that change no table: they say how the platform runs, and what files and pages show."""


def code_version(*modules: ModuleType, rules: Rules, text: str = "") -> str:
    """Changes with the code of some modules and what they import of ours, a text, and the rules of tables.

    The part after the hyphen stands for the rules, so that one can tell which of both changed.
    """
    found: dict[str, str] = {}
    for module in modules:
        _follow(module.__name__, found)
    content = "".join(found[name] for name in sorted(found))
    decided = rules.model_dump_json(exclude=NOT_COMPUTED_WITH)
    of_code, of_rules = (hashlib.sha256(each.encode()).hexdigest() for each in (content + text, decided))
    return f"{of_code[:12]}-{of_rules[:8]}"


def modules_of(*modules: ModuleType) -> list[str]:
    """The names of the modules that decide what these compute."""
    found: dict[str, str] = {}
    for module in modules:
        _follow(module.__name__, found)
    return sorted(found)


def _follow(name: str, found: dict[str, str]) -> None:
    if name in found:
        return
    found[name], imported = _digest(name)
    for other in imported:
        _follow(other, found)


@cache
def _digest(name: str) -> tuple[str, Sequence[str]]:
    """The hash of a module's code, and the modules that it imports and that decide something."""
    code = _code_of(sys.modules[name])
    return hashlib.sha256(repr(_content(code)).encode()).hexdigest(), sorted(set(_imported(code)))


class WithoutDocstrings(SourceFileLoader):
    """Compiles modules as ``python -OO`` does, and keeps what it compiled beside what Python keeps of them.

    To compile the modules of all tables would take each command 0.1 s.
    """

    def source_to_code(self, data: Any, path: Any, **_: Any) -> CodeType:  # type: ignore[override]
        return compile(data, path, "exec", dont_inherit=True, optimize=2)

    def get_data(self, path: str) -> bytes:
        return super().get_data(_kept_at(path))

    def set_data(self, path: str, data: Any, **more: Any) -> None:
        super().set_data(_kept_at(path), data, **more)


def _kept_at(path: str) -> str:
    return f"{path.removesuffix('.pyc').removesuffix('.opt-2')}.opt-2.pyc" if path.endswith(".pyc") else path


def _code_of(module: ModuleType) -> CodeType:
    loader = WithoutDocstrings(module.__name__, str(module.__file__))
    return cast("CodeType", loader.get_code(module.__name__))


def _content(value: object) -> object:
    """What code does and the constants that it uses, but not where it stands."""
    if isinstance(value, CodeType):
        names = (value.co_name, value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars)
        return value.co_code, value.co_flags, names, [_content(constant) for constant in value.co_consts]
    # A set has another order in each process.
    return sorted(map(repr, value)) if isinstance(value, frozenset) else value


def _imported(code: CodeType) -> Iterator[str]:
    for kind, found in ModuleFinder().scan_opcodes(code):
        if kind != "absolute_import":
            continue
        names, origin = found
        for name in names or ():
            module = f"{origin}.{name}"
            if module.startswith(DECIDING) and module in sys.modules:
                yield module
            elif origin.startswith(DECIDING) and not _is_contract(origin, name):
                yield origin


def _is_contract(module: str, name: str) -> bool:
    """Whether a name is the contract of an input, or a source table: its columns decide, not how they come about."""
    value = vars(sys.modules[module]).get(name)
    return isinstance(value, SourceTable) or (isinstance(value, type) and issubclass(value, Contract))
