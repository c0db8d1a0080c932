"""Who can reach the Dagster UI."""

import pytest

from cip_assets.cli.ui import warning_about


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost"])
def test_this_machine_alone_needs_no_warning(host: str) -> None:
    assert warning_about(host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "shop.example.org", ""])
def test_an_address_that_others_reach_is_warned_of(host: str) -> None:
    assert "has no log-in" in str(warning_about(host))
