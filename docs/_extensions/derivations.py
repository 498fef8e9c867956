"""The page of derivations: each formula as its docstring states it, and as the same function gives it for symbols."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import sympy

from roofline import ops, units
from roofline.operations import Pass
from roofline.ops.cost import Cost
from roofline.specs import load_hardware, load_model
from roofline.transformer import transformer

_PARAMETER = re.compile(
    r"(?P<name>\w+) : (?P<meaning>.*?, (?P<symbol>[A-Za-z]+(_\w+)?)(?=[.;:,]( |$)).*) \[(?P<unit>\S+)\]"
)
_MATH = re.compile(r"\.\. math:: (?P<latex>.*?)\n\n", re.DOTALL)

TOPICS = {
    "matrix": "Matrices",
    "experts": "Experts",
    "attention": "Attention",
    "recurrence": "Recurrence",
    "roofs": "Roofs",
    "collectives": "Links",
    "memory": "Memory",
    "expectation": "What is expected",
}
"""Modules of :mod:`roofline.ops` in reading order."""


PARTS = {
    "flop": "F",
    "weight_bytes": r"Q_{\text{weights}}",
    "kv_bytes": r"Q_{\text{cache}}",
    "state_bytes": r"Q_{\text{state}}",
}


INTRODUCTION = """
Every formula is a function in `roofline.ops`. This page is made from those functions whenever the site is built: first
the formula that the docstring states, then what the function itself gives when it is called with symbols in place of
numbers. Where the two look different, they are two ways to write one thing; where they disagree, the page has found a
mistake of ours. Bytes are $Q$, FLOP $F$, seconds $t$.
""".strip()


TINY = 1e-200

LONGEST = 120
"""Characters of LaTeX that fit on a line."""


class Parameter(NamedTuple):
    """An argument of a formula, as its docstring says it."""

    name: str
    symbol: str
    meaning: str
    unit: str


def formulas(topic: str) -> list[Callable[..., Any]]:
    """Return the functions of one module, in the order of its text."""
    found = [getattr(ops, name) for name in ops.__all__]
    mine = [f for f in found if inspect.isfunction(f) and f.__module__ == f"roofline.ops.{topic}"]
    return sorted(mine, key=lambda function: function.__code__.co_firstlineno)


def topic_of(function: Callable[..., Any]) -> str:
    """Return the last part of the name of a formula's module."""
    return function.__module__.rpartition(".")[2]


def parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the arguments of a formula with their symbols and units."""
    section = _section(inspect.getdoc(function) or "", "Parameters")
    joined = re.sub(r"\n    +", " ", section)
    return [
        Parameter(match["name"], match["symbol"], match["meaning"], match["unit"])
        for line in joined.splitlines()
        if (match := _PARAMETER.fullmatch(line))
    ]


def latex(function: Callable[..., Any]) -> str:
    """Return the formula of a docstring."""
    match = _MATH.search(inspect.getdoc(function) or "")
    return " ".join(match["latex"].split()) if match else ""


def computed(function: Callable[..., Any]) -> dict[str, sympy.Expr]:
    """Return what a formula gives for symbols; of a cost, each part that is not nothing."""
    given: dict[str, Any] = {p.name: sympy.Symbol(p.symbol, positive=True) for p in parameters(function)}
    for name, parameter in inspect.signature(function).parameters.items():
        if "Sequence" in str(parameter.annotation):
            symbol = str(given[name]).partition("_")[0]
            some = [sympy.Symbol(f"{symbol}_{i}", positive=True) for i in (1, 2)]
            given[name] = some[:1] if name == "capacity_bytes" else some
    result = function(**given)
    parts = result._asdict() if isinstance(result, Cost) else {"": result}
    exact = {part: _exact(sympy.sympify(value)) for part, value in parts.items()}
    return {part: value for part, value in exact.items() if value != 0}


def _exact(value: sympy.Expr) -> sympy.Expr:
    """Return an expression with fractions for floats, without those that only keep a denominator from being nothing."""
    tiny = {number: sympy.S.Zero for number in value.atoms(sympy.Float) if abs(number) < TINY}
    return sympy.nsimplify(value.xreplace(tiny), rational=True)


def page() -> str:
    """Return the page in Markdown."""
    parts = [
        "# Derivations",
        INTRODUCTION,
    ]
    for topic, title in TOPICS.items():
        parts += [f"## {title}", *(_formula(function) for function in formulas(topic))]
    parts.append(example())
    return "\n\n".join(parts) + "\n"


def _formula(function: Callable[..., Any]) -> str:
    doc = inspect.getdoc(function) or ""
    rows = [f"| ${latex_symbol(p)}$ | `{p.name}` | {_meaning(p)} | {p.unit} |" for p in parameters(function)]
    given = [_display(_part(part), value) for part, value in computed(function).items()]
    return "\n\n".join(
        [
            f"### `{function.__name__}`",
            _markdown(doc.partition("\n")[0]) + f" {{py:func}}`reference <roofline.ops.{function.__name__}>`",
            f"$$ {latex(function)} $$",
            "\n".join(["| symbol | argument | meaning | unit |", "|---|---|---|---|", *rows]),
            "As the function computes it:",
            *given,
            *(
                _markdown(" ".join(_section(doc, name).split()))
                for name in ("Notes", "References")
                if _section(doc, name)
            ),
        ]
    )


def _display(name: str, value: sympy.Expr) -> str:
    """Return a formula by itself; what stands in a long one more than once gets a letter."""
    if len(sympy.latex(value)) <= LONGEST:
        return f"$$ {name}{sympy.latex(value)} $$"
    repeated, reduced = sympy.cse(value, symbols=sympy.numbered_symbols("x", start=1))
    where = ", \\quad ".join(f"{sympy.latex(symbol)} = {sympy.latex(part)}" for symbol, part in repeated)
    whole = f"$$ {name}{sympy.latex(reduced[0])} $$"
    return f"{whole}\n\nwhere\n\n$$ {where} $$" if repeated else whole


def latex_symbol(p: Parameter) -> str:
    """Return the symbol of an argument as LaTeX."""
    return sympy.latex(sympy.Symbol(p.symbol))


def _meaning(p: Parameter) -> str:
    return re.sub(rf", {p.symbol}(?=[.;:,]( |$))", "", p.meaning, count=1).rstrip(".")


def _part(name: str) -> str:
    return f"{PARTS[name]} = " if name else ""


def _section(doc: str, title: str) -> str:
    """Return the text of a numpydoc section."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n\w[\w ]*\n-+\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace(".. [1] ", "")


def example() -> str:
    """Return a worked example: one decode step of a dense model, put together from the formulas and solved."""
    names = {"batch": "B", "context": "c", "parameters": "P", "weights": "W", "heads": "H", "width": "d", "kv": "b"}
    s = {name: sympy.Symbol(symbol, positive=True) for name, symbol in names.items()}
    beta, pi = sympy.symbols("beta pi", positive=True)
    matrices = ops.matrix(tokens=s["batch"], parameters=s["parameters"], weight_bytes=s["weights"])
    attention = ops.attention(
        sequences=s["batch"],
        pairs=ops.attended_pairs(new_tokens=1, cached=s["context"]),
        read_tokens=s["context"],
        heads=s["heads"],
        d_head=s["width"],
        d_value=s["width"],
        kv_bytes_per_token=s["kv"],
    )
    step = matrices.plus(attention)
    memory = ops.stream_seconds(moved_bytes=step.bytes, bytes_per_s=beta)
    compute = ops.compute_seconds(flop=step.flop, flop_per_s=pi)
    batch = sympy.solve(sympy.Eq(memory, compute), s["batch"])[0]
    context = sympy.solve(sympy.Eq(attention.kv_bytes, matrices.weight_bytes), s["context"])[0]
    numbers = _numbers(s, beta, pi)
    empty = numbers | {s["context"]: 0}
    return textwrap.dedent(rf"""
        ## One decode step, put together

        The same functions, called with symbols and added up: a dense model of $P$ weights in $W$ bytes, with $H$ query
        heads of width $d$ in all layers together and $b$ bytes of cache a token, decodes $B$ sequences of $c$ tokens on
        a device of bandwidth $\beta$ and peak $\pi$.

        $$ Q = {_tex(step.bytes)} \qquad F = {_tex(sympy.factor(step.flop))} $$

        $$ t_{{\text{{memory}}}} = {_tex(memory)} \qquad t_{{\text{{compute}}}} = {_tex(sympy.factor(compute))} $$

        The batch from which on a step is compute-bound (where it is negative, or its denominator zero, memory bounds
        every batch: the cache grows with the batch as the work does):

        $$ B^* = {_tex(batch)} $$

        The context from which on the cache outweighs the weights:

        $$ c^* = {_tex(context)} $$

        With the numbers of `llama-3.1-8b` in bf16 on `h100-sxm`:

        | | |
        |---|---|
        {_rows(s, beta, pi, numbers)}
        | ridge point | {_number(ops.ridge_point(flop_per_s=pi, bytes_per_s=beta).subs(numbers))} FLOP/byte |
        | $B^*$ with an empty cache | {_number(batch.subs(empty))} sequences |
        | $B^*$ at $c = 1024$ | {_or_never(batch.subs(numbers | {s["context"]: 1024}))} |
        | $c^*$ for one sequence | {_number(context.subs(numbers | {s["batch"]: 1}))} tokens |
        | $c^*$ for 64 sequences | {_number(context.subs(numbers | {s["batch"]: 64}))} tokens |
        """)


def _numbers(s: dict[str, sympy.Symbol], beta: sympy.Symbol, pi: sympy.Symbol) -> dict[sympy.Symbol, Any]:
    spec, device = load_model("llama-3.1-8b"), load_hardware("h100-sxm")
    model = transformer(spec, "native", "bf16")
    per_token = Pass(1, 1, 0)
    matrices = [op.cost(per_token) for op in model.operations if op.name != "attention"]
    mixer = spec.architecture.attention["full"]
    return {
        s["parameters"]: sum(cost.flop for cost in matrices) / 2,
        s["weights"]: sum(cost.weight_bytes for cost in matrices),
        s["heads"]: model.layers * mixer.heads,
        s["width"]: mixer.d_head,
        s["kv"]: sum(share.bytes_per_token for share in model.caches),
        beta: device.main_memory.bandwidth.si,
        pi: max(c.peak.si for c in device.compute if c.format == "bf16"),
    }


def _rows(s: dict[str, sympy.Symbol], beta: sympy.Symbol, pi: sympy.Symbol, numbers: dict[sympy.Symbol, Any]) -> str:
    said = {symbol: f"{value:,.0f}" for symbol, value in numbers.items()}
    said |= {symbol: f"{said[symbol]} bytes" for symbol in (s["weights"], s["kv"])}
    said |= {beta: units.text(numbers[beta], "B/s"), pi: units.text(numbers[pi], "FLOP/s")}
    return ("\n" + " " * 8).join(f"| ${sympy.latex(symbol)}$ | {text} |" for symbol, text in said.items())


def _tex(expression: Any) -> str:
    return sympy.latex(sympy.nsimplify(sympy.simplify(expression), rational=True))


def _number(value: Any) -> str:
    return f"{float(value):,.0f}"


def _or_never(value: Any) -> str:
    return f"{_number(value)} sequences" if float(value) > 0 else "none: memory bounds every batch"


def missing() -> Iterator[str]:
    """Yield formulas that no topic has, and arguments whose symbol the docstring's formula does not use."""
    for name in ops.__all__:
        function = getattr(ops, name)
        if inspect.isfunction(function):
            if topic_of(function) not in TOPICS:
                yield f"{name}: its module has no topic"
            known = {p.name for p in parameters(function)}
            yield from (
                f"{name}: {argument} has no symbol"
                for argument in inspect.signature(function).parameters
                if argument not in known
            )
            yield from (
                f"{name}: {p.symbol} is not in its formula"
                for p in parameters(function)
                if not _used(p, latex(function))
            )


def _used(p: Parameter, formula: str) -> bool:
    symbol, plain = (re.sub(r"_\{(\w+)\}", r"_\1", text) for text in (latex_symbol(p), formula))
    plain = plain.replace("{", " ").replace("}", " ")
    return re.search(rf"(?<![A-Za-z\\_]){re.escape(symbol)}(?![A-Za-z_])", plain) is not None
