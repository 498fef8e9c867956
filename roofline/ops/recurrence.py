"""Linear attention: a state of fixed size instead of a cache that grows."""

from __future__ import annotations

from roofline._xp import Num, minimum
from roofline.ops.cost import Cost


def gated_delta_rule(
    *, sequences: Num, new_tokens: Num, heads: Num, d_key: Num, d_value: Num, state_bytes: Num, state_reads: Num
) -> Cost:
    r"""Update the state of every head, and read from it, for each new token with the gated delta rule.

    Of two ways the one that needs less: through the state, or attention among the new tokens beside the state before.

    .. math:: F = 2\,B\,H\,\min\big(3\,q\,d_k\,d_v,\; 2\,r\,q\,d_k\,d_v + q\,(q + 1)\,(d_k + d_v)\big), \qquad
        Q = r\,B\,S

    Parameters
    ----------
    sequences : sequences in the pass, B. [1]
    new_tokens : tokens of each sequence in this pass, q. [token]
    heads : value heads of all layers together, H. [1]
    d_key : width of a key, d_k. [element]
    d_value : width of a value, d_v. [element]
    state_bytes : state of one sequence, convolution state included, S. [byte]
    state_reads : how often the state is read, r: once, or not at all where the sequences start in this pass. [1]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting. Through the state: three products of 2 d_k d_v, what it holds for the key, the rank-one update, and the
    read-out for the query. Among the new tokens: products of keys with keys and queries and two sums over values for
    each pair, and two products with the state before. Decay and gates (about d_k d_v) are left out. So is writing the
    state, as for the cache: an engine may keep the keys and values of the last tokens beside an older state.

    References
    ----------
    .. [1] S. Yang, J. Kautz, A. Hatamizadeh, "Gated Delta Networks: Improving Mamba2 with Delta Rule", 2024,
       arXiv:2412.06464, equation 10 and section 3.3.

    Examples
    --------
    >>> shape = dict(heads=32, d_key=128, d_value=128, state_bytes=2097152)
    >>> gated_delta_rule(sequences=1, new_tokens=4096, state_reads=0, **shape).flop / 4096
    3145728.0
    """
    through_state = 3 * new_tokens * d_key * d_value
    among_new = 2 * state_reads * new_tokens * d_key * d_value + new_tokens * (new_tokens + 1) * (d_key + d_value)
    return Cost(
        flop=2 * sequences * heads * minimum(through_state, among_new),
        state_bytes=state_reads * sequences * state_bytes,
    )


def state_space(
    *, sequences: Num, new_tokens: Num, heads: Num, d_head: Num, d_state: Num, state_bytes: Num, state_reads: Num
) -> Cost:
    r"""Update the states of a state-space model, and read from them, for each new token.

    Of two ways the one that needs less: through the state, or attention among the new tokens beside the state before.

    .. math:: F = 2\,B\,H\,\min\big(2\,q\,d\,N,\; r\,q\,d\,N + \tfrac{1}{2}\,q\,(q + 1)\,d\big), \qquad Q = r\,B\,S

    Parameters
    ----------
    sequences : sequences in the pass, B. [1]
    new_tokens : tokens of each sequence in this pass, q. [token]
    heads : heads of all layers together, H. [1]
    d_head : width of a head, d. [element]
    d_state : width of the state of each element of a head, N. [element]
    state_bytes : state of one sequence, convolution state included, S. [byte]
    state_reads : how often the state is read, r: once, or not at all where the sequences start in this pass. [1]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting. Through the state: the rank-one update and the read-out take 2 d N each. Among the new tokens: a sum
    over values of 2 d for each pair, and one product with the state before; scores, which groups of heads share, are
    left out, as are decay and writing the state.

    References
    ----------
    .. [1] T. Dao, A. Gu, "Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured State
       Space Duality", 2024, arXiv:2405.21060, sections 3 and 6.

    Examples
    --------
    >>> shape = dict(heads=128, d_head=64, d_state=128, state_bytes=4194304)
    >>> state_space(sequences=1, new_tokens=4096, state_reads=0, **shape).flop / 4096
    4194304.0
    """
    through_state = 2 * new_tokens * d_head * d_state
    among_new = state_reads * new_tokens * d_head * d_state + new_tokens * (new_tokens + 1) / 2 * d_head
    return Cost(
        flop=2 * sequences * heads * minimum(through_state, among_new),
        state_bytes=state_reads * sequences * state_bytes,
    )
