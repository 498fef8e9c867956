"""From measurements to arrays: the work behind each row, and where it belongs."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline import measurements
from roofline._predict import resolved
from roofline.calibration import Known, Speed, hardware_class, period
from roofline.calls import KINDS, UnresolvedError, built_of, expected_call, set_aside
from roofline.errors import RooflineError
from roofline.expectation import served_work
from roofline.expected import Constants, pass_seconds, served_seconds
from roofline.expected_work import Layout, PassWork, pass_work
from roofline.fitting.priors import CROWD_WEIGHT, FIRST_TOKEN_WEIGHT, SERIES_WEIGHT
from roofline.kernels import pass_kernels
from roofline.measurements import Measurement
from roofline.operations import Pass
from roofline.setting import Setting
from roofline.specs import load_engine
from roofline.specs.catalog import data_folder
from roofline.workload import prompt_pass

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


class Row(NamedTuple):
    """One measurement with the work behind it.

    Attributes
    ----------
    measurement : the row itself.
    kind : decode, prefill, per token, first token or request.
    step, prefill : work of a decode step and of reading a prompt; where the kind needs only one, it stands for both.
    streams, concurrency, output : as of :func:`roofline.expected.served_seconds`.
    seconds : measured time. [s]
    hardware, built, device, model : what the constants may depend on.
    plain : whether no more than tensor parallelism is used; other rows are not fitted.
    held_out : whether it is of a source that is never fitted.
    """

    measurement: Measurement
    kind: str
    step: PassWork
    prefill: PassWork
    streams: float
    concurrency: float
    output: float
    seconds: float
    hardware: str
    built: str
    device: str
    model: str
    eager: bool
    plain: bool
    held_out: bool = False

    @property
    def fitted(self) -> bool:
        """Whether constants may be fitted to it."""
        return self.plain and not self.held_out

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.measurement.engine

    @property
    def backend(self) -> str:
        """What the engine runs on: the first word of the class of hardware."""
        return self.hardware.split()[0]

    @property
    def series(self) -> str:
        """What is off together: one model in one format on one device, in one source, of one kind."""
        m = self.measurement
        return f"{m.source} {self.hardware} {self.device} {m.devices} {self.model} {m.weights} {self.kind}"

    @property
    def build(self) -> str:
        """Period of the engine's build."""
        return self.built

    @property
    def cell(self) -> str:
        """Device and model."""
        return f"{self.device} {self.model}"


def rows_of(
    engine: str,
    every: Sequence[Measurement],
    progress: Progress | None = None,
    passed_over: Counter[str] | None = None,
) -> list[Row]:
    """Return the measurements of an engine whose expected speed can be said, with the work behind them.

    Parameters
    ----------
    engine : its name.
    every : measurements, of other engines too.
    progress : called with how many are done, and of how many.
    passed_over : where to count those of the engine whose speed cannot be said, by the reason.

    Returns
    -------
    list of Row
    """
    found = []
    apart = held_out()
    for index, row in enumerate(every):
        if progress:
            progress(index + 1, len(every))
        if row.engine != engine or row.metric not in KINDS:
            continue
        try:
            set_aside(row)
            found.append(_row(row)._replace(held_out=(engine, row.source) in apart))
        except (UnresolvedError, RooflineError) as reason:
            if passed_over is not None:
                passed_over[str(reason)] += 1
    newest = max((r.built for r in found if r.built), default="2026-2")
    return [r if r.built else r._replace(built=newest) for r in found]


def _row(row: Measurement) -> Row:
    call = expected_call(row)
    layout = {name: call.pop(name) for name in ("tp", "ep", "pp", "dp")}
    s, work = resolved(**call, layout=layout)
    speed = _unfitted_speed(s, call)
    kind = KINDS[row.metric]
    common = {"layout": speed.layout, "counted": speed.counted, "rules": speed.rules}
    streams = concurrency = 1.0
    if kind in {"decode", "prefill"}:
        p = Pass(work.batch, 1, work.context) if kind == "decode" else prompt_pass(work.batch, work)
        step = prefill = pass_work(s.transformer, s.machine, p, **common)
    else:
        served = served_work(s, speed, work)
        step, prefill, streams, concurrency = served
    return Row(
        measurement=row,
        kind=kind,
        step=step,
        prefill=prefill,
        streams=float(streams),
        concurrency=float(concurrency),
        output=float(work.output or 1),
        seconds=_seconds(row, work.concurrency or work.batch),
        hardware=hardware_class(s.device, row.backend),
        built=period(built) if (built := built_of(row)) else "",
        device=s.device.name,
        model=s.model.name,
        eager=row.mode == "eager",
        plain=speed.layout.plain,
    )


def _unfitted_speed(s: Setting, call: dict[str, Any]) -> Any:
    """Return layout, kernels and rules of the row's engine, whether or not it is fitted already."""
    engine = load_engine(call["engine"])
    if engine.rules is None or engine.kernels is None:
        raise UnresolvedError(f"{engine.name} has no rules")
    if s.transformer.weights_bytes > s.machine.most_bytes:
        raise UnresolvedError("does not fit")
    default = Layout(pipeline=s.devices) if engine.rules.layout == "pipeline" else Layout(tensor=s.devices)
    counted = pass_kernels(s.model.architecture, s.weights, engine.kernels)
    nothing: Any = None
    return Speed(
        constants=nothing,
        counted=counted,
        rules=engine.rules,
        layout=s.layout or default,
        layout_given=s.layout is not None,
        hardware="",
        built="",
        eager=False,
        known=Known(model=False, device=False, hardware=False),
        fitted=nothing,
    )


def _seconds(row: Measurement, batch: int) -> float:
    """Return the time that a row's figure stands for: of a step, a pass, a token or a whole request."""
    prompt, output = row.prompt_tokens or 0, row.output_tokens or 0
    amount = {
        "decode_tok_per_s": 1,
        "decode_tok_per_s_total": batch,
        "prefill_tok_per_s": batch * prompt,
        "output_tok_per_s": batch * output,
        "total_tok_per_s": batch * (prompt + output),
    }
    return row.value if row.is_time else amount[row.metric] / row.value


def crowd_sources(folder: Path) -> set[str]:
    """Return the sources that ``sources.csv`` calls crowds: score boards that anyone can add to."""
    path = folder / "sources.csv"
    if not path.is_file():
        return set()
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {line["source"] for line in csv.DictReader(file) if line.get("kind") == "crowd"}


def held_out() -> set[tuple[str, str]]:
    """Return the engines and sources whose rows are never fitted, as ``measurements/held_out.toml`` names them."""
    text = (data_folder("measurements") / "held_out.toml").read_text(encoding="utf-8")
    return {(one["engine"], one["source"]) for one in tomllib.loads(text)["held_out"]}


class Table(NamedTuple):
    """Rows as arrays.

    Attributes
    ----------
    rows : the rows.
    step, prefill : work, each number an array over the rows.
    log_seconds : logarithm of the measured times.
    weight : what a row counts in the fit.
    """

    rows: list[Row]
    step: PassWork
    prefill: PassWork
    streams: Floats
    concurrency: Floats
    output: Floats
    eager: Floats
    kind: NDArray[Any]
    log_seconds: Floats
    weight: Floats

    def labels(self, what: str) -> NDArray[Any]:
        """Return an attribute of each row as an array of texts."""
        return np.array([getattr(row, what) for row in self.rows], dtype=object)

    def part(self, mask: Any) -> Table:
        """Return the rows where ``mask`` holds; each keeps its weight."""
        places = np.flatnonzero(mask)

        def taken(value: Any) -> Any:
            if isinstance(value, PassWork):
                return PassWork(*map(taken, value))
            return tuple(map(taken, value)) if isinstance(value, tuple) else value[places]

        return Table([self.rows[i] for i in places], *(taken(value) for value in self[1:]))


def _stacked(works: list[PassWork]) -> PassWork:
    fields: dict[str, Any] = {}
    for name in PassWork._fields:
        values = [getattr(w, name) for w in works]
        if isinstance(values[0], tuple):
            fields[name] = tuple(np.array([float(v[i]) for v in values]) for i in range(len(values[0])))
        else:
            fields[name] = np.array([float(v) for v in values])
    return PassWork(**fields)


def table(rows: list[Row], crowds: set[str] | None = None) -> Table:
    """Return rows as arrays."""
    sizes = Counter(row.series for row in rows)
    weights = []
    for row in rows:
        trust = CROWD_WEIGHT if row.measurement.source in (crowds or set()) else 1.0
        trust *= FIRST_TOKEN_WEIGHT if row.kind == "first token" else 1.0
        weights.append(trust * min(1.0, SERIES_WEIGHT / sizes[row.series]))
    return Table(
        rows=rows,
        step=_stacked([r.step for r in rows]),
        prefill=_stacked([r.prefill for r in rows]),
        streams=np.array([r.streams for r in rows]),
        concurrency=np.array([r.concurrency for r in rows]),
        output=np.array([r.output for r in rows]),
        eager=np.array([float(r.eager) for r in rows]),
        kind=np.array([r.kind for r in rows]),
        log_seconds=np.log(np.array([r.seconds for r in rows])),
        weight=np.array(weights),
    )


def log_expected(t: Table, c: Constants) -> Floats:
    """Return the logarithm of each row's expected time, by the same formulas as a prediction."""
    step: Any = pass_seconds(t.step, c, eager=t.eager).total
    prefill: Any = pass_seconds(t.prefill, c, prefill=True).total
    served: Any = served_seconds(
        c, step=step, prefill=prefill, streams=t.streams, concurrency=t.concurrency, output=t.output
    )
    seconds = np.select(
        [t.kind == "decode", t.kind == "prefill", t.kind == "per token", t.kind == "first token"],
        [step, prefill, served.per_token, served.first_token],
        served.request,
    )
    return np.log(seconds)


def read(paths: list[str | Path] | None) -> tuple[list[Measurement], set[str]]:
    """Return all measurements of the files, and the sources among them that are crowds."""
    files = (
        measurements.files(paths or None)
        if paths
        else [*measurements.files(), *measurements.files([measurements.PUBLISHED])]
    )
    every = [row for path in files for row in measurements.read(path)]
    crowds = set().union(*(crowd_sources(folder) for folder in {path.parent for path in files}))
    return every, crowds
