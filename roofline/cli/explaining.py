"""``roofline explain``: how the figures of a prediction follow."""

from __future__ import annotations

import argparse

from roofline.cli import output, prediction
from roofline.errors import WorkloadError


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "explain",
        help="how each figure of a prediction follows, with the source of every number",
        description="How each figure of a prediction follows: formulas, the numbers put in, and where each was read.",
        epilog="Example: roofline explain minimax-m2.7 dgx-spark --figure decode.ceiling.tokens_per_s",
    )
    prediction.add_arguments(parser)
    parser.add_argument("--figure", metavar="PATH", help="one figure, as decode.ceiling.tokens_per_s; default: all")
    parser.add_argument(
        "--sensitivity", action="store_true", help="what more of each input would change, instead of formulas"
    )
    parser.add_argument("--latex", action="store_true", help="the formulas in LaTeX")
    parser.add_argument("--json", action="store_true", help="formulas and numbers as JSON, in SI units, unrounded")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print the explanation, or the sensitivity."""
    if options.sensitivity:
        if options.latex:
            raise WorkloadError("sensitivities are numbers, not formulas: leave out --latex or --sensitivity")
        strongest = prediction.predicted(options).sensitivity(options.figure or "decode.ceiling.tokens_per_s")
        output.write(strongest.to_json() if options.json else str(strongest))
        return True
    if options.latex and options.json:
        raise WorkloadError("--latex and --json are both given; the JSON holds the LaTeX too")
    found = prediction.predicted(options).explain(options.figure)
    if options.json:
        output.write(found.to_json())
    else:
        output.write(found.to_latex() if options.latex else str(found))
    return True
