"""An explanation as a page of text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from roofline.explanation.derivation import ClosedForm, Explanation, Given, Row, Section, Step
from roofline.explanation.plain import plain_formula, plain_symbol, with_numbers
from roofline.formatting import amount
from roofline.results import Citation

WIDTH = 100


class _Sources:
    """Numbers of the sources, in the order in which they are first cited."""

    def __init__(self) -> None:
        self.numbers: dict[tuple[str, str], int] = {}

    def marks(self, citations: Iterable[Citation]) -> str:
        """Return ``[1][3]``."""
        found = sorted({self.numbers.setdefault((c.source, c.url), len(self.numbers) + 1) for c in citations})
        return "".join(f"[{number}]" for number in found)


def page(e: Explanation) -> str:
    """Return the explanation as text: each section's figures, their operations, the numbers put in; then sources."""
    sources = _Sources()
    said: set[tuple[str, str]] = set()
    lines = [e.title, e.workload]
    for section in e.sections:
        lines += ["", *_section(section, sources, said)]
    if e.closed_forms:
        lines += ["", *_closed(e, sources, said)]
    if sources.numbers:
        lines += ["", "sources"]
        for (source, url), number in sources.numbers.items():
            lines += _wrapped(source, f"  [{number}] ".ljust(7))
            lines += [f"       {url}"] if url else []
    return "\n".join(line.rstrip() for line in lines)


def _section(section: Section, sources: _Sources, said: set[tuple[str, str]]) -> Iterator[str]:
    yield section.title
    values = _texts([*section.givens, *section.every_step()])
    group = None
    for step in section.steps:
        here = _group(step.path) or group
        if group is not None and here != group:
            yield ""
        group = here
        yield from _step(step, values)
    if section.rows:
        yield ""
        yield from _rows(section, values, sources, said)
    givens = [given for given in section.givens if given.operation is None]
    yield from _where(givens, sources, said)
    for note in section.notes:
        yield from _wrapped(note, "  ")


def _group(path: str) -> str:
    """Return what figures of one paragraph have in common."""
    first, *between, _ = path.split(".") if "." in path else (path, "")
    return first if first == "serving" else ".".join([first, *between]).rstrip(".")


def _texts(numbers: Sequence[Given | Step]) -> dict[str, str]:
    return {number.symbol.name: amount(number.value, number.unit) for number in numbers}


def _step(step: Step, values: dict[str, str]) -> Iterator[str]:
    """Yield a step: formula, numbers, result, and beside them which figure it is."""
    symbol, formula = plain_symbol(step.symbol), plain_formula(step.formula)
    result, about = amount(step.value, step.unit), step.path or step.meaning
    parts = [f"{symbol} = {formula}"]
    if "Σ" not in formula:
        parts.append(with_numbers(step.formula, lambda s: values[s.name]))
    parts.append(result)
    parts = [part for index, part in enumerate(parts) if index == 0 or part != parts[index - 1]]
    if step.formula == 0:
        parts = [f"{symbol} = {result}"]
    line = "  " + " = ".join(parts)
    if len(line) + 2 + len(about) <= WIDTH:
        yield line + about.rjust(WIDTH - len(line))
        return
    lead = "  " + " " * len(symbol) + " = "
    head = "  " + parts[0]
    if len(head) + 2 + len(about) <= WIDTH:
        yield head + about.rjust(WIDTH - len(head))
    else:
        yield about.rjust(WIDTH)
        yield from _wrapped(parts[0], "  ", len(symbol) + 5)
    tail = " = ".join(parts[1:])
    if len(lead) + len(tail) <= WIDTH:
        yield lead + tail
    else:
        for part in parts[1:]:
            yield from _wrapped(part, lead)


def _rows(section: Section, values: dict[str, str], sources: _Sources, said: set[tuple[str, str]]) -> Iterator[str]:
    """Yield the operations: what each reads and computes, how that follows, and its own least time."""
    name = max(40, *(len(row.name) for row in section.rows))
    yield f"     {'operation':<{name}} {'reads':>9} {'computes':>12}  {'roof':<8} {'at best':>10}".rstrip()
    for row in section.rows:
        read, computed = _amount_of(row, "Q"), _amount_of(row, "F")
        roof = row.roof if len(row.roof) <= 8 else "mixed"
        time = amount(row.seconds, "s", 3)
        yield f"  {row.number:>2} {row.name:<{name}} {read:>9} {computed:>12}  {roof:<8} {time:>10} {row.bound}"
        given = _new([g for g in section.givens if g.operation == row.number], said)
        formulas = [f"{plain_symbol(s.symbol)} = {plain_formula(s.formula)}" for s in row.steps]
        if roof == "mixed":
            formulas.append(f"roofs {row.roof}")
        yield from _wrapped(" · ".join(formulas), "     ", 7)
        facts = [
            f"{plain_symbol(g.symbol)} {values[g.symbol.name]} {g.meaning} {sources.marks(g.sources)}".strip()
            for g in given
        ]
        yield from _wrapped("; ".join(facts), "       ")


def _amount_of(row: Row, letter: str) -> str:
    for step in row.steps:
        if step.symbol.name.startswith(letter):
            return amount(step.value, step.unit, 3)
    return "-"


def _where(givens: Sequence[Given], sources: _Sources, said: set[tuple[str, str]]) -> Iterator[str]:
    """Yield the numbers put in that were not said before."""
    new = _new(givens, said)
    if not new:
        return
    yield ""
    left = max(len(plain_symbol(given.symbol)) for given in new)
    middle = max(len(amount(given.value, given.unit)) for given in new)
    for given in new:
        head = f"  {plain_symbol(given.symbol):<{left}}  {amount(given.value, given.unit):>{middle}}  "
        yield from _wrapped(f"{given.meaning} {sources.marks(given.sources)}".strip(), head)


def _new(givens: Sequence[Given], said: set[tuple[str, str]]) -> list[Given]:
    """Return the givens that were not said before, and note that they are."""
    new = [given for given in givens if (given.symbol.name, given.meaning) not in said]
    said.update((given.symbol.name, given.meaning) for given in new)
    return new


def _closed(e: Explanation, sources: _Sources, said: set[tuple[str, str]]) -> Iterator[str]:
    yield "where things change"
    values = _texts(e.closed_givens)
    for form in e.closed_forms:
        yield from _closed_form(form, values)
    yield from _where(e.closed_givens, sources, said)


def _closed_form(form: ClosedForm, values: dict[str, str]) -> Iterator[str]:
    found = "none" if form.value is None else amount(form.value, form.unit)
    said = f"{form.meaning}; {form.note}" if form.note else form.meaning
    yield from _wrapped(said, f"  {form.key:<30} {found:>13}  ")
    if form.step:
        formula, numbers = plain_formula(form.step.formula), with_numbers(form.step.formula, lambda s: values[s.name])
        text = f"{plain_symbol(form.step.symbol)} = {formula} = {numbers}"
        yield from _wrapped(text, " " * 6, 8)


def _wrapped(text: str, lead: str, after: int | None = None) -> list[str]:
    """Return the text in lines of the page, the first with ``lead`` before it."""
    indent = " " * (len(lead) if after is None else after)
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )
