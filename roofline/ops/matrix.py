"""Products of activations with weight matrices."""

from __future__ import annotations

from roofline._xp import Num
from roofline.ops.cost import Cost


def matrix(*, tokens: Num, parameters: Num, weight_bytes: Num) -> Cost:
    r"""Multiply ``tokens`` vectors by matrices that have ``parameters`` elements in all.

    .. math:: F = 2\,T\,P, \qquad Q = W

    Parameters
    ----------
    tokens : vectors multiplied, T. [token]
    parameters : elements of the matrices, P. [1]
    weight_bytes : their stored size and that of their vectors, scales included, W. [byte]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting. Each weight is read once, however many tokens there are; activations stay on the chip. Norms, biases
    and activation functions are left out of the FLOP (below 0.1 % of a layer); their weights are in ``weight_bytes``.

    Examples
    --------
    >>> matrix(tokens=1, parameters=4096 * 4096, weight_bytes=4096 * 4096 * 2).flop
    33554432
    """
    return Cost(flop=2 * tokens * parameters, weight_bytes=weight_bytes)
