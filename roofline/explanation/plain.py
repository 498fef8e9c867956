"""Formulas as plain text, with symbols or with the numbers put in."""

from __future__ import annotations

import re
from collections.abc import Callable

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from roofline import units
from roofline.explanation.derivation import Formula

GREEK = {"alpha": "α", "beta": "β", "gamma": "γ", "eta": "η", "kappa": "κ", "lambda": "λ", "phi": "φ", "pi": "π"}
GREEK |= {"rho": "ρ", "sigma": "σ", "tau": "τ", "theta": "θ", "omega": "ω", "epsilon": "ε", "chi": "χ", "psi": "ψ"}

LONGEST_SUM = 3
"""A sum of more terms of one kind is written with a sigma."""


def plain_symbol(symbol: sympy.Symbol) -> str:
    """Return a symbol as text: ``W_1`` is ``W1``, ``beta_link`` is ``β_link``."""
    head, _, tail = symbol.name.partition("_")
    head = GREEK.get(head, head)
    if not tail:
        return head
    return f"{head}{tail}" if tail.isdigit() else f"{head}_{tail}"


def plain_formula(formula: Formula) -> str:
    """Return a formula as text; products are juxtaposed: ``(Q - Q0) / β``, ``2 B N1``."""
    return _written(formula, plain_symbol, " ")


def with_numbers(formula: Formula, text_of: Callable[[sympy.Symbol], str]) -> str:
    """Return a formula with the text of a number in place of each symbol: ``(7.15 GB - 86 MB) / 273 GB/s``."""
    return _written(formula, text_of, " × ")


def _written(formula: Formula, text_of: Callable[[sympy.Symbol], str], times: str) -> str:
    shown = _shortened(formula, text_of)
    if shown is not None:
        return shown
    symbols = sorted(formula.free_symbols, key=lambda s: s.name)
    marks = {f"\x01{index}\x02": text_of(symbol) for index, symbol in enumerate(symbols)}
    printer = _Printer(dict(zip(symbols, marks, strict=True)))
    text = printer.doprint(formula)
    text = text.replace("**", "^").replace("*", times).replace("/", " / ")
    return re.sub("\x01[0-9]+\x02", lambda match: marks[match[0]], text)


def _shortened(formula: Formula, text_of: Callable[[sympy.Symbol], str]) -> str | None:
    """Return ``Σ Qi`` or ``Σ Fi / πi`` for a long sum over operations."""
    return LONG_SUMS.get(is_long_sum(formula)) if text_of is plain_symbol else None


LONG_SUMS = {"Q": "Σ Qi", "F": "Σ Fi", "F/pi": "Σ Fi / πi", "V": "Σ Vi"}


def is_long_sum(formula: Formula) -> str:
    """Return what a long sum over operations is of: ``"Q"``, ``"F"``, ``"F/pi"``, ``"V"``; empty: it is no such sum."""
    if not isinstance(formula, sympy.Add) or len(formula.args) <= LONGEST_SUM:
        return ""
    terms: tuple[Formula, ...] = formula.args
    kinds = {frozenset(_INDEX.sub("", symbol.name) for symbol in term.free_symbols) for term in terms}
    if all("F" in kind and len(kind) > 1 for kind in kinds):
        return "F/pi"
    plain = len(kinds) == 1 and all(isinstance(term, sympy.Symbol) for term in formula.args)
    return next(iter(next(iter(kinds)))) if plain else ""


_INDEX = re.compile("_?[0-9]+$")


class _Printer(StrPrinter):
    """Sympy's own printer, with a text of ours for each symbol."""

    def __init__(self, texts: dict[sympy.Symbol, str]) -> None:
        super().__init__()
        self.texts = texts

    def _print_Symbol(self, expr: sympy.Symbol) -> str:
        return self.texts[expr]

    def _print_Float(self, expr: sympy.Float) -> str:
        return units.significant(float(expr), 4)

    def _print_Rational(self, expr: sympy.Rational) -> str:
        return f"{expr.p}/{expr.q}"

    def _print_Add(self, expr: sympy.Add, order: str | None = None) -> str:
        terms: list[Formula] = self._as_ordered_terms(expr, order=order)  # type: ignore[assignment]
        terms = sorted(terms, key=lambda term: term.could_extract_minus_sign())
        text = self.parenthesize(terms[0], PRECEDENCE["Add"])
        for term in terms[1:]:
            sign, shown = (" - ", -term) if term.could_extract_minus_sign() else (" + ", term)
            text += sign + self.parenthesize(shown, PRECEDENCE["Add"])
        return text

    def _print_Max(self, expr: sympy.Max) -> str:
        return f"max({self._arguments(expr)})"

    def _print_Min(self, expr: sympy.Min) -> str:
        return f"min({self._arguments(expr)})"

    def _arguments(self, expr: Formula) -> str:
        return ", ".join(sorted((self._print(argument) for argument in expr.args), key=lambda text: (len(text), text)))
