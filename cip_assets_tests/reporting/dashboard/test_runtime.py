"""The code that draws the charts is bundled once per version."""

from pathlib import Path

import pytest
import vl_convert

from cip_assets.reporting.dashboard import runtime as module
from cip_assets.reporting.dashboard.runtime import cache_folder, runtime


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cip"


@pytest.fixture
def made(cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry per bundled script; a short script, with characters that reading a file as text could change."""
    scripts: list[str] = []

    def bundle() -> str:
        scripts.append(f"const a = 'ä\r\n\u2028';\n// {len(scripts)}\n")
        return scripts[-1]

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    return scripts


def test_it_is_bundled_once(made: list[str], cache: Path) -> None:
    assert runtime() == runtime() == made[0]
    assert len(made) == 1
    assert len(list(cache.iterdir())) == 1


def test_it_is_the_bundle_of_vl_convert(cache: Path) -> None:
    assert runtime() == vl_convert.javascript_bundle()
    assert runtime() == vl_convert.javascript_bundle()


def test_another_version_has_its_own_file(made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = runtime()
    monkeypatch.setattr(module, "version", lambda _: "99")
    assert runtime() == made[1] != first


@pytest.mark.parametrize("damage", [b"", b"x", b"\xff\xfe", "cut", "changed"])
def test_a_damaged_file_is_replaced(made: list[str], cache: Path, damage: bytes | str) -> None:
    runtime()
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    damaged = {"cut": whole[:-1], "changed": whole.replace(b"const", b"alert")}
    file.write_bytes(damaged[damage] if isinstance(damage, str) else damage)
    assert runtime() == made[1]
    assert runtime() == made[1]
    assert len(made) == 2


def test_without_a_cache_folder_it_is_bundled_each_time(made: list[str], cache: Path) -> None:
    cache.write_text("no folder", encoding="utf-8")
    assert runtime() == made[0]
    assert runtime() == made[1]


def test_the_cache_is_in_the_user_s_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "cip"
