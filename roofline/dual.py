"""Numbers that carry their derivatives: put into the library's functions, they give exact slopes of what comes out.

Forward-mode differentiation: a number and its partial derivatives with respect to some inputs go through every formula
together. Formulas need not know; :mod:`roofline._xp` treats such a number as any other that is neither an array nor a
symbol. Of a largest or least of several, the derivative is that of the one chosen; that of a floor is zero.
"""

from __future__ import annotations

import math  # noqa: TID251 (numbers only: here the derivatives of the few functions are written)
from typing import Any, TypeAlias

Other: TypeAlias = "Dual | float"


class Ties:
    """Whether two numbers that were compared were equal but had other slopes: a kink."""

    def __init__(self) -> None:
        self.found = False


class Dual:
    """A number and its partial derivatives.

    Attributes
    ----------
    value : the number.
    slopes : its derivative with respect to each input.
    ties : notes comparisons at a kink; shared by all numbers of one evaluation.
    """

    __slots__ = ("slopes", "ties", "value")

    def __init__(self, value: float, slopes: tuple[float, ...], ties: Ties) -> None:
        self.value, self.slopes, self.ties = value, slopes, ties

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.slopes!r})"

    def _with(self, value: float, slope: float) -> Dual:
        """Return a function of this number that has this value and this derivative with respect to it."""
        return Dual(value, tuple(slope * d for d in self.slopes), self.ties)

    def _together(self, other: Dual, value: float, slope: float, other_slope: float) -> Dual:
        slopes = tuple(slope * a + other_slope * b for a, b in zip(self.slopes, other.slopes, strict=True))
        return Dual(value, slopes, self.ties)

    def __add__(self, other: Other) -> Dual:
        if isinstance(other, Dual):
            return self._together(other, self.value + other.value, 1.0, 1.0)
        return self._with(self.value + other, 1.0)

    __radd__ = __add__

    def __neg__(self) -> Dual:
        return self._with(-self.value, -1.0)

    def __sub__(self, other: Other) -> Dual:
        if isinstance(other, Dual):
            return self._together(other, self.value - other.value, 1.0, -1.0)
        return self._with(self.value - other, 1.0)

    def __rsub__(self, other: float) -> Dual:
        return self._with(other - self.value, -1.0)

    def __mul__(self, other: Other) -> Dual:
        if isinstance(other, Dual):
            return self._together(other, self.value * other.value, other.value, self.value)
        return self._with(self.value * other, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Other) -> Dual:
        if not isinstance(other, Dual):
            return self._with(self.value / other, 1.0 / other)
        if not other.value:
            return self._with(math.copysign(math.inf, self.value), 0.0)
        ratio = self.value / other.value
        return self._together(other, ratio, 1.0 / other.value, -ratio / other.value)

    def __rtruediv__(self, other: float) -> Dual:
        ratio = other / self.value
        return self._with(ratio, -ratio / self.value)

    def __pow__(self, exponent: float) -> Dual:
        slope = exponent * self.value ** (exponent - 1) if self.value or exponent >= 1 else 0.0
        return self._with(self.value**exponent, slope)

    def __rpow__(self, base: float) -> Dual:
        power = base**self.value
        return self._with(power, power * math.log(base) if base > 0 else 0.0)

    def __floor__(self) -> float:
        return float(math.floor(self.value))

    def __floordiv__(self, other: Other) -> float:
        return float(math.floor(self.value / _value(other)))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        return self.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return self.value == _value(other)

    def __lt__(self, other: Other) -> bool:
        return self.value < self._compared(other)

    def __le__(self, other: Other) -> bool:
        return self.value <= self._compared(other)

    def __gt__(self, other: Other) -> bool:
        return self.value > self._compared(other)

    def __ge__(self, other: Other) -> bool:
        return self.value >= self._compared(other)

    def _compared(self, other: Other) -> float:
        """Return the other's value, and note a kink where the two are equal now but would not stay so."""
        value = _value(other)
        if value == self.value and self.slopes != (
            other.slopes if isinstance(other, Dual) else (0.0,) * len(self.slopes)
        ):
            self.ties.found = True
        return value


def _value(number: Any) -> Any:
    return number.value if isinstance(number, Dual) else number


def variables(values: tuple[float, ...]) -> tuple[tuple[Dual, ...], Ties]:
    """Return the inputs as numbers that carry their derivatives, and where kinks are noted.

    Examples
    --------
    >>> (x, y), ties = variables((3.0, 2.0))
    >>> (x * y + x**2).slopes, max(x, y).slopes, ties.found
    ((8.0, 3.0), (1.0, 0.0), False)
    """
    ties, count = Ties(), len(values)
    return tuple(Dual(value, tuple(float(i == j) for j in range(count)), ties) for i, value in enumerate(values)), ties
