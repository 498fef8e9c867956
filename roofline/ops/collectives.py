"""What tensor parallelism cannot avoid sending."""

from __future__ import annotations

from roofline._xp import Num, floor


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


def crossing_bytes(
    *, tokens: Num, d_model: Num, blocks: Num, devices: Num, node_devices: Num, element_bytes: Num
) -> Num:
    r"""Bytes that all nodes together must send to each other when every matrix is spread over devices of several.

    .. math:: V = \frac{n\,T\,d\,b}{2}
        \Big(\Big\lfloor \frac{k}{N} \Big\rfloor \sqrt{\frac{N}{k}} + \sqrt{\frac{k \bmod N}{k}} - 1\Big)

    Parameters
    ----------
    tokens : tokens in the pass, T. [token]
    d_model : width of the residual stream, d. [element]
    blocks : blocks between vectors of that width, two a layer (attention and feed-forward network), n. [1]
    devices : devices that share every matrix, k. [1]
    node_devices : devices of one node, N. [1]
    element_bytes : size of one element sent, b. [byte]

    Returns
    -------
    Num
        Bytes in one direction, of all nodes together; none where one node is enough.

    Notes
    -----
    By counting, as in :func:`exchanged_bytes` with a node in place of a device: a node with the share s of a matrix
    sends or receives at least d (sqrt(s) - s). The sum over nodes is smallest when as few as possible are used, each in
    full, since the square root is concave. A byte may count where it is sent and where it is received, hence the half.

    Examples
    --------
    >>> round(crossing_bytes(tokens=1, d_model=4096, blocks=64, devices=16, node_devices=8, element_bytes=2))
    108584
    >>> crossing_bytes(tokens=1, d_model=4096, blocks=64, devices=8, node_devices=8, element_bytes=2)
    0.0
    """
    full = floor(devices / node_devices)
    node, rest = node_devices / devices, (devices - full * node_devices) / devices
    spread = full * (node**0.5 - node) + rest**0.5 - rest
    return blocks * tokens * d_model * element_bytes * spread / 2
