"""``roofline solve``: what it would take."""

from __future__ import annotations

import argparse

import roofline
from roofline.cli import output, prediction


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "solve",
        help="what it would take to reach a speed, a time or a size",
        description="What one input must be for a figure to reach a target; where none is enough, what binds.",
        epilog="Example: roofline solve minimax-m2.7 dgx-spark --target '50 tok/s' --for bandwidth",
    )
    parser.add_argument("--target", required=True, metavar="T", help="as '50 tok/s', '20 ms', '100 GiB', '32k tok'")
    parser.add_argument(
        "--for",
        dest="for_",
        required=True,
        metavar="INPUT",
        help="batch, context, prompt, output, cached, concurrency, devices, bandwidth, peak, link, capacity, weights, "
        "kv or top_k",
    )
    parser.add_argument("--of", metavar="PATH", help="the figure, as decode.ceiling.tokens_per_s; default: by the unit")
    prediction.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the numbers in SI units, unrounded, as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if no value reaches the target")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print the solution; False if there is none."""
    found = roofline.solve(
        options.model,
        " ".join(options.hardware),
        target=options.target,
        for_=options.for_,
        of=options.of,
        **prediction.given(options),
    )
    output.write(found.to_json() if options.json else str(found))
    return found.reached
