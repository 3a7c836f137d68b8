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

    Parameters
    ----------
    n, errors
        float64[sizes].

    Examples
    --------
    >>> n = np.array([2.0, 4, 8, 16])
    >>> law = fit_power_law(n, 0.1 + 0.6 * n**-0.5)
    >>> round(law.at(32), 2)
    0.21
    """
    floor, factor, exponent = (float(part[0]) for part in _fit(n, errors[None]))
    return PowerLaw(floor, factor, exponent)


def _fit(n: Floats, errors: Floats) -> tuple[Floats, Floats, Floats]:
    """Fit a law to each row of errors, float64[fits, sizes]; return floors, factors and exponents, float64[fits] each.

    For each exponent of a grid the other two follow from least squares, on a border where they would be negative: so
    there is no start to depend on.
    """
    powers = n[:, None] ** -_EXPONENTS  # [sizes, exponents]
    off = powers - powers.mean(axis=0)
    level = errors.mean(axis=1, keepdims=True)
    factor = (errors - level) @ off / (off**2).sum(axis=0)
    floor = level - factor * powers.mean(axis=0)
    through_zero = errors @ powers / (powers**2).sum(axis=0)
    choices = [(floor, factor), (np.zeros_like(floor), through_zero), (level + 0 * floor, 0 * factor)]
    distances = []
    for own_floor, own_factor in choices:
        said = own_floor[:, None, :] + own_factor[:, None, :] * powers
        distance = ((said - errors[:, :, None]) ** 2).sum(axis=1)
        distances.append(np.where((own_floor >= 0) & (own_factor >= 0), distance, np.inf))
    which, at = np.unravel_index(
        np.stack(distances, axis=1).reshape(len(errors), -1).argmin(axis=1), (3, len(_EXPONENTS))
    )
    rows = np.arange(len(errors))
    floors, factors = (np.stack([choice[part] for choice in choices])[which, rows, at] for part in (0, 1))
    return floors, factors, _EXPONENTS[at]


def twice(n: Floats, errors: list[Floats], seed: int = 0) -> tuple[PowerLaw, float, tuple[float, float]]:
    """Return the law through the mean errors, the error at twice the largest ``n``, and a 90 % interval of that.

    Parameters
    ----------
    n
        float64[sizes], ascending.
    errors
        For each size the errors of its draws.

    More recordings are not taken to make it worse, whatever the law says of the last point. The interval is of fits
    to draws that were drawn anew, with the noise of one draw where there is a single one.
    """
    rng = np.random.default_rng([seed, 13])
    means = np.array([own.mean() for own in errors])
    law = fit_power_law(n, means)
    spreads = [float(own.std(ddof=1)) for own in errors if len(own) > 1]
    noise = float(np.sqrt(np.mean(np.square(spreads)))) if spreads else 0.0
    drawn = [
        rng.choice(own, (REFITS, len(own))).mean(axis=1)
        if len(own) > 1
        else own[0] + noise * rng.standard_normal(REFITS)
        for own in errors
    ]
    whole = np.clip(np.stack(drawn, axis=1), 0.0, 1.0)
    floors, factors, exponents = _fit(n, whole)
    found = np.minimum(whole[:, -1], floors + factors * (2 * n[-1]) ** -exponents)
    low, high = np.percentile(found, [5, 95])
    return law, min(float(means[-1]), law.at(2 * float(n[-1]))), (float(low), float(high))
