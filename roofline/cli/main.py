"""The ``roofline`` command and its verbs."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import roofline
from roofline.cli import (
    comparing,
    creating,
    explaining,
    fitting,
    linting,
    listing,
    output,
    plotting,
    prediction,
    showing,
    solving,
    sweeping,
    validating,
)
from roofline.errors import RooflineError, WorkloadError

VERBS = (
    prediction,
    explaining,
    solving,
    sweeping,
    plotting,
    listing,
    showing,
    comparing,
    validating,
    fitting,
    creating,
    linting,
)
"""Modules that add a verb each, in the order of the help."""

DONE, FAILED, USAGE, ANSWER_IS_NO = 0, 1, 2, 3


class _Once(argparse.Action):
    """Store a value, and refuse a second one: which of the two is meant cannot be known."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        given: set[str] = getattr(namespace, "_given", set())
        if self.option_strings and self.dest in given:
            parser.error(f"{option_string} is given twice")
        namespace._given = given | {self.dest}
        setattr(namespace, self.dest, values)


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence, and that takes an option once."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"roofline: {message} (see '{self.prog} --help')\n")
        raise SystemExit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="roofline",
        description="What is the ceiling of this model on this box, what fits, and why?",
        epilog="Example: roofline predict minimax-m2.7 dgx-spark --weights ud-iq4_xs --context 128k",
    )
    parser.add_argument("--version", action="version", version=f"roofline {roofline.__version__}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    for module in VERBS:
        module.add(verbs)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : what follows the command's name; ``sys.argv`` when None.

    Returns
    -------
    int
        0 done, 1 failed, 2 wrong usage, 3 the answer is no (with ``--strict``).
    """
    with warnings.catch_warnings():
        warnings.showwarning = functools.partial(_warning, set())
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        options = _parser().parse_args(arguments)
        run: Callable[[argparse.Namespace], bool] = options.run
        good = run(options)
        output.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else USAGE
    except BrokenPipeError:
        # The reader went away (as in "| head"): what it wanted, it has. Nothing is left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except RooflineError as error:
        sys.stderr.write(f"roofline: {error}\n")
        return USAGE if isinstance(error, WorkloadError) else FAILED
    except OSError as error:
        sys.stderr.write(f"roofline: {error}\n")
        return FAILED
    except KeyboardInterrupt:
        sys.stderr.write("roofline: interrupted\n")
        return 130
    return DONE if good or not getattr(options, "strict", False) else ANSWER_IS_NO


def _warning(said: set[str], message: Warning | str, category: type[Warning], *_: object) -> None:
    if str(message) in said:
        return
    said.add(str(message))
    sys.stderr.write(f"roofline: {category.__name__}: {message}\n")
