"""``roofline plot``: pictures of predictions, in files."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline._predict import machine_named, predict
from roofline.cli import output, prediction, sweeping, validating
from roofline.errors import OutputError, WorkloadError
from roofline.measurements import PUBLISHED
from roofline.progress import Progress
from roofline.specs.catalog import data_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST_SIDE, LARGEST_SIDE = 2.0, 60.0
"""Of a picture. [inch]"""

MOST_BARS = 12


class Kind(NamedTuple):
    """A kind of picture: what it shows, which options may have several values, and what these do; ``"*"`` is all."""

    shows: str
    several: tuple[str, ...] = ()
    lists: str = ""


KINDS = {
    "roofline": Kind("the roofline of HARDWARE (memory tiers, peaks, ridge points) and every operation on it"),
    "waterfall": Kind("what the expected time of a step is made of; without --engine, the resources of the ceiling"),
    "context": Kind(
        "decode speed against context: ceiling, uniform routing, expected, published",
        ("context",),
        "--context: a list says where to draw, one value is marked.",
    ),
    "batch": Kind(
        "decode speed against batch: ceiling, uniform routing, expected, published",
        ("batch",),
        "--batch: a list says where to draw, one value is marked.",
    ),
    "memory": Kind(
        "the memory that weights, cache, state and engine take, and what is free",
        ("*",),
        "MODEL, HARDWARE and every option take lists: a bar for each combination.",
    ),
    "heatmap": Kind(
        "served requests by the lengths of prompt and output",
        ("prompt", "output"),
        "--prompt and --output: lists say where to draw, one value of each is framed.",
    ),
    "pareto": Kind(
        "the speed of all streams against that of each, over their number",
        ("*",),
        "MODEL, HARDWARE and every option take lists: a line for each combination. --batch, or --concurrency with "
        "--prompt and --output: a list says where to draw, one value is marked.",
    ),
    "kv": Kind(
        "how the cache grows with the context, and where memory is full",
        ("model", "context"),
        "MODEL takes a list: a line for each. --context: a list says where to draw.",
    ),
    "accuracy": Kind(
        "what was expected of published measurements against what was measured",
        (),
        "MODEL and HARDWARE may be left out: then all measurements are drawn. Of the options of predict, --engine and "
        "--level count.",
    ),
}


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "plot",
        help="a picture: " + ", ".join(KINDS),
        description="Draw a picture of MODEL on HARDWARE into a file. See 'roofline plot KIND --help' for each kind.",
        epilog="Example: roofline plot context minimax-m2.7 dgx-spark --weights ud-iq4_xs --engine llama.cpp -o a.svg",
    )
    kinds = parser.add_subparsers(title="kinds", dest="kind", metavar="KIND", required=True)
    for name, kind in KINDS.items():
        _add_kind(kinds, name, kind)


def _add_kind(kinds: argparse._SubParsersAction, name: str, kind: Kind) -> None:
    counts = "Lists are written as for 'roofline sweep': 1,2,4, of counts also 1..8, 0..128k:16k and 1..1024:x2."
    parser = kinds.add_parser(
        name, help=kind.shows, description=f"Draw {kind.shows}.", epilog=f"{kind.lists} {counts}".strip()
    )
    optional = name == "accuracy"
    parser.add_argument("model", metavar="MODEL", nargs="?" if optional else None, help="as of 'roofline predict'")
    parser.add_argument("hardware", metavar="HARDWARE", nargs="*" if optional else "+", help="as 2x rtx-pro-6000")
    parser.add_argument(
        "-o", dest="file", metavar="FILE", type=validating.picture, required=True, help="a .png, .svg or .pdf"
    )
    parser.add_argument("--size", metavar="WxH", type=_size, default=(8.0, 5.0), help="in inches (default 8x5)")
    parser.add_argument("--style", metavar="S", help="a style of matplotlib's, as dark_background")
    _add_own(parser, name)
    for option, text in prediction.TEXTS.items():
        parser.add_argument(f"--{option}", metavar=option[0].upper(), type=_texts, help=text)
    for option, text in prediction.COUNTS.items():
        parser.add_argument(f"--{option}", metavar="N", type=_counts, help=text)
    parser.add_argument("--level", type=float, metavar="L", help="level of intervals (default 0.9)")
    parser.add_argument(
        "--memory-share", type=float, metavar="S", help="part of the memory that the engine may take, as 0.9"
    )
    parser.add_argument(
        "--assume-known", action="store_true", help="take config keys that are not understood for harmless"
    )
    parser.set_defaults(run=run)


def _add_own(parser: argparse.ArgumentParser, kind: str) -> None:
    """Add the options that only one kind has."""
    if kind == "waterfall":
        parser.add_argument("--phase", choices=("decode", "prefill"), default="decode", help="default: decode")
    if kind in {"context", "batch"}:
        parser.add_argument("--no-published", action="store_true", help="leave published measurements out")
    if kind == "heatmap":
        metrics = ("output_tok_per_s", "total_tok_per_s", "ttft_s", "tpot_s", "request_s")
        parser.add_argument("--metric", choices=metrics, default=metrics[0], help=f"default: {metrics[0]}")
    if kind == "pareto":
        parser.add_argument("--per-device", action="store_true", help="speed of all streams divided by the devices")
    if kind == "accuracy":
        parser.add_argument("--metric", metavar="X", help="only measurements of this metric")
        parser.add_argument(
            "--measurements", metavar="PATH", help="a CSV file or a folder of them; default: all that the project has"
        )


def run(options: argparse.Namespace) -> bool:
    """Draw the picture and say where it is."""
    from roofline import plots

    _check_place(options.file)
    plots.blank()  # whether matplotlib can be used
    with _style(options.style):
        ax = plots.blank(options.size)
        DRAWN[options.kind](options, ax)
        plots.save(ax, options.file)
    output.write(options.file)
    return True


# --- one function a kind


def _one(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    model, hardware, given = _call(options)
    predicted = predict(model, hardware, **given)
    if options.kind == "waterfall":
        plots.waterfall(predicted, ax, phase=options.phase)
    else:
        plots.roofline(predicted, ax)


def _curve(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    draw = plots.context if options.kind == "context" else plots.batch
    model, hardware, given = _call(options)
    draw(model, hardware, ax, published=not options.no_published, **given)


def _memory(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    model, hardware, given = _call(options)
    lists = {"model": model, "hardware": hardware, **given}
    choices = [value if isinstance(value, list) else [value] for value in lists.values()]
    bars = list(itertools.islice(itertools.product(*choices), MOST_BARS + 1))
    if len(bars) > MOST_BARS:
        raise WorkloadError(f"the lists make more than {MOST_BARS} bars, which is more than one picture shows")
    plots.memory([predict(**dict(zip(lists, bar, strict=True))) for bar in bars], ax)


def _heatmap(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    model, hardware, given = _call(options)
    plots.heatmap(model, hardware, ax, metric=options.metric, **given)


def _pareto(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    model, hardware, given = _call(options)
    plots.pareto(model, hardware, ax, per_device=options.per_device, **given)


def _kv(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots

    model, hardware, given = _call(options)
    plots.kv(model, hardware, ax, **given)


def _accuracy(options: argparse.Namespace, ax: Axes) -> None:
    from roofline import plots
    from roofline.validation import validate

    for name in (*prediction.TEXTS, *prediction.COUNTS, "memory_share"):
        if name == "engine" or getattr(options, name) is None:
            continue
        sys.stderr.write(f"roofline: --{name.replace('_', '-')} makes no difference to this picture\n")
    model, hardware, _ = _call(options)
    counted = 1
    if hardware:
        spec, counted = machine_named(hardware)
        hardware = spec.name if counted > 1 else hardware
    if counted > 1:
        sys.stderr.write(f"roofline: measurements of any number of {hardware} are drawn\n")
    with Progress(0, "rows") as bar:
        found = validate(
            [options.measurements] if options.measurements else [data_folder("measurements"), PUBLISHED],
            model=model or None,
            hardware=hardware or None,
            engine=options.engine,
            metric=options.metric,
            level=0.9 if options.level is None else options.level,
            progress=bar.at,
        )
    plots.expected_against_measured(found, ax)


DRAWN: Mapping[str, Callable[[argparse.Namespace, Any], None]] = {
    "roofline": _one,
    "waterfall": _one,
    "context": _curve,
    "batch": _curve,
    "memory": _memory,
    "heatmap": _heatmap,
    "pareto": _pareto,
    "kv": _kv,
    "accuracy": _accuracy,
}


# --- what was typed


def _call(options: argparse.Namespace) -> tuple[Any, Any, dict[str, Any]]:
    """Return model, hardware and the options of predict that were given; several values are a list.

    Raises
    ------
    WorkloadError
        An option has several values that this kind draws for one.
    """
    names = (*prediction.TEXTS, *prediction.COUNTS, "level", "memory_share")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.assume_known:
        given["assume_known"] = True
    model = _words(options.model or "")
    hardware = _words(" ".join(options.hardware))
    allowed = KINDS[options.kind].several
    for name, value in {"model": model, "hardware": hardware, **given}.items():
        if isinstance(value, list) and "*" not in allowed and name not in allowed:
            what = name.upper() if name in {"model", "hardware"} else f"--{name}"
            raise WorkloadError(f"{what} has {len(value)} values, but a picture of kind {options.kind} takes one")
    return model, hardware, given


def _words(text: str) -> str | list[str | None]:
    """Return a word, or a list of them where commas stand between."""
    words = [word.strip() for word in text.split(",")]
    if len(words) == 1:
        return text
    if not all(words):
        raise WorkloadError(f"cannot read {text!r:.80}: a comma has nothing before or after it")
    return [None if word == sweeping.DEFAULT else word for word in words]


def _texts(text: str) -> str | list[str | None]:
    try:
        return _words(text)
    except WorkloadError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _counts(text: str) -> int | list[int]:
    """Return a count, or a list of them as ``roofline sweep`` takes it."""
    found = sweeping.counts(text)
    return found if "," in text or ".." in text else found[0]


def _size(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)[xX×](\d{1,3}(?:\.\d+)?)", text)
    sides = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not all(LEAST_SIDE <= side <= LARGEST_SIDE for side in sides):
        raise argparse.ArgumentTypeError(
            f"cannot read {text!r}: width x height in inches is wanted, each from {LEAST_SIDE:g} to {LARGEST_SIDE:g}, "
            f"as 8x5"
        )
    return sides


def _check_place(file: str) -> None:
    """Refuse a place that cannot be written to before anything is computed."""
    folder = Path(file).parent
    if not folder.is_dir():
        raise OutputError(f"{file}: there is no folder {folder}")
    if Path(file).is_dir():
        raise OutputError(f"{file}: is a folder; the name of a file is wanted")


@contextlib.contextmanager
def _style(name: str | None) -> Iterator[None]:
    from matplotlib import style

    if name is None:
        yield
        return
    if name not in style.available:
        known = ", ".join(s for s in style.available if not s.startswith("_"))
        raise WorkloadError(f"no style of matplotlib is called {name!r:.60}; there are {known}")
    with style.context(name):
        yield
