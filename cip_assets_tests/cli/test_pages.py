"""`cip app`: who it lets in, and how it ends."""

import os
from pathlib import Path

import pytest

from cip_assets_tests.conftest import Cip


def test_beyond_this_machine_it_needs_tokens(cip: Cip) -> None:
    code, _, errors = cip("app", "--host", "0.0.0.0")
    assert code == 1
    assert "set CIP_APP_TOKENS to role=token, or leave out --host" in errors


def test_a_role_must_be_in_the_rules(cip: Cip) -> None:
    code, _, errors = cip("app", "--role", "boss")
    assert (code, "no role 'boss'" in errors) == (1, True)


def test_it_ends_with_the_process_that_holds_its_pipe(cip: Cip, data_dir: Path) -> None:
    end, held = os.pipe()
    os.close(held)
    code, printed, errors = cip("app", "--port", "0", "--until", str(end))
    assert (code, errors) == (0, "")
    assert printed == "customers and lists: http://127.0.0.1:0\n"
    os.close(end)


@pytest.mark.parametrize("tokens", ["support", "support=short"])
def test_tokens_that_are_not_in_order_are_refused(
    cip: Cip, monkeypatch: pytest.MonkeyPatch, tokens: str
) -> None:
    monkeypatch.setenv("CIP_APP_TOKENS", tokens)
    code, _, errors = cip("app")
    assert (code, "CIP_APP_TOKENS: entry 1 is not role=token" in errors) == (1, True)
