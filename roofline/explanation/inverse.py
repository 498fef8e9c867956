"""What it would take, as a formula: the time of a decode step solved for one of its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from roofline.explanation.closed_forms import bytes_read_a_token, positive_first
from roofline.explanation.derivation import Formula, Ledger, Step, tidy
from roofline.explanation.plain import plain_symbol
from roofline.explanation.symbolic import symbolic_machine
from roofline.formatting import amount
from roofline.results import Prediction

if TYPE_CHECKING:
    from roofline.solving import Solution

UNKNOWNS = {"bandwidth": "beta", "batch": "B", "context": "c"}
"""What can be solved for in closed form while memory bounds, and its symbol."""

CLOSE = 1e-6
"""A formula is kept where it agrees with the number that was found to this share. [1]"""


def closed_form(solution: Solution, base: Prediction) -> Step | None:
    """Return the value of a solution as a formula; None where the algebra does not allow it.

    Parameters
    ----------
    solution : what was found numerically.
    base : a prediction of the same model and machine with the same options.

    Returns
    -------
    Step or None
        A formula that gives the number found, or the number before it was made whole.
    """
    words = solution.of.split(".")
    if len(words) != 3 or words[0] != "decode" or words[1] not in {"ceiling", "streaming", "uniform"}:
        return None
    if solution.binding != "memory" or solution.for_ not in UNKNOWNS:
        return None
    setting, work, _ = base.origin
    if not setting.transformer.linear or (words[1] == "uniform" and solution.for_ == "batch"):
        return None
    ledger = Ledger()
    machine = symbolic_machine(setting, ledger)
    at: Any = solution.prediction.decode
    weights = at.weight_bytes
    if words[1] == "uniform":
        weights = at.uniform.seconds_per_step * solution.prediction.bytes_per_s - at.kv_bytes - at.state_bytes

    def given(name: str, value: float, unit: str) -> Any:
        return ledger.given(name, value, unit, "") if value else 0

    batch, context = given("B", work.batch, "1"), ledger.given("c", work.context, "token", "")
    state, cached = (
        given("S_1", setting.transformer.state_bytes, "byte"),
        given("b", bytes_read_a_token(setting.transformer), "byte"),
    )
    moved = given("W", weights, "byte") + batch * (state + cached * context)
    target = ledger.given("T" if words[2] == "seconds_per_step" else "r", solution.target, solution.target_unit, "")
    seconds = {"seconds_per_step": target, "tokens_per_s": batch / target, "tokens_per_s_per_stream": 1 / target}[
        words[2]
    ]
    reading = tidy(machine.memory_seconds(moved) if words[1] == "ceiling" else machine.streaming_seconds(moved))
    unknown = sympy.Symbol(UNKNOWNS[solution.for_], positive=True)
    for line in reading.args if isinstance(reading, sympy.Max) else (reading,):
        for root in sympy.solve(line - seconds, unknown):
            step = _checked(root, unknown, ledger, solution)
            if step:
                return step
    return None


def _checked(root: Formula, unknown: sympy.Symbol, ledger: Ledger, solution: Solution) -> Step | None:
    """Return the root as a step if it gives the number that was found."""
    if unknown in root.free_symbols:
        return None
    found = Ledger(dict(ledger.values)).step(unknown.name, positive_first(root), solution.unit, "")
    value: Any = solution.value
    near = abs(found.value - value) <= (1 + CLOSE if isinstance(value, int) else CLOSE * value)
    if not near:
        return None
    numbers = [
        f"{plain_symbol(g.symbol)} = {amount(g.value, g.unit)}".replace(" ", "\u00a0")
        for g in ledger.givens
        if g.symbol in found.formula.free_symbols
    ]
    return Step(found.symbol, found.formula, found.value, found.unit, f"with {', '.join(numbers)}")
