"""Our predictions beside published measurements: what is faster than physics allows, and how far the rest is below."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from roofline import measurements
from roofline._predict import predict
from roofline._remember import remember
from roofline.amounts import amount
from roofline.calls import KINDS, UnresolvedError, expected_call, set_aside
from roofline.errors import (
    MeasurementError,
    RooflineError,
    UnknownNameError,
    WorkloadError,
)
from roofline.loosest import ceiling_of, is_known, loosest_prediction
from roofline.measurements import Measurement
from roofline.results import ExpectedPrefill, ExpectedRates
from roofline.specs import load_engine, names
from roofline.specs.catalog import find, is_path

TOLERANCE = 0.01
"""A measurement may beat the ceiling by this share before it counts as a violation: printed digits end somewhere."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row beside the prediction, in the unit of its metric.

    ``ratio`` is how close the measurement comes to the ceiling: 1 is at it, above 1 faster than it. ``expected`` is
    None where the engine has no fitted speed, or the row leaves out what its metric depends on. ``layout`` is
    ``"apart"`` where experts, stages or data are parallel, which is modelled by simple rules only, else empty.
    """

    id: str
    metric: str
    engine: str
    measured: float
    ceiling: float | None
    ratio: float | None
    expected: float | None
    low: float | None
    high: float | None
    ape: float | None
    note: str
    hardware: str = ""
    model: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one metric and engine; engine ``""`` stands for all. Shares, not per cent.

    Rows of layout ``"apart"`` are groups of their own beside those of all rows; errors of the latter leave them out.
    """

    metric: str
    engine: str
    n: int
    median_ape: float | None
    p90_ape: float | None
    bias: float | None
    coverage: float | None
    level: float | None
    median_ratio_to_ceiling: float | None
    layout: str = ""
    compared: int = 0
    """Rows that have an expected value."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A measurement that is better than the ceiling."""

    id: str
    metric: str
    measured: float
    ceiling: float
    ratio: float
    note: str


@dataclass(frozen=True, slots=True)
class Validation:
    """The outcome of :func:`validate`; see the contract of its JSON in the documentation."""

    rows: int
    evaluated: int
    unresolved: dict[str, int]
    ceiling_violations: tuple[Violation, ...]
    groups: tuple[Group, ...]
    rows_detail: tuple[RowResult, ...]

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """Return plain dictionaries and lists for JSON; with ``rows`` every row too."""
        found = {"schema_version": 1, **asdict(self)}
        if not rows:
            del found["rows_detail"]
        return found


def validate(
    paths: list[str | Path] | None = None,
    *,
    engine: str | None = None,
    hardware: str | None = None,
    model: str | None = None,
    metric: str | None = None,
    level: float = 0.9,
    left_out: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Compare predictions with measurements.

    Parameters
    ----------
    paths : CSV files of measurements, or folders of them; the project's own when None.
    engine, hardware, model, metric : keep only the rows of these; aliases count as the names they stand for.
    level : level of the intervals. [1]
    left_out : ``"device"``, ``"model"``, ``"hardware"`` (its class) or ``"cell"`` (device with model): take what is
        expected, and its interval, from fits to those of these rows that are of another one.
    progress : called with the number of rows done, and of all.

    Returns
    -------
    Validation

    Raises
    ------
    MeasurementError
        A file does not follow the schema, or two rows have one id.
    UnknownNameError
        No metric is named so, or neither the catalog nor a row knows that engine, hardware or model.

    Examples
    --------
    >>> validate(model="minimax-m2.7", hardware="dgx-spark").ceiling_violations
    ()
    """
    _check_metric(metric)
    rows = [row for path in measurements.files(paths) for row in measurements.read(path)]
    _check_ids(rows)
    for kind, name in {"engine": engine, "hardware": hardware, "model": model}.items():
        if name is not None:
            rows = _of(rows, kind, name)
    rows = [row for row in rows if metric in {None, row.metric}]
    unresolved: Counter[str] = Counter()
    refitted = _left_out(rows, left_out, level) if left_out else None
    results = []
    for index, row in enumerate(rows):
        if progress:
            progress(index + 1, len(rows))
        try:
            results.append(_result(row, level, refitted))
        except UnresolvedError as reason:
            unresolved[str(reason)] += 1
    violations = [
        Violation(r.id, r.metric, r.measured, r.ceiling, r.ratio, r.note)
        for r in results
        if r.ceiling is not None and r.ratio is not None and r.ratio > 1 + TOLERANCE
    ]
    return Validation(
        rows=len(rows),
        evaluated=len(results),
        unresolved=dict(unresolved.most_common()),
        ceiling_violations=tuple(sorted(violations, key=lambda v: -v.ratio)),
        groups=tuple(_groups(results, level)),
        rows_detail=tuple(results),
    )


def _check_metric(metric: str | None) -> None:
    if metric is not None and metric not in measurements.METRICS:
        near = difflib.get_close_matches(metric, measurements.METRICS, n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"they are {', '.join(measurements.METRICS)}."
        raise UnknownNameError(f"no metric is named {metric!r}; {hint}")


def _check_ids(rows: list[Measurement]) -> None:
    twice = [name for name, number in Counter(row.id for row in rows).items() if number > 1]
    if twice:
        raise MeasurementError(f"the id {twice[0]!r} stands in more than one row; an id names one measurement")


def _of(rows: list[Measurement], kind: str, name: str) -> list[Measurement]:
    """Return the rows whose ``kind`` is called ``name``, by whatever alias."""
    proper = _proper(kind, name)
    found = [row for row in rows if _proper(kind, getattr(row, kind)) == proper]
    if not found:
        find(name, kind)  # known, though not in these rows; unknown is an error
    return found


@remember
def _proper(kind: str, name: str) -> str:
    """Return the name of the spec called ``name``, or ``name`` in lower case where there is none."""
    if not name or is_path(name):
        return name
    try:
        return find(name, kind).stem
    except UnknownNameError:
        return name.strip().lower()


# --- how a row becomes a call


class _Expected(NamedTuple):
    """What to expect of a row, in the unit of its metric, with its interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None


def _result(row: Measurement, level: float, refitted: dict[str, _Expected] | None) -> RowResult:
    set_aside(row)
    prediction = loosest_prediction(row)
    ceiling = ceiling_of(row, prediction)
    if row.metric in measurements.AMOUNTS:
        found = _Expected(amount(row, prediction))
    elif refitted is not None:
        found = _within(refitted.get(row.id, _Expected()), ceiling, is_time=row.is_time)
    else:
        found = _expected(row, level)
    expected = found.value
    ratio = None
    if ceiling is not None:
        ratio = ceiling / row.value if row.is_time else row.value / ceiling
    return RowResult(
        id=row.id,
        metric=row.metric,
        engine=row.engine,
        measured=row.value,
        ceiling=ceiling,
        ratio=ratio,
        expected=expected,
        low=found.low,
        high=found.high,
        ape=None if expected is None else abs(expected - row.value) / row.value,
        note=row.note,
        hardware=row.hardware,
        model=row.model,
        layout="apart" if max(row.ep or 1, row.pp or 1, row.dp or 1) > 1 else "",
    )


def _expected(row: Measurement, level: float) -> _Expected:
    """Return what to expect of a row; nothing where the engine is not fitted or the row says too little."""
    if not is_known(row.engine) or load_engine(row.engine).fitted is None:
        return _Expected()
    try:
        p = predict(**expected_call(row), level=level)
    except (UnresolvedError, RooflineError):
        return _Expected()
    kind = KINDS[row.metric]
    if kind == "decode":
        return _of_rates(p.decode.expected, 1 / p.batch if row.metric == "decode_tok_per_s" else 1.0)
    if kind == "prefill":
        return _of_rates(p.prefill.expected, 1.0)
    figure = getattr(p.serving, row.metric)
    return _Expected(figure.value, figure.low, figure.high)


def _of_rates(expected: ExpectedRates | ExpectedPrefill | None, share: float) -> _Expected:
    if expected is None:
        return _Expected()
    return _Expected(expected.tokens_per_s * share, expected.low * share, expected.high * share)


def _left_out(rows: list[Measurement], what: str, level: float) -> dict[str, _Expected]:
    """Return what fits that left out a row's group expect of it, by the row's id."""
    import math  # noqa: TID251 (of one row at a time)

    from roofline import fitting
    from roofline.fitting.engines import LEFT_OUT, left_out_intervals

    if what not in LEFT_OUT:
        raise WorkloadError(f"left_out is {what!r:.60}, but one of {', '.join(LEFT_OUT)} is wanted")
    crowds = set().union(*(fitting.crowd_sources(folder) for folder in {row.folder for row in rows}))
    found: dict[str, _Expected] = {}
    for engine in names("engine"):
        mine = fitting.rows_of(engine, rows)
        if not any(row.plain for row in mine):
            continue
        fit = fitting.fit_engine(engine, mine, crowds, left_out=(what,))
        lows, highs = left_out_intervals(fit, what, level)
        for row, expected, low, high in zip(
            mine, fit.left_out[what].tolist(), lows.tolist(), highs.tolist(), strict=True
        ):
            if not math.isfinite(expected):
                continue
            ratio = math.exp(expected) / row.seconds
            measured, is_time = row.measurement.value, row.measurement.is_time
            value = measured * ratio if is_time else measured / ratio
            ends: tuple[float | None, float | None] = (None, None)
            if math.isfinite(low):
                factors = (math.exp(low), math.exp(high)) if is_time else (math.exp(-high), math.exp(-low))
                ends = value * factors[0], value * factors[1]
            found[row.measurement.id] = _Expected(value, *ends)
    return found


def _within(found: _Expected, ceiling: float | None, *, is_time: bool) -> _Expected:
    """Return what is expected, nothing of it better than the ceiling."""
    if ceiling is None:
        return found
    better = max if is_time else min
    return _Expected(*(None if end is None else better(end, ceiling) for end in found))


# --- summaries


def _groups(results: list[RowResult], level: float = 0.9) -> Iterable[Group]:
    keys = {(r.metric, engine, "") for r in results for engine in ("", r.engine)}
    keys |= {(r.metric, engine, r.layout) for r in results for engine in ("", r.engine)}
    for metric, engine, layout in sorted(keys):
        rows = [r for r in results if r.metric == metric and engine in {"", r.engine} and layout in {"", r.layout}]
        alike = [r for r in rows if r.layout == layout]
        errors = sorted(r.ape for r in alike if r.ape is not None)
        ratios = [r.ratio for r in rows if r.ratio is not None]
        biases = [r.expected / r.measured for r in alike if r.expected is not None]
        held = [r.low <= r.measured <= r.high for r in alike if r.low is not None and r.high is not None]
        yield Group(
            metric=metric,
            engine=engine,
            n=len(rows),
            median_ape=median(errors) if errors else None,
            p90_ape=errors[min(len(errors) - 1, int(0.9 * len(errors)))] if errors else None,
            bias=median(biases) - 1 if biases else None,
            coverage=sum(held) / len(held) if held else None,
            level=level if held else None,
            median_ratio_to_ceiling=median(ratios) if ratios else None,
            layout=layout,
            compared=len(errors),
        )
