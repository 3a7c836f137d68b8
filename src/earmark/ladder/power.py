"""A power law of learning: errors over numbers of recordings, and what twice as many would bring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_EXPONENTS = np.linspace(0.05, 2.0, 118)
REFITS = 500


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``error = floor + factor * n ** -exponent``.

    Source: Cortes, Jackel, Solla, Vapnik, Denker, *Learning curves: asymptotic values and rate of convergence*, 1994.
    """

    floor: float
    factor: float
    exponent: float

    def at(self, n: float) -> float:
        """Return the error at ``n`` recordings."""
        return min(1.0, self.floor + self.factor * float(n**-self.exponent))


def fit_power_law(n: Floats, errors: Floats) -> PowerLaw:
    """Return the law with the smallest squared distance; no part of it is negative, its exponent from 0.05 to 2.

    For each exponent the other two follow from least squares under bounds, so that there is no start to depend on.

    Examples
    --------
    >>> n = np.array([2.0, 4, 8, 16])
    >>> law = fit_power_law(n, 0.1 + 0.6 * n**-0.5)
    >>> round(law.at(32), 2)
    0.21
    """
    from scipy.optimize import nnls

    best, found = np.inf, PowerLaw(float(errors.mean()), 0.0, 1.0)
    for exponent in _EXPONENTS.tolist():
        (floor, factor), distance = nnls(np.stack([np.ones(len(n)), n**-exponent], axis=1), errors)
        if distance < best - 1e-12:
            best, found = float(distance), PowerLaw(float(floor), float(factor), float(exponent))
    return found


def twice(n: Floats, errors: list[Floats], seed: int = 0) -> tuple[PowerLaw, float, tuple[float, float]]:
    """Return the law through the mean errors, the error at twice the largest ``n``, and a 90 % interval of that.

    Parameters
    ----------
    n
        float64[sizes], ascending.
    errors
        For each size the errors of its draws.

    The interval is of fits to draws that were drawn anew, with the noise of one draw where there is a single one.
    """
    rng = np.random.default_rng([seed, 13])
    means = np.array([own.mean() for own in errors])
    law = fit_power_law(n, means)
    spreads = [float(own.std(ddof=1)) for own in errors if len(own) > 1]
    noise = float(np.sqrt(np.mean(np.square(spreads)))) if spreads else 0.0
    found = []
    for _ in range(REFITS):
        drawn = [
            rng.choice(own, len(own)).mean() if len(own) > 1 else own[0] + noise * rng.standard_normal()
            for own in errors
        ]
        found.append(fit_power_law(n, np.clip(drawn, 0.0, 1.0)).at(2 * float(n[-1])))
    low, high = np.percentile(found, [5, 95])
    return law, law.at(2 * float(n[-1])), (float(low), float(high))
