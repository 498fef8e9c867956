"""Derivations: how every figure of a prediction follows, made by putting symbols into the functions that compute it."""

from roofline.explanation.derivation import ClosedForm, Explanation, Given, Row, Section, Step
from roofline.explanation.explaining import explain

__all__ = ["ClosedForm", "Explanation", "Given", "Row", "Section", "Step", "explain"]
