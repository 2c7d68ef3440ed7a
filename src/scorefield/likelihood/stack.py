r"""Asymmetric numeral systems: a stack of numbers whose length is the sum of −log₂ of the probabilities they were pushed with.

A head h holds what was pushed as one integer. A symbol that has the ``width`` numbers from ``start`` of 2^26 goes on, and comes off, by

    push   h ← ⌊h/width⌋ 2^26 + h mod width + start          pop   c = h mod 2^26,  h ← width ⌊h/2^26⌋ + c − start

(Duda 2013), and the low 32 bits of a head that grows beyond 63 bits are moved to the tail. Popping from bits that mean something else draws
a symbol from its distribution, and pushing it again gives the bits back: what bits-back coding is made of (Townsend, Bird & Barber 2019).
What comes off is then a function of what went on last; so c is shifted by random numbers that both sides know, and drawn symbols are as
random as these. Several heads over one tail are worked on at once (Giesen 2014). All of it is integer arithmetic: what is popped is what
was pushed.
"""

from collections.abc import Callable
from typing import Self

import numpy as np
from jaxtyping import Int64, UInt64

from scorefield.errors import DataError

PRECISION = 26
"""A distribution shares out 2^26 numbers."""

_HEADS = 16
_LEAST, _WORD = np.uint64(1 << 31), np.uint64(32)  # heads are between 2^31 and 2^63
_BITS, _MASK = np.uint64(PRECISION), np.uint64((1 << PRECISION) - 1)

Interval = tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]
"""Where a symbol's numbers start, and how many there are."""

Find = Callable[[Int64[np.ndarray, " k"], slice], tuple[Int64[np.ndarray, " k"], Interval]]
"""Symbols whose numbers are given, those of a part of all that are popped, and their intervals."""

Shift = UInt64[np.ndarray, " n"] | None
"""What is added to the number of each symbol."""


class Stack:
    """Integers pushed and popped with probabilities.

    Popped when there is nothing, it goes on with noise of its own making, counted in ``borrowed``: the bits that bits-back coding starts
    from. A stack `read` from a file does not.
    """

    def __init__(self) -> None:
        self._heads = _fresh()
        self._tail: list[int] = []
        self._noise: np.random.PCG64 | None = np.random.PCG64(0)
        self.borrowed = 0

    @classmethod
    def read(cls, data: bytes) -> Self:
        """Return the stack that was `written`."""
        words = np.frombuffer(data[: len(data) // 4 * 4], dtype="<u4")
        heads = words[: 2 * _HEADS].astype(np.uint64)
        if len(data) % 4 or len(words) < 2 * _HEADS:
            raise DataError(
                f"{len(data)} bytes are not whole words of 4, at least {2 * _HEADS} of them: the file is cut off"
            )
        stack = cls()
        stack._heads = (heads[::2] << _WORD) | heads[1::2]
        if (stack._heads < _LEAST).any() or (stack._heads >> np.uint64(63)).any():
            raise DataError("its first words are not those of a stack: the file is damaged")
        stack._tail, stack._noise = words[2 * _HEADS :].tolist(), None
        return stack

    def written(self) -> bytes:
        """Return the stack as bytes: eight of each head, and four of each word."""
        heads = np.stack([self._heads >> _WORD, self._heads & np.uint64(0xFFFFFFFF)], axis=1).reshape(-1)
        return heads.astype("<u4").tobytes() + np.array(self._tail, dtype="<u4").tobytes()

    @property
    def empty(self) -> bool:
        """Whether nothing is left but the noise that popping from a new stack begins with."""
        expected = _words_of(np.random.PCG64(0), len(self._tail))
        return bool((self._heads == _fresh()).all()) and self._tail[::-1] == expected

    def push(self, interval: Interval, shift: Shift = None) -> None:
        """Push symbols by their intervals; they are popped in the order in which they are given, with the same shift."""
        starts, widths = (part.astype(np.uint64) for part in interval)
        if not widths.all():
            raise DataError("it holds a state that cannot have been drawn: the file is damaged")
        for part in reversed(_parts(len(starts))):
            heads, w = self._heads[: part.stop - part.start], widths[part]
            full = heads >= w << np.uint64(63 - PRECISION)
            self._tail.extend((heads[full] & np.uint64(0xFFFFFFFF)).tolist())
            heads = np.where(full, heads >> _WORD, heads)
            number = heads % w + starts[part]
            self._heads[: len(heads)] = (heads // w << _BITS) + (
                number if shift is None else number - shift[part] & _MASK
            )

    def pop(self, count: int, find: Find, shift: Shift = None) -> Int64[np.ndarray, " n"]:
        """Return so many symbols; ``find`` says which has a number."""
        found = []
        for part in _parts(count):
            heads = self._heads[: part.stop - part.start]
            number = (heads if shift is None else heads + shift[part]) & _MASK
            symbol, (start, width) = find(number.astype(np.int64), part)
            heads = width.astype(np.uint64) * (heads >> _BITS) + number - start.astype(np.uint64)
            low = heads < _LEAST
            heads[low] = (heads[low] << _WORD) | self._words(int(low.sum()))
            self._heads[: len(heads)] = heads
            found.append(symbol)
        return np.concatenate(found)

    def _words(self, count: int) -> UInt64[np.ndarray, " k"]:
        """Return words of the tail, the last ones, in the order in which they were moved there."""
        lacking = count - len(self._tail)
        if lacking > 0:
            if self._noise is None:
                raise DataError("it ends before its images do: the file is cut off or damaged")
            self._tail[:0] = _words_of(self._noise, lacking)[::-1]
            self.borrowed += lacking
        taken = self._tail[len(self._tail) - count :]
        del self._tail[len(self._tail) - count :]
        return np.array(taken, dtype=np.uint64)


def _parts(count: int) -> list[slice]:
    """Return which symbols are worked on at once: one for each head."""
    return [slice(first, min(first + _HEADS, count)) for first in range(0, count, _HEADS)]


def _fresh() -> UInt64[np.ndarray, " h"]:
    """Return heads of 32 random bits, which carry no message and belong to no symbol."""
    return _LEAST + (np.random.PCG64(1).random_raw(_HEADS) >> np.uint64(33))


def _words_of(noise: np.random.PCG64, count: int) -> list[int]:
    """Return the next words of a generator whose numbers are the same in every version of NumPy."""
    return (noise.random_raw(count) >> _WORD).tolist()
