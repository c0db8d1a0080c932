"""A full delivery that lost most of its rows does not replace a table until a person accepts it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.orchestration.runs import Platform
from cip_assets_tests.integration.helpers import LANDED, land, rows_of

MakePlatform = Callable[..., Platform]
NEEDS_CUSTOMERS = "features/population"


def test_an_empty_delivery_is_refused_until_it_is_accepted_and_then_not_again(
    healthy: Path, platform_on: MakePlatform
) -> None:
    platform = platform_on(healthy, NEEDS_CUSTOMERS)
    land(healthy / "landing", "customers/dt=2024-03-06/a.csv", "")

    refused = platform.run()
    (failure,) = refused.failures
    assert failure.message.startswith(
        "customers: the delivery of 2024-03-06 has 0 rows, but raw/customers has 2"
    )
    assert refused.skipped == [NEEDS_CUSTOMERS]
    for layer in ("raw", "cleaned"):
        assert len(rows_of(platform.settings, f"{layer}/customers")) == 2

    accepted = platform.run(accept=["customers"])
    assert accepted.succeeded
    for layer in ("raw", "cleaned"):
        assert rows_of(platform.settings, f"{layer}/customers") == []
    again, everything = platform.run(), platform.run(everything=True)
    assert (again.succeeded, again.ingested) == (True, [])
    assert everything.succeeded


def test_a_delivery_with_mostly_quarantined_lines_is_refused_until_it_is_accepted(
    healthy: Path, platform_on: MakePlatform
) -> None:
    platform = platform_on(healthy, NEEDS_CUSTOMERS)
    land(
        healthy / "landing",
        "customers/dt=2024-03-06/a.csv",
        LANDED["customers"].replace("2024-01-", "2024/01/"),
    )

    for refused in (platform.run(), platform.run()):
        (failure,) = refused.failures
        assert failure.message.startswith(
            "customers: 0 rows of the newest delivery can be cleaned, but cleaned/customers has 2 "
            "(quality.max_delivery_drop is 50%); correct the delivery or the rules"
        )
        assert len(rows_of(platform.settings, "cleaned/customers")) == 2

    assert platform.run(accept=["customers"]).succeeded
    assert rows_of(platform.settings, "cleaned/customers") == []
    assert platform.run().succeeded


def test_a_first_run_compares_a_delivery_with_the_one_before_it(
    healthy: Path, platform_on: MakePlatform
) -> None:
    """A products file with only a header is accepted; a customers delivery that lost its rows is not."""
    landing = healthy / "landing"
    land(landing, "products.csv", "")
    land(landing, "customers/dt=2024-03-06/a.csv", "")
    fresh = healthy.with_name("fresh")
    fresh.mkdir()
    landing.rename(fresh / "landing")
    platform = platform_on(fresh, NEEDS_CUSTOMERS)

    report = platform.run()

    (failure,) = report.failures
    assert failure.message.startswith(
        "customers: the delivery of 2024-03-06 has 0 rows, but the one without a dt= had 2"
    )
    assert rows_of(platform.settings, "cleaned/products") == []


def test_only_full_deliveries_can_be_accepted(healthy: Path, platform_on: MakePlatform) -> None:
    with pytest.raises(PlatformError, match="--accept returns: .* Choose one of: customers, products"):
        platform_on(healthy, NEEDS_CUSTOMERS).run(accept=["returns"])
