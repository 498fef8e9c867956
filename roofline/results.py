"""What a prediction holds. Attribute names are the keys of the JSON; every number is SI and unrounded."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roofline import formatting

if TYPE_CHECKING:
    from roofline.explanation import Explanation
    from roofline.sensitivity import Sensitivity

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Rates:
    """Speed of decoding.

    Attributes
    ----------
    seconds_per_step : time of one forward pass that adds one token to every sequence. [s]
    tokens_per_s : generated tokens of the whole batch. [token/s]
    tokens_per_s_per_stream : generated tokens of one sequence. [token/s]
    bound : the resource that takes longest: memory, compute or link.
    """

    seconds_per_step: float
    tokens_per_s: float
    tokens_per_s_per_stream: float
    bound: str


@dataclass(frozen=True, slots=True)
class ExpectedRates:
    """Speed of decoding that an engine is expected to reach.

    Attributes
    ----------
    seconds_per_step, tokens_per_s, tokens_per_s_per_stream : as of :class:`Rates`.
    low, high : interval of ``tokens_per_s``. [token/s]
    level : share of unseen measurements that such intervals are made to hold. [1]
    terms : what the time of a step is made of; where the ceiling is slower, it stands. [s]
    """

    seconds_per_step: float
    tokens_per_s: float
    tokens_per_s_per_stream: float
    low: float
    high: float
    level: float
    terms: dict[str, float]


@dataclass(frozen=True, slots=True)
class ExpectedPrefill:
    """Speed of prefill that an engine is expected to reach; attributes as of :class:`ExpectedRates`."""

    seconds: float
    tokens_per_s: float
    low: float
    high: float
    level: float
    terms: dict[str, float]


@dataclass(frozen=True, slots=True)
class OperationTime:
    """One operation of a pass, all devices together.

    Attributes
    ----------
    name : what it is.
    bytes : read from memory. [byte]
    flop : computed. [FLOP]
    seconds : its own roofline time, if nothing overlapped it. [s]
    bound : memory or compute.
    """

    name: str
    bytes: float
    flop: float
    seconds: float
    bound: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the workload needs, over all devices.

    Attributes
    ----------
    weights_bytes : all weights, once for each replica. [byte]
    kv_bytes_per_token : what one more token adds to the cache once every window is full. [byte]
    kv_bytes : cache of the whole batch. [byte]
    state_bytes : recurrent state of the whole batch. [byte]
    overhead_bytes : what the engine needs for itself, and what it leaves to others where it takes a share of the
        memory; 0 without an engine. [byte]
    host_bytes : of weights and overhead, what lies in the host's memory; where that is the device's own, it counts
        all the same. [byte]
    outside_bytes : of the overhead, what lies outside the share of the memory that the engine takes. [byte]
    room_bytes : what weights and overhead leave to cache and state. [byte]
    total_bytes : weights, cache, state and overhead. [byte]
    capacity_bytes : what programs can use. [byte]
    fits : total <= capacity.
    max_context : longest context at this batch, at most the model's own limit; None if nothing fits. [token]
    max_batch : largest batch at this length; None if nothing fits. [1]
    cache_tokens : cached tokens of each sequence that memory holds, whatever the model's limit; None if none, or if
        the cache does not grow. [token]
    missing_bytes : total - capacity where it does not fit, else 0. [byte]
    physical_bytes : main memory in full, whatever programs see of it. [byte]
    """

    weights_bytes: float
    kv_bytes_per_token: float
    kv_bytes: float
    state_bytes: float
    overhead_bytes: float
    host_bytes: float
    outside_bytes: float
    room_bytes: float
    total_bytes: float
    capacity_bytes: float
    fits: bool
    max_context: int | None
    max_batch: int | None
    cache_tokens: int | None
    missing_bytes: float
    physical_bytes: float


@dataclass(frozen=True, slots=True)
class Decode:
    """One decode step: every sequence of the batch gains one token.

    Attributes
    ----------
    weight_bytes : weights read, with ``top_k`` experts a layer. [byte]
    kv_bytes : cached keys and values read. [byte]
    state_bytes : recurrent state read. [byte]
    bytes_per_token : all of these, divided by the batch. [byte]
    flop_per_token : divided by the batch. [FLOP]
    arithmetic_intensity : FLOP per byte. [FLOP/byte]
    bound : what bounds the ceiling.
    ceiling : no engine can be faster.
    streaming : as ceiling, but every byte comes from main memory: the usual bandwidth roofline.
    uniform : as streaming, but every token picks its experts evenly at random; an estimate, no bound.
    expected : what to expect of the engine; None without an engine, or where nothing was measured of it.
    ops : the operations of the step.
    """

    weight_bytes: float
    kv_bytes: float
    state_bytes: float
    bytes_per_token: float
    flop_per_token: float
    arithmetic_intensity: float
    bound: str
    ceiling: Rates
    streaming: Rates
    uniform: Rates
    expected: ExpectedRates | None
    ops: tuple[OperationTime, ...]
    resources: dict[str, float] = field(metadata={"json": False})
    """Least time of each resource by itself, of which the longest is the ceiling. [s]"""


@dataclass(frozen=True, slots=True)
class PrefillRate:
    """Speed of prefill.

    Attributes
    ----------
    seconds : time of the whole pass. [s]
    tokens_per_s : prompt tokens, all sequences together. [token/s]
    """

    seconds: float
    tokens_per_s: float


@dataclass(frozen=True, slots=True)
class Prefill:
    """Reading the prompts of the batch in one pass.

    Attributes
    ----------
    tokens : prompt tokens, all sequences together. [token]
    flop : computed. [FLOP]
    bytes : read, with ``top_k`` experts a layer. [byte]
    bound : what bounds the ceiling.
    ceiling : no engine can be faster.
    expected : what to expect of the engine; None without an engine, or where nothing was measured of it.
    ops : the operations of the pass.
    """

    tokens: int
    flop: float
    bytes: float
    bound: str
    ceiling: PrefillRate
    expected: ExpectedPrefill | None
    ops: tuple[OperationTime, ...]
    resources: dict[str, float] = field(metadata={"json": False})
    """Least time of each resource by itself, of which the longest is the ceiling. [s]"""


@dataclass(frozen=True, slots=True)
class ServingFigure:
    """One figure of a served workload.

    Attributes
    ----------
    ceiling : no engine can be better: the least time, the highest rate.
    value : what to expect of the engine; None without an engine, or where nothing was measured of it.
    low, high, level : its interval.
    """

    ceiling: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """Continuous batching with ``concurrency`` streams kept busy.

    Attributes
    ----------
    concurrency : streams. [1]
    ttft_s : time to first token. [s]
    tpot_s : time per output token after the first. [s]
    output_tok_per_s : generated tokens of all streams. [token/s]
    total_tok_per_s : prompt and generated tokens of all streams. [token/s]
    """

    concurrency: int
    ttft_s: ServingFigure
    tpot_s: ServingFigure
    output_tok_per_s: ServingFigure
    total_tok_per_s: ServingFigure


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a number that was used was read.

    Attributes
    ----------
    what : the number or fact.
    source : title of the document, and where in it.
    url : its address.
    """

    what: str
    source: str
    url: str


@dataclass(frozen=True, slots=True)
class Roof:
    """A compute roof that the prediction used: the widest format it had to be, and the peak of all devices. [FLOP/s]"""

    format: str
    flop_per_s: float


@dataclass(frozen=True, slots=True)
class Tier:
    """A memory of the machine, all devices together: its name, and bandwidth if known. [byte/s]"""

    name: str
    role: str
    bytes_per_s: float | None


@dataclass(frozen=True, slots=True, repr=False)
class Prediction:
    """The answer for one model on one machine.

    ``repr`` is one line, ``print`` a page, and a notebook shows a table. :meth:`to_dict` and :meth:`to_json` give the
    same numbers in SI units, unrounded.

    Attributes
    ----------
    model : name of the model.
    hardware : name of the device; of each device where a system was named.
    devices : how many devices there are in all. [1]
    weights : recipe of the weights.
    kv : format of the cache.
    batch : sequences that decode, or are read, together. [1]
    context : tokens in the cache of each when it decodes. [token]
    prompt : tokens of each prompt that prefill reads. [token]
    output : tokens that each request generates; None if not said. [token]
    cached : tokens of each prompt that are in the cache already. [token]
    engine : serving engine; None if none was named.
    memory : what the workload needs, and whether it fits.
    decode : one decode step, and the speed of generating.
    prefill : reading the prompts.
    serving : continuous batching; None without ``concurrency``.
    assumptions : what was assumed because it was not said, in words.
    sources : where the numbers that were used were read.
    """

    model: str
    hardware: str
    devices: int
    weights: str
    kv: str
    batch: int
    context: int
    prompt: int
    output: int | None
    cached: int
    engine: str | None
    memory: Memory
    decode: Decode
    prefill: Prefill
    serving: Serving | None
    assumptions: tuple[str, ...]
    sources: tuple[Citation, ...]
    titles: tuple[str, str] = field(metadata={"json": False})
    """Names of model and hardware for people."""
    devices_in_title: int = field(metadata={"json": False})
    """Devices that the title of the hardware already stands for."""
    roofs: tuple[Roof, ...] = field(metadata={"json": False})
    """Compute roofs by format, fastest first, for pictures."""
    bytes_per_s: float | None = field(metadata={"json": False})
    """Bandwidth of the main memory, all devices together. [byte/s]"""
    tiers: tuple[Tier, ...] = field(metadata={"json": False})
    """Memories of the machine, fastest first, for pictures."""
    max_context_of_model: int = field(metadata={"json": False})
    prompt_given: bool = field(metadata={"json": False})
    origin: tuple[Any, Any, float] = field(metadata={"json": False}, compare=False)
    """Setting, workload and level that it was made of."""

    def explain(self, figure: str | None = None) -> Explanation:
        """Return how the figures follow: formulas, the numbers put in, and where each was read.

        The formulas are made by putting symbols into the functions that gave the numbers.

        Parameters
        ----------
        figure : dotted path of one figure, as ``"decode.ceiling.tokens_per_s"``; all of them when None.

        Returns
        -------
        Explanation
            ``print`` shows a page, a notebook LaTeX.

        Raises
        ------
        WorkloadError
            No figure of that path is explained.

        Examples
        --------
        >>> import roofline
        >>> p = roofline.predict("llama-3.1-8b", "rtx-4090", context=4096)
        >>> e = p.explain("decode.streaming.seconds_per_step")
        >>> e["decode.streaming.seconds_per_step"].formula
        Max(t_compute, t_streaming)
        """
        from roofline.explanation import explain

        return explain(*self.origin, self, figure)

    def sensitivity(self, of: str = "decode.ceiling.tokens_per_s") -> Sensitivity:
        """Return what more of each input would change: exact elasticities, the strongest first.

        Parameters
        ----------
        of : dotted path of the figure.

        Returns
        -------
        Sensitivity

        Raises
        ------
        WorkloadError
            The prediction has no figure of that path, or it is zero.

        Examples
        --------
        >>> import roofline
        >>> p = roofline.predict("llama-3.1-8b", "rtx-4090", batch=8, context=4096)
        >>> p.sensitivity()["bandwidth"].sentence
        '10 % more bandwidth buys 10.0 %'
        """
        from roofline.sensitivity import sensitivity

        return sensitivity(*self.origin, self, of)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON keys as plain dictionaries, lists and numbers; ``schema_version`` comes first."""
        return {"schema_version": SCHEMA_VERSION, **_plain(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        return formatting.one_line(self)

    def __str__(self) -> str:
        return formatting.page(self)

    def _repr_html_(self) -> str:
        return formatting.html(self)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {
            f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.metadata.get("json", True)
        }
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
