"""Mixtures of experts: how many distinct experts a pass reads, and what they cost."""

from __future__ import annotations

from roofline._xp import Num
from roofline.ops.cost import Cost


def distinct_experts(*, experts: Num, top_k: Num, tokens: Num) -> Num:
    r"""Expect this many distinct experts of a layer when every token picks its own ``top_k`` evenly at random.

    .. math:: E_T = E\,\Big[1 - \Big(1 - \frac{k}{E}\Big)^{T}\Big]

    Parameters
    ----------
    experts : experts of the layer, E. [1]
    top_k : experts that each token uses, k. [1]
    tokens : tokens in the pass, T. [token]

    Returns
    -------
    Num
        Expected number of distinct experts.

    Notes
    -----
    An expectation, not a bound: tokens that route alike read fewer (never below k), and skewed routing reads fewer too.

    References
    ----------
    .. [1] Z. Huang et al., "MoESD: Unveil Speculative Decoding's Potential for Accelerating Sparse MoE", 2025,
       arXiv:2505.19645, section 3: the expected number of activated experts.

    Examples
    --------
    >>> [round(distinct_experts(experts=256, top_k=8, tokens=t), 2) for t in (1, 2, 8, 32, 128)]
    [8.0, 15.75, 57.42, 163.31, 251.6]
    """
    return experts * (1 - (1 - top_k / experts) ** tokens)


def routed_experts(*, tokens: Num, top_k: Num, distinct: Num, parameters: Num, weight_bytes: Num) -> Cost:
    r"""Run the routed experts of all layers: every token through ``top_k``, ``distinct`` of them read.

    .. math:: F = 2\,T\,k\,P, \qquad Q = E_d\,W

    Parameters
    ----------
    tokens : tokens in the pass, T. [token]
    top_k : experts that each token uses, k. [1]
    distinct : distinct experts read in each layer, E_d. [1]
    parameters : elements of the matrices of one expert, summed over the layers, P. [1]
    weight_bytes : stored size of one expert, summed over the layers, W. [byte]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting. The least that any engine reads is ``distinct = top_k``: all tokens of a pass may route alike.

    Examples
    --------
    >>> routed_experts(tokens=1, top_k=8, distinct=8, parameters=1e6, weight_bytes=5e5).weight_bytes
    4000000.0
    """
    return Cost(flop=2 * tokens * top_k * parameters, weight_bytes=distinct * weight_bytes)
