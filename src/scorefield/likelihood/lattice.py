r"""Gaussians on a lattice, in integers: what an entropy coder can push and pop.

The K points low + δ k share the line; the first and last take all that is beyond them. A Gaussian with its mean rounded to δ/32 gives k the
numbers from F(k) to F(k + 1) of 2^26,

    F(k) = T(32 k − 16 − m),   m = [32 (mean − low)/δ],   T(j) = ⌊(2^26 − 2K − 2) Φ(jδ/32s)⌋ + ⌊j/32⌋ + K + 1

so every point has one number at least, and nothing is impossible, as must be where a point is pushed that a model did not expect. Where
points are drawn, K numbers for K points would send one draw in 2^26/K anywhere, at a cost of hundreds of bits in the next step: there
T(j) = ⌊2^26 Φ(jδ/32s)⌋, and what has no number is not drawn. T is a table; on it all is integer arithmetic, and one search finds the
point of a number: F(k) ≤ c if and only if 32 k − 16 − m is no later than the last j with T(j) ≤ c.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from scorefield.likelihood.stack import PRECISION, Interval, Shift, Stack

_PARTS = 32
_MOST = 1 << 16
_TOTAL = 1 << PRECISION


@dataclass(frozen=True)
class Lattice:
    """The points low + δ k, k = 0 … K − 1."""

    low: float
    width: float
    count: int

    @classmethod
    def over(cls, low: float, high: float, width: float) -> "Lattice":
        """Return a lattice from low to high, of the width asked for, or wider where the points would be more than 65536."""
        width = max(width, (high - low) / (_MOST - 2))
        return cls(low, width, int((high - low) / width) + 2)

    def values(self, k: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Return the points."""
        return self.low + self.width * k


@dataclass(frozen=True)
class Bell:
    """Gaussians of one standard deviation on a lattice, any mean, from which points are ``drawn`` or not.

    The table is made anew for every use: a chain has many, each is large.
    """

    lattice: Lattice
    std: float
    drawn: bool

    def push(
        self, stack: Stack, k: Int64[np.ndarray, " n"], mean: Float64[np.ndarray, " n"], shift: Shift = None
    ) -> None:
        """Push points of a lattice."""
        stack.push(self._interval(self._table(), k, self._rounded(mean)), shift)

    def pop(self, stack: Stack, mean: Float64[np.ndarray, " n"], shift: Shift = None) -> Int64[np.ndarray, " n"]:
        """Pop points."""
        table, rounded = self._table(), self._rounded(mean)

        def find(number: Int64[np.ndarray, " k"], part: slice) -> tuple[Int64[np.ndarray, " k"], Interval]:
            m = rounded[part]
            j = np.searchsorted(table, number, side="right") - 1 - self._middle
            k = np.clip((j + _PARTS // 2 + m) // _PARTS, 0, self.lattice.count - 1)
            return k, self._interval(table, k, m)

        return stack.pop(len(mean), find, shift)

    @property
    def _middle(self) -> int:
        """Where T(0) is in the table."""
        return _PARTS * (self.lattice.count + 1)

    def _table(self) -> Int64[np.ndarray, " j"]:
        """Return T."""
        from scipy.special import ndtr  # a third of a second, which drawing does not pay

        count, j = self.lattice.count, np.arange(-self._middle, self._middle + 1)
        below = ndtr(j * (self.lattice.width / (_PARTS * self.std)))
        if self.drawn:
            return np.floor(_TOTAL * below).astype(np.int64)
        return np.floor((_TOTAL - 2 * count - 2) * below).astype(np.int64) + j // _PARTS + count + 1

    def _rounded(self, mean: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Return m, within the lattice."""
        m = np.rint(_PARTS * (mean - self.lattice.low) / self.lattice.width)
        return np.clip(m, 0, _PARTS * (self.lattice.count - 1)).astype(np.int64)

    def _interval(
        self, table: Int64[np.ndarray, " j"], k: Int64[np.ndarray, " n"], m: Int64[np.ndarray, " n"]
    ) -> Interval:
        """Return F(k), and F(k + 1) − F(k)."""
        start, stop = (table[_PARTS * edge - _PARTS // 2 - m + self._middle] for edge in (k, k + 1))
        start, stop = np.where(k == 0, 0, start), np.where(k == self.lattice.count - 1, _TOTAL, stop)
        return start, stop - start
