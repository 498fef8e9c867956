"""What fits: the inverse of the memory that a batch needs."""

from __future__ import annotations

from collections.abc import Sequence

from roofline._xp import INFINITY, Num, floor, maximum, where_at_least


def tokens_that_fit(
    *,
    room_bytes: Num,
    unbounded_bytes_per_token: Num,
    windowed_bytes_per_token: Sequence[Num],
    windows: Sequence[Num],
) -> Num:
    r"""Count the tokens of one sequence whose cache fits in ``room_bytes``.

    Layers with a window stop growing once it is full. The cache of s tokens is therefore the smallest of straight
    lines, one for each number of windows already full, and the longest sequence is the largest of their inverses.

    .. math:: \max \{s : b\,s + \textstyle\sum_j b_j \min(s, w_j) \le R\}
        = \max_k \Big\lfloor \frac{R - \sum_{j \le k} b_j w_j}{b + \sum_{j > k} b_j} \Big\rfloor

    Parameters
    ----------
    room_bytes : room for the cache of one sequence, R. [byte]
    unbounded_bytes_per_token : cache of one token in the layers without a window, b. [byte]
    windowed_bytes_per_token : cache of one token in the layers of each window, b_j, by growing window. [byte]
    windows : the windows, w_j, growing. [token]

    Returns
    -------
    Num
        Whole tokens; negative where there is not even room for none, infinite where nothing grows and all fits.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> tokens_that_fit(
    ...     room_bytes=1000.0, unbounded_bytes_per_token=2.0, windowed_bytes_per_token=[1.0], windows=[100.0])
    450.0
    """
    full, growing = 0.0, unbounded_bytes_per_token
    for size in windowed_bytes_per_token:
        growing = growing + size
    longest: Num = -1.0
    for size, window in zip(windowed_bytes_per_token, windows, strict=True):
        longest = maximum(longest, floor((room_bytes - full) / growing))
        full = full + size * window
        growing = growing - size
    grows_forever = not (isinstance(unbounded_bytes_per_token, float | int) and unbounded_bytes_per_token == 0)
    if grows_forever:
        return maximum(longest, floor((room_bytes - full) / unbounded_bytes_per_token))
    return where_at_least(room_bytes, full, INFINITY, longest)


def sequences_that_fit(*, room_bytes: Num, bytes_per_sequence: Num) -> Num:
    r"""Count the sequences that fit in ``room_bytes``.

    .. math:: B = \Big\lfloor \frac{R}{b} \Big\rfloor

    Parameters
    ----------
    room_bytes : room for cache and state of all sequences, R. [byte]
    bytes_per_sequence : cache and state of one sequence, b. [byte]

    Returns
    -------
    Num
        Whole sequences; negative where there is not even room for none.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> sequences_that_fit(room_bytes=1000.0, bytes_per_sequence=300.0)
    3.0
    """
    return floor(room_bytes / bytes_per_sequence)
