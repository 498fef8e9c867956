"""What tensor parallelism cannot avoid sending."""

from __future__ import annotations

from roofline._xp import Num


def exchanged_bytes(*, tokens: Num, d_model: Num, blocks: Num, devices: Num, element_bytes: Num) -> Num:
    r"""Bytes that a device must send or receive when every matrix is spread over all devices in shares of one shape.

    .. math:: V = n\,T\,d\,b\,\Big(\frac{1}{\sqrt{k}} - \frac{1}{k}\Big)

    Parameters
    ----------
    tokens : tokens in the pass, T. [token]
    d_model : width of the residual stream, d. [element]
    blocks : blocks between vectors of that width, two a layer (attention and feed-forward network), n. [1]
    devices : devices that share every matrix, k. [1]
    element_bytes : size of one element sent, b. [byte]

    Returns
    -------
    Num
        Bytes in one direction, for one device.

    Notes
    -----
    By counting. A share of 1/k of a matrix of d inputs and d or more outputs meets at least d/sqrt(k) of the inputs or
    makes at least as many partial outputs, of which d/k may lie where they are needed. The usual layout, whole inputs
    and a ring that sums the outputs, sends 2 d (k - 1)/k instead.

    Examples
    --------
    >>> exchanged_bytes(tokens=1, d_model=4096, blocks=64, devices=4, element_bytes=2)
    131072.0
    """
    return blocks * tokens * d_model * element_bytes * (devices**-0.5 - 1 / devices)
