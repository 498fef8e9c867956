"""The least time that a machine needs for given work: the roofs of the roofline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from roofline._xp import Num, maximum


def stream_seconds(*, moved_bytes: Num, bytes_per_s: Num) -> Num:
    r"""Move ``moved_bytes`` over one memory or link.

    .. math:: t = Q / \beta

    Parameters
    ----------
    moved_bytes : bytes moved, Q. [byte]
    bytes_per_s : bandwidth, beta. [byte/s]

    Returns
    -------
    Num
        Seconds at full bandwidth.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> stream_seconds(moved_bytes=6.0, bytes_per_s=2.0)
    3.0
    """
    return moved_bytes / bytes_per_s


def compute_seconds(*, flop: Num, flop_per_s: Num) -> Num:
    r"""Compute ``flop`` at the peak rate.

    .. math:: t = F / \pi

    Parameters
    ----------
    flop : floating-point operations, F. [FLOP]
    flop_per_s : dense peak, pi. [FLOP/s]

    Returns
    -------
    Num
        Seconds at the peak.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> compute_seconds(flop=6.0, flop_per_s=2.0)
    3.0
    """
    return flop / flop_per_s


def ridge_point(*, flop_per_s: Num, bytes_per_s: Num) -> Num:
    r"""Arithmetic intensity above which compute, not memory, takes longer.

    .. math:: I^* = \pi / \beta

    Parameters
    ----------
    flop_per_s : dense peak, pi. [FLOP/s]
    bytes_per_s : memory bandwidth, beta. [byte/s]

    Returns
    -------
    Num
        FLOP per byte.

    References
    ----------
    .. [1] S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
       architectures", Communications of the ACM 52(4), 2009, doi:10.1145/1498765.1498785.

    Examples
    --------
    >>> round(ridge_point(flop_per_s=989.4e12, bytes_per_s=3.35e12))
    295
    """
    return flop_per_s / bytes_per_s


def tiered_stream_seconds(
    *, moved_bytes: Num, kept_bytes: Num, bytes_per_s: Sequence[Num], capacity_bytes: Sequence[Num]
) -> Num:
    r"""Move ``moved_bytes`` that lie in several memories at once, placed in the best way.

    What the chip keeps from one pass to the next is not moved at all. The rest is split over the tiers so that all
    finish together, none holding more than its capacity; the last tier takes whatever is left.

    .. math:: t = \max_{S \not\ni \mathrm{last}}
        \frac{Q - Q_0 - \sum_{i \in S} C_i}{\sum_{i \notin S} \beta_i}, \quad t \ge 0

    Parameters
    ----------
    moved_bytes : bytes that a pass reads and writes, Q. [byte]
    kept_bytes : capacity of on-chip memory whose own bandwidth is unknown, Q_0. [byte]
    bytes_per_s : bandwidth of each tier, beta_i. [byte/s]
    capacity_bytes : capacity of each tier but the last, C_i. [byte]

    Returns
    -------
    Num
        Seconds at full bandwidth of all tiers.

    Notes
    -----
    The time is the smallest t with min(C_1, beta_1 t) + ... >= Q - Q_0. The left side is the smallest of lines, one for
    each set S of tiers that are full, so that t is the largest of the lines' solutions.

    References
    ----------
    By counting.

    Examples
    --------
    >>> tiered_stream_seconds(moved_bytes=10.0, kept_bytes=1.0, bytes_per_s=[3.0], capacity_bytes=[])
    3.0
    >>> tiered_stream_seconds(moved_bytes=10.0, kept_bytes=0.0, bytes_per_s=[4.0, 1.0], capacity_bytes=[100.0])
    2.0
    """
    seconds: Num = 0.0
    rest = moved_bytes - kept_bytes
    bounded = range(len(bytes_per_s) - 1)
    for size in range(len(bytes_per_s)):
        for full in combinations(bounded, size):
            held = sum(capacity_bytes[i] for i in full)
            rate = sum(b for i, b in enumerate(bytes_per_s) if i not in full)
            seconds = maximum(seconds, (rest - held) / rate)
    return seconds
