"""Checking a spec file: its schema and sources, the identities of its numbers, and what looks wrong beside its like.

An identity is arithmetic between numbers of one file: a peak is units x rate x clock, a bandwidth is bus width x data
rate, a model has as many parameters as were counted. What looks wrong is compared with the built-in specs. A warning
about a value that is right all the same is answered in the file, in ``[unusual]``: the key and the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from roofline.lint.engine import engine_findings
from roofline.lint.finding import Finding
from roofline.lint.hardware import device_findings, system_findings
from roofline.lint.model import model_findings
from roofline.lint.release import release_findings
from roofline.lint.schema import checked
from roofline.specs.engine import EngineSpec
from roofline.specs.hardware import DeviceSpec, SystemSpec
from roofline.specs.model import ModelSpec
from roofline.specs.provenance import Spec

__all__ = ["Finding", "Report", "findings", "lint"]


@dataclass(frozen=True, slots=True)
class Report:
    """What lint has to say of one file.

    Attributes
    ----------
    path : the file.
    kind : ``"hardware"``, ``"model"``, ``"engine"``, or None where it cannot be told.
    findings : errors first, then warnings, then notes.
    """

    path: Path
    kind: str | None
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Return how many findings are of this level."""
        return sum(finding.level == level for finding in self.findings)


def lint(path: str | Path) -> Report:
    """Check one spec file.

    Parameters
    ----------
    path : a TOML file; no file at all is an error among the findings like any other.

    Returns
    -------
    Report

    Examples
    --------
    >>> from roofline.specs.catalog import find
    >>> lint(find("h100-sxm", "hardware")).count("warning")
    0
    """
    kind, spec, broken = checked(Path(path))
    found = [*broken, *(findings(spec) if spec else ())]
    order = ("error", "warning", "note")
    return Report(Path(path), kind, tuple(sorted(found, key=lambda finding: order.index(finding.level))))


def findings(spec: Spec) -> tuple[Finding, ...]:
    """Return what can be said of a spec that follows the schema, with the answers of its ``[unusual]`` table."""
    return tuple(_answered(spec, [*release_findings(spec), *_of_kind(spec)]))


def _of_kind(spec: Spec) -> Iterator[Finding]:
    match spec:
        case DeviceSpec():
            yield from device_findings(spec)
        case SystemSpec():
            yield from system_findings(spec)
        case ModelSpec():
            yield from model_findings(spec)
        case EngineSpec():
            yield from engine_findings(spec)


def _answered(spec: Spec, found: list[Finding]) -> Iterator[Finding]:
    """Yield findings, warnings that the file answers as notes; an answer to nothing is a warning of its own."""
    for finding in found:
        why = spec.unusual.get(finding.key) if finding.level == "warning" else None
        yield Finding("note", finding.key, f"{finding.text}; [unusual] says: {why}") if why else finding
    for key in sorted(spec.unusual.keys() - {finding.key for finding in found if finding.level == "warning"}):
        yield Finding("warning", f"unusual.{key}", "answers no warning about that key: remove it")
