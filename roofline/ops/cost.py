"""What an operation costs, before any machine is named."""

from __future__ import annotations

from typing import NamedTuple

from roofline._xp import Num


class Cost(NamedTuple):
    """Work of one operation in one forward pass.

    Attributes
    ----------
    flop : floating-point operations; a multiply-add is two. [FLOP]
    weight_bytes : weights read. [byte]
    kv_bytes : cached keys and values read. [byte]
    state_bytes : recurrent state read. [byte]
    """

    flop: Num
    weight_bytes: Num = 0.0
    kv_bytes: Num = 0.0
    state_bytes: Num = 0.0

    def plus(self, other: Cost) -> Cost:
        """Return the work of both together."""
        return Cost(
            self.flop + other.flop,
            self.weight_bytes + other.weight_bytes,
            self.kv_bytes + other.kv_bytes,
            self.state_bytes + other.state_bytes,
        )

    @property
    def bytes(self) -> Num:
        """Everything read from memory. [byte]"""
        return self.weight_bytes + self.kv_bytes + self.state_bytes
