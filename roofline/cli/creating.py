"""``roofline new``: a spec file of one's own to begin with."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from roofline.cli import output
from roofline.errors import OutputError, SpecError
from roofline.specs import names
from roofline.templates import KINDS, copy, spec_name, template

NEXT = {"hardware": "roofline predict llama-3.1-8b {path}", "model": "roofline predict {path} h100-sxm"}


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "new",
        help="begin a spec file of your own, from a commented template or from one that is there",
        description="Begin a spec file of your own: a template whose comments say what each key means, in what unit, "
        "and where to look; or a copy of a spec that is there.",
    )
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=" or ".join(KINDS))
    parser.add_argument("name", metavar="NAME", help="its name, in lower case, as my-box")
    parser.add_argument("--from", dest="existing", metavar="EXISTING", help="begin with a copy of this one")
    parser.add_argument("--output", metavar="FILE", help="file or folder to write to; default: NAME.toml")
    parser.add_argument("--force", action="store_true", help="overwrite the file; take the name of another spec")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Write the file and say what comes next."""
    kind, name = options.kind, spec_name(options.name)
    path = _path(name, options.output)
    if not options.force and name in names(kind):
        raise SpecError(
            f"a {kind} is called {name!r} already, and would be hidden; choose another name, or say --force"
        )
    text = copy(kind, name, options.existing) if options.existing else template(kind, name, dt.datetime.now().date())  # noqa: DTZ005 (the reader's own day)
    _write(path, text, overwrite=options.force)
    shown = str(path) if path.is_absolute() else f"./{path}"
    steps = [f"roofline lint {shown}", NEXT[kind].format(path=shown)]
    if options.json:
        output.write_json({"kind": kind, "name": name, "file": str(path), "next": steps})
    else:
        what = "change what differs in it" if options.existing else "fill in what says FILL IN"
        output.write("\n".join([f"wrote {path}: {what}, then", *(f"  {step}" for step in steps)]))
    return True


def _path(name: str, given: str | None) -> Path:
    path = Path(given or f"{name}.toml")
    if path.is_dir():
        path /= f"{name}.toml"
    if path.name != f"{name}.toml":
        raise SpecError(
            f"the file of {name!r} must be called '{name}.toml', not {path.name!r:.80}; file and name agree"
        )
    return path


def _write(path: Path, text: str, *, overwrite: bool) -> None:
    try:
        with path.open("w" if overwrite else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OutputError(f"{path} is there already; choose another name or folder, or say --force") from None
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from None
