"""Numbers as other people printed them: equal to whatever rounds to the same digits."""

from __future__ import annotations

from decimal import Decimal


class Printed:
    """A printed number such as ``"39.8"``; its last digit sets the tolerance, half of it either way."""

    def __init__(self, text: str) -> None:
        self.text = text
        number = Decimal(text.replace(",", "").replace("_", ""))
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        self.value = float(number)
        self.tolerance = float(Decimal(1).scaleb(exponent) / 2)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int | float):
            return NotImplemented
        return abs(other - self.value) <= self.tolerance * (1 + 1e-9)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"printed {self.text}"
