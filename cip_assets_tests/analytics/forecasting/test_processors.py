"""A forecast does not depend on the processor.

numpy and OpenBLAS compute the last digits differently on each. Here they are told to leave out what a newer one can do.
"""

import os
import subprocess
import sys

import pytest

FITS = """
import numpy as np
from cip_assets.analytics.forecasting import bg_nbd, gamma_gamma, lognormal, mbg_nbd, pareto_nbd
from cip_assets.analytics.insights.rates import _critical

draw = np.random.default_rng(3)
age = draw.integers(100, 300, 150)
x = draw.poisson(draw.gamma(1.0, 1 / 60, 150) * age)
t_x = np.where(x > 0, np.floor(age * draw.beta(x + 1, 1)), 0)
statistics = bg_nbd.Statistics.grouped(x, t_x, age)
values = gamma_gamma.bin_statistics(x, draw.lognormal(3, 1, 150))
# Nobody drops out, so the likelihood of Pareto/NBD is a ridge: the optimizer stops anywhere on it.
for fit in (model.fit(statistics) for model in (bg_nbd, mbg_nbd, pareto_nbd)):
    print(fit.r, fit.alpha, *np.round(fit.probability_alive(x, t_x, age) * fit.purchases_if_alive(x, age, [90])[0], 7))
for fit in (model.fit(values) for model in (gamma_gamma, lognormal)):
    print(*np.round(fit.expected_value(values.x, values.mean_value), 6))
# Equal correlations: any rotation of their vectors is as good as another.
print(f"{_critical(np.full((6, 6), 0.5) + np.eye(6) / 2, 20, 0.05):.9g}")
"""


def fitted(**processor: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FITS],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | processor,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def on_this_processor() -> str:
    return fitted()


@pytest.mark.parametrize(
    "processor",
    [
        {"OPENBLAS_CORETYPE": "Nehalem"},
        {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
    ],
    ids=["Nehalem", "Haswell without AVX"],
)
def test_fits_agree_on_every_processor(on_this_processor: str, processor: dict[str, str]) -> None:
    assert fitted(**processor) == on_this_processor
