"""Attention over a cache of keys and values; prefill and decode are one formula (decode is one new token)."""

from __future__ import annotations

from roofline._xp import Num, floor, maximum, minimum
from roofline.ops.cost import Cost


def attended_pairs(*, new_tokens: Num, cached: Num) -> Num:
    r"""Count the (query, key) pairs of causal attention in one sequence.

    .. math:: n = \sum_{i=0}^{q-1} (c + i + 1) = q\,c + \tfrac{1}{2}\,q\,(q + 1)

    Parameters
    ----------
    new_tokens : tokens of the sequence in this pass, q. [token]
    cached : tokens already in the cache, c. [token]

    Returns
    -------
    Num
        Pairs; a token attends to itself too.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> attended_pairs(new_tokens=1, cached=4095), attended_pairs(new_tokens=4, cached=0)
    (4096.0, 10.0)
    """
    return new_tokens * cached + new_tokens * (new_tokens + 1) / 2


def attended_pairs_in_window(*, new_tokens: Num, cached: Num, window: Num) -> Num:
    r"""Count the (query, key) pairs when a token attends to the last ``window`` tokens only.

    .. math:: n = \sum_{i=0}^{q-1} \min(c + i + 1,\, w) = a\,c + \tfrac{1}{2}\,a\,(a + 1) + (q - a)\,w,
        \qquad a = \min(q, \max(w - c, 0))

    Parameters
    ----------
    new_tokens : tokens of the sequence in this pass, q. [token]
    cached : tokens already in the cache, c. [token]
    window : tokens that a token attends to, itself included, w. [token]

    Returns
    -------
    Num
        Pairs.

    Notes
    -----
    By counting; a is the number of new tokens that still see everything before them.

    Examples
    --------
    >>> attended_pairs_in_window(new_tokens=1, cached=4095, window=128)
    128.0
    """
    unwindowed = minimum(new_tokens, maximum(window - cached, 0))
    return unwindowed * cached + unwindowed * (unwindowed + 1) / 2 + (new_tokens - unwindowed) * window


def tokens_in_window(*, tokens: Num, window: Num) -> Num:
    r"""Count the tokens of a sequence whose keys and values a windowed layer holds and reads.

    .. math:: m = \min(s, w)

    Parameters
    ----------
    tokens : tokens of the sequence so far, s. [token]
    window : tokens that a token attends to, w. [token]

    Returns
    -------
    Num
        Tokens.

    Notes
    -----
    By counting. A cache that is not trimmed to the window holds more, but no token needs to read it.

    Examples
    --------
    >>> tokens_in_window(tokens=4096, window=128)
    128
    """
    return minimum(tokens, window)


def attended_pairs_in_chunk(*, new_tokens: Num, cached: Num, chunk: Num) -> Num:
    r"""Count the (query, key) pairs when tokens attend within chunks that do not see each other.

    .. math:: n = N(c + q) - N(c), \qquad N(s) = \Big\lfloor \frac{s}{w} \Big\rfloor \frac{w (w + 1)}{2}
        + \frac{r (r + 1)}{2}, \quad r = s - w \Big\lfloor \frac{s}{w} \Big\rfloor

    Parameters
    ----------
    new_tokens : tokens of the sequence in this pass, q. [token]
    cached : tokens already in the cache, c. [token]
    chunk : tokens of a chunk, w. [token]

    Returns
    -------
    Num
        Pairs.

    Notes
    -----
    By counting: whole chunks, and the pairs inside the last one.

    Examples
    --------
    >>> attended_pairs_in_chunk(new_tokens=1, cached=8192, chunk=8192)
    1.0
    """

    def pairs_of(tokens: Num) -> Num:
        """Return the pairs of a sequence from its start."""
        inside = tokens_in_chunk(tokens=tokens, chunk=chunk)
        return (tokens - inside) / chunk * chunk * (chunk + 1) / 2 + inside * (inside + 1) / 2

    return pairs_of(cached + new_tokens) - pairs_of(cached)


def tokens_in_chunk(*, tokens: Num, chunk: Num) -> Num:
    r"""Count the tokens of the chunk that the next token falls into.

    .. math:: r = s - w \Big\lfloor \frac{s}{w} \Big\rfloor

    Parameters
    ----------
    tokens : tokens of the sequence so far, s. [token]
    chunk : tokens of a chunk, w. [token]

    Returns
    -------
    Num
        Tokens.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> tokens_in_chunk(tokens=10_000, chunk=8192)
    1808.0
    """
    return tokens - chunk * floor(tokens / chunk)


def attention(
    *,
    sequences: Num,
    pairs: Num,
    read_tokens: Num,
    heads: Num,
    d_head: Num,
    d_value: Num,
    kv_bytes_per_token: Num,
) -> Cost:
    r"""Attend in all ``sequences`` with grouped queries.

    .. math:: F = 2\,B\,n\,H\,(d + d_v), \qquad Q = B\,m\,b

    Parameters
    ----------
    sequences : sequences in the pass, B. [1]
    pairs : (query, key) pairs of each sequence, n. [1]
    read_tokens : cached tokens of each sequence that are read, m. [token]
    heads : query heads of all layers together, H. [1]
    d_head : width of a query and of a key, d. [element]
    d_value : width of a value, d_v; 0 where only scores are wanted. [element]
    kv_bytes_per_token : keys and values of one token in these layers, b. [byte]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting: the products of queries with keys and of weights with values take 2 n d and 2 n d_v for a head; the
    softmax (about 5 n) is left out, below 2 % for d of 64 and more. Each cached token is read once, shared by all query
    heads of its group; the new tokens' own keys and values are on the chip, and writing them is left out.

    Examples
    --------
    >>> attention(
    ...     sequences=1, pairs=4096, read_tokens=4095, heads=32, d_head=128, d_value=128, kv_bytes_per_token=4096).flop
    67108864
    """
    return Cost(
        flop=2 * sequences * pairs * heads * (d_head + d_value),
        kv_bytes=sequences * read_tokens * kv_bytes_per_token,
    )


def compressed_pairs(*, new_tokens: Num, cached: Num, ratio: Num, top_k: Num) -> Num:
    r"""Count from below the (query, entry) pairs when every ``ratio`` tokens become one entry.

    .. math:: n = \max\Big(0,\; \frac{1}{r} \sum_{i=0}^{q-1} \min(c + i + 1,\, k r) - q\Big)
        \le \sum_{i=0}^{q-1} \min\Big(\Big\lfloor \frac{c + i + 1}{r} \Big\rfloor,\, k\Big)

    Parameters
    ----------
    new_tokens : tokens of the sequence in this pass, q. [token]
    cached : tokens of the sequence before them, c. [token]
    ratio : tokens that become one entry, r. [token]
    top_k : entries that a token attends to at most, k. [1]

    Returns
    -------
    Num
        Pairs, at most one for each new token too few.

    Notes
    -----
    By counting: the sum without the floor is that of a window of k r tokens.

    Examples
    --------
    >>> compressed_pairs(new_tokens=1, cached=4095, ratio=4, top_k=512)
    511.0
    """
    attended = attended_pairs_in_window(new_tokens=new_tokens, cached=cached, window=top_k * ratio)
    return maximum(attended / ratio - new_tokens, 0)


def entries_of(*, tokens: Num, ratio: Num) -> Num:
    r"""Count the entries that ``tokens`` have become.

    .. math:: e = \Big\lfloor \frac{s}{r} \Big\rfloor

    Parameters
    ----------
    tokens : tokens of the sequence so far, s. [token]
    ratio : tokens that become one entry, r. [token]

    Returns
    -------
    Num
        Entries.

    Notes
    -----
    By counting.

    Examples
    --------
    >>> entries_of(tokens=1023, ratio=4)
    255.0
    """
    return floor(tokens / ratio)


def latent_attention(
    *,
    sequences: Num,
    new_tokens: Num,
    cached: Num,
    read_tokens: Num,
    heads: Num,
    kv_rank: Num,
    d_nope: Num,
    d_rope: Num,
    d_value: Num,
    kv_bytes_per_token: Num,
) -> Cost:
    r"""Attend over cached latent vectors (multi-head latent attention), in whichever of two ways needs less work.

    Absorbed, a query meets the latent vector itself; expanded, keys and values are first projected from it.

    .. math:: F = 2\,B\,H\,\Big[ \tfrac{1}{2}\,q\,(q + 1)\,\min(f_a, f_e)
        + c\,\min\big(q\,f_a,\; q\,f_e + r\,(d_n + d_v)\big) \Big],
        \quad f_a = 2 r + d_r,\; f_e = d_n + d_r + d_v, \qquad Q = B\,m\,b

    Parameters
    ----------
    sequences : sequences in the pass, B. [1]
    new_tokens : tokens of each sequence in this pass, q. [token]
    cached : tokens of each sequence before them, c. [token]
    read_tokens : tokens of each sequence whose latent vectors are read from memory, m. [token]
    heads : query heads of all layers together, H. [1]
    kv_rank : width of the latent vector, r. [element]
    d_nope : width of a key's part without rotary embedding, d_n. [element]
    d_rope : width of a key's part with rotary embedding, d_r. [element]
    d_value : width of a value, d_v. [element]
    kv_bytes_per_token : latent vectors of one token in these layers, b. [byte]

    Returns
    -------
    Cost
        Same shape as the broadcast of the arguments.

    Notes
    -----
    By counting. Projecting the new tokens' own keys and values costs the same in both ways and is counted with the
    matrices; the choice is made for new and for cached tokens apart, so that no engine can need less.

    References
    ----------
    .. [1] DeepSeek-AI, "DeepSeek-V2: A Strong, Economical, and Efficient Mixture-of-Experts Language Model", 2024,
       arXiv:2405.04434, section 2.1 and appendix C.

    Examples
    --------
    >>> decode = dict(sequences=1, new_tokens=1, heads=128, kv_rank=512, d_nope=128, d_rope=64, d_value=128)
    >>> latent_attention(cached=999, read_tokens=999, kv_bytes_per_token=1152, **decode).kv_bytes
    1150848
    """
    absorbed = 2 * kv_rank + d_rope
    expanded = d_nope + d_rope + d_value
    among_new = new_tokens * (new_tokens + 1) / 2 * minimum(absorbed, expanded)
    with_cached = cached * minimum(new_tokens * absorbed, new_tokens * expanded + kv_rank * (d_nope + d_value))
    return Cost(
        flop=2 * sequences * heads * (among_new + with_cached),
        kv_bytes=sequences * read_tokens * kv_bytes_per_token,
    )
