"""Times to expect, from times at nominal rates: what overlaps, what does not, and how requests share an engine."""

from __future__ import annotations

from roofline._xp import Num, maximum


def smooth_maximum(*, x: Num, y: Num, exponent: Num) -> Num:
    r"""Combine two times that overlap, but not perfectly where they are alike.

    .. math:: m = (x^p + y^p)^{1/p}

    Parameters
    ----------
    x : one time, x. [s]
    y : the other, y. [s]
    exponent : sharpness, p; the larger, the nearer to the maximum. [1]

    Returns
    -------
    Num
        Seconds; at least the larger, at most the sum.

    Notes
    -----
    By counting where one of them vanishes; between, a p-norm is the simplest that is smooth.

    Examples
    --------
    >>> smooth_maximum(x=3.0, y=0.0, exponent=3.0), round(smooth_maximum(x=1.0, y=1.0, exponent=3.0), 2)
    (3.0, 1.26)
    """
    larger = maximum(x, y) + 1e-300  # the ratio keeps tiny times from vanishing when raised
    return larger * ((x / larger) ** exponent + (y / larger) ** exponent) ** (1 / exponent)


def pipelined_share(*, passes: Num, stages: Num) -> Num:
    r"""Part of the time of one device that ``stages`` devices need for ``passes`` passes one behind the other.

    .. math:: s = \frac{n + k - 1}{n\,k}

    Parameters
    ----------
    passes : passes that follow each other, n. [1]
    stages : devices, each with a part of the layers, k. [1]

    Returns
    -------
    Num
        Share of the time; 1 for one pass, 1/k for many.

    Notes
    -----
    By counting: the first pass is through after k steps, each later one a step after it.

    References
    ----------
    .. [1] Y. Huang et al., "GPipe: Efficient Training of Giant Neural Networks using Pipeline Parallelism", 2019,
       arXiv:1811.06965, section 2.3.

    Examples
    --------
    >>> pipelined_share(passes=1, stages=4), pipelined_share(passes=13, stages=4)
    (1.0, 0.3076923076923077)
    """
    return (passes + stages - 1) / (passes * stages)


def interrupted_step_seconds(*, step: Num, prefill: Num, streams: Num, output: Num, share: Num) -> Num:
    r"""Time between two tokens of a stream, when the prompts of the others are read in between.

    .. math:: t = t_s + \theta\,\frac{C - 1}{n}\,t_p

    Parameters
    ----------
    step : one decode step of all streams, t_s. [s]
    prefill : reading one prompt, t_p. [s]
    streams : streams kept busy, C. [1]
    output : tokens that each request generates, n. [token]
    share : part of a prompt's time that the others lose, theta. [1]

    Returns
    -------
    Num
        Seconds.

    Notes
    -----
    By counting: while a request generates its n tokens, each of the C - 1 others ends once on average, and the prompt
    that takes its place is read.

    Examples
    --------
    >>> interrupted_step_seconds(step=1.0, prefill=8.0, streams=5, output=16, share=0.5)
    2.0
    """
    return step + share * maximum(streams - 1, 0) / output * prefill


def first_token_seconds(*, request: Num, prefill: Num, step: Num, streams: Num, wait: Num) -> Num:
    r"""Time from a request to its first token.

    .. math:: t = t_r + t_p\,(1 + w\,(C - 1)) + \frac{t_s}{2}

    Parameters
    ----------
    request : handling of one request outside the model, t_r. [s]
    prefill : reading its prompt, t_p. [s]
    step : one decode step, half of which passes before the prompt can start, t_s. [s]
    streams : streams kept busy, C. [1]
    wait : part of the others' prompts that are read before it, w. [1]

    Returns
    -------
    Num
        Seconds.

    Notes
    -----
    By counting. Streams that all start at once wait for half of the others; streams that have long been busy hardly
    wait for each other.

    Examples
    --------
    >>> first_token_seconds(request=0.02, prefill=0.1, step=0.02, streams=1, wait=0.5)
    0.13
    """
    return request + prefill * (1 + wait * (streams - 1)) + step / 2
