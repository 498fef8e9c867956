"""What the pages of ``docs/`` show of the library's own output.

``cog -r docs/*.md docs/*/*.md`` writes it, ``cog --check ...`` compares it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import math  # noqa: TID251 (of single numbers)
import re
import shlex
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from statistics import median, pstdev, quantiles

from matplotlib import rc_context
from readme_output import ROOT, changed, fenced

from roofline import DeviceSpec, load_engine, load_hardware, measurements, predict, results
from roofline.calls import KINDS, UnresolvedError, expected_call, set_aside
from roofline.cli import main
from roofline.errors import RooflineError
from roofline.measurements import PUBLISHED
from roofline.specs import names
from roofline.validation import validate

EXAMPLES = ROOT / "docs" / "examples"


def session(line: str, lines: int | None = None, *, folder: Path = EXAMPLES, errors: bool = True) -> str:
    """Return a command and what it prints, as on a terminal, run beside the examples.

    Parameters
    ----------
    line : the command.
    lines : only so many lines of what it prints.
    folder : where it runs.
    errors : whether to show what goes to standard error as well.
    """
    out = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out if errors else io.StringIO()),
    ):
        main(shlex.split(line)[1:])
    shown = _first(out.getvalue().replace(f"{EXAMPLES}/", ""), lines)
    return fenced(f"$ {_wrapped(line)}\n{shown}", "console")


PICTURES = ROOT / "docs" / "pictures"


def picture(line: str, name: str, text: str) -> str:
    """Return a command that draws, and the picture, which is written beside the pages."""
    path = PICTURES / f"{name}.svg"
    with rc_context({"svg.hashsalt": name}), contextlib.redirect_stdout(io.StringIO()):
        main([*shlex.split(line)[1:], "-o", str(path)])
    drawn = re.sub(r"<dc:date>.*?</dc:date>", "", path.read_text(encoding="utf-8"))
    path.write_text("\n".join(row.rstrip() for row in drawn.splitlines()) + "\n", encoding="utf-8")
    shown = fenced(f"{line} -o {name}.svg", "sh")
    return f"{shown}\n![{text}](../pictures/{name}.svg)\n"


TERMS = {
    "weights and multiplication": {"decode": "weight_bandwidth", "prefill": "multiply_rate"},
    "cache and attention": {"decode": "cache_bandwidth", "prefill": "attend_rate"},
    "kernels": {"decode": "kernel", "prefill": "kernel"},
    "exchange between devices": {"decode": "exchange_without_switch", "prefill": "link_bandwidth"},
    "requests": {"decode": "sequence"},
}
"""The constant that each term of an expected time depends on most."""

SAMPLE = 250
"""Rows of each engine that shares of terms are taken from: evenly through its files."""


def error_budget() -> str:
    """Return what each term adds to the error on a new device: its share of the time, times how unsure its rate is."""
    lines = ["| engine | time | term | share of the time | its constant is unsure by | adds |"]
    lines.append("|---|---|---|---:|---:|---:|")
    rows = [row for file in measurements.files([PUBLISHED]) for row in measurements.read(file)]
    for engine in ("llama.cpp", "vllm", "sglang", "tensorrt-llm"):
        fitted = load_engine(engine).fitted
        for phase, kinds in (("decode", {"decode", "per token"}), ("prefill", {"prefill", "first token"})):
            shares = _shares([row for row in rows if row.engine == engine and KINDS.get(row.metric) in kinds], phase)
            for term, constants in TERMS.items():
                if term not in shares or phase not in constants or fitted is None:
                    continue
                constant = fitted.constants[constants[phase]]
                steps = [math.log(step) for step in constant.by_device.values()]
                unsure = math.hypot(constant.spread, pstdev(steps) if steps else 0.0)
                share = median(shares[term])
                if share >= LEAST_SHARE:
                    lines.append(f"| {engine} | {phase} | {term} | {share:.0%} | {unsure:.0%} | {share * unsure:.1%} |")
    return "\n".join(lines) + "\n"


LEAST_SHARE = 0.01
"""Terms of less of the time are left out."""


def _shares(rows: list[measurements.Measurement], phase: str) -> dict[str, list[float]]:
    """Return the share of each term in the expected time of a phase, for some of the rows."""
    found: list[dict[str, float]] = []
    for row in rows[:: max(len(rows) // SAMPLE, 1)]:
        try:
            set_aside(row)
            call = expected_call(row) | ({"batch": row.batch} if row.batch else {})
            block = getattr(predict(**call), phase)
        except (UnresolvedError, RooflineError):
            continue
        if block.expected:
            total = sum(block.expected.terms.values())
            found.append({term: seconds / total for term, seconds in block.expected.terms.items()})
    return {term: [each.get(term, 0.0) for each in found] for term in TERMS} if found else {}


def _wrapped(command: str) -> str:
    """Return a command on several lines, an option and its value on one."""
    kept = re.sub(r" (?!-)", "\xa0", command)
    lines = textwrap.wrap(kept, 84, break_long_words=False, break_on_hyphens=False)
    return " \\\n    ".join(lines).replace("\xa0", " ")


def python(code: str) -> str:
    """Return code and what it prints when it is run beside the examples, as two code blocks."""
    out = io.StringIO()
    with contextlib.chdir(EXAMPLES), contextlib.redirect_stdout(out):
        exec(code, {})  # noqa: S102 (our own ten lines)
    return fenced(code, "python") + "\n" + fenced(out.getvalue())


def example(name: str) -> str:
    """Return a file of the examples, as a code block."""
    language = {".toml": "toml", ".json": "json"}.get(Path(name).suffix, "text")
    return fenced((EXAMPLES / name).read_text(encoding="utf-8"), language)


def slipped(name: str, changes: dict[str, str]) -> str:
    """Return what lint says of an example with slips in it, as on a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        text = changed((EXAMPLES / name).read_text(encoding="utf-8"), changes)
        (Path(folder) / name).write_text(text, encoding="utf-8")
        return session(f"roofline lint {name}", folder=Path(folder))


def _first(text: str, lines: int | None) -> str:
    shown = text.splitlines()
    kept = shown if lines is None or len(shown) <= lines else [*shown[:lines], "  ..."]
    return "\n".join(kept)


_ATTRIBUTE = re.compile(r"(?P<names>\w+(?:, \w+)*) : (?P<meaning>.*?)(?: \[(?P<unit>[^\]]+)\])?")


def answer_keys() -> str:
    """Return every key of a prediction's JSON with its unit and meaning, from the docstrings, as a table."""
    rows = [f"| `{path}` | {unit} | {meaning} |" for path, unit, meaning in keys(results.Prediction)]
    return "\n".join(["| key | unit | meaning |", "|---|---|---|", *rows]) + "\n"


def keys(kind: type, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (dotted path, unit, meaning) of every key of a result; ``[]`` stands for each item of a list."""
    said = _said(kind)
    for field in dataclasses.fields(kind):
        if not field.metadata.get("json", True):
            continue
        inner = next((c for c in _results() if re.search(rf"\b{c.__name__}\b", str(field.type))), None)
        name = f"{path}{field.name}" + ("[]" if inner and "tuple" in str(field.type) else "")
        yield (name, *said[field.name])
        if inner:
            yield from keys(inner, f"{name}.")


def _results() -> Iterator[type]:
    return (c for c in vars(results).values() if isinstance(c, type) and dataclasses.is_dataclass(c))


def _said(kind: type) -> dict[str, tuple[str, str]]:
    """Return unit and meaning of each attribute of a result, as its docstring says them."""
    if kind is results.ExpectedPrefill:
        return _said(results.ExpectedRates) | _said(results.PrefillRate)
    doc = inspect.getdoc(kind) or ""
    lines = re.sub(r"\n    +", " ", doc.partition("----------\n")[2]).splitlines()
    said = {
        name: (match["unit"] or "", match["meaning"].replace("``", "`").replace("None", "`null`"))
        for line in lines
        if (match := _ATTRIBUTE.fullmatch(line))
        for name in match["names"].split(", ")
    }
    return said | (_said(results.Rates) if kind is results.ExpectedRates else {})


def sizes_left_out() -> str:
    """Return, computed for examples, how large the effect of some omissions is, as a table."""
    llama = predict("llama-3.1-8b", "h100-sxm", weights="bf16", prompt=8192)
    written = llama.memory.kv_bytes_per_token
    rows = [
        (
            "writing the cache",
            "`llama-3.1-8b` in bf16, one decode step",
            f"{written / llama.decode.bytes_per_token:.4%} of its bytes",
        ),
        (
            "writing the cache",
            "the same, prefill of 8,192 tokens",
            f"{8192 * written / llama.prefill.bytes:.1%} of its bytes",
        ),
        *(_routing(batch) for batch in (1, 8, 32, 128)),
        _multiplying(),
        _host_memory(),
        *(
            ("stages of a pipeline wait for each other", f"{k} devices, one stream", f"ceiling {k} times too high")
            for k in (2, 4)
        ),
    ]
    lines = [f"| {what} | {case} | {size} |" for what, case, size in rows]
    return "\n".join(["| what | where | how large |", "|---|---|---|", *lines]) + "\n"


def _routing(batch: int) -> tuple[str, str, str]:
    decode = predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", batch=batch).decode
    ratio = decode.streaming.tokens_per_s / decode.uniform.tokens_per_s
    case = f"`minimax-m2.7` on `dgx-spark`, {batch} stream{'s' * (batch > 1)}, empty cache"
    return "all tokens use the same experts", case, f"`streaming` {ratio:.1f} times `uniform`"


def _multiplying() -> tuple[str, str, str]:
    roofs = {roof.format: roof.flop_per_s for roof in predict("minimax-m2.7", "dgx-spark", weights="nvfp4").roofs}
    ratio = roofs["fp4"] / roofs["bf16"]
    return (
        "multiplying in 16 bits all the same",
        "NVFP4 weights on `dgx-spark`, prefill",
        f"up to {ratio:.0f} times slower",
    )


def _host_memory() -> tuple[str, str, str]:
    shares = {}
    for name in names("hardware"):
        spec = load_hardware(name)
        if isinstance(spec, DeviceSpec) and spec.kind == "gpu" and not spec.main_memory.unified:
            host = sum(link.bandwidth.si for link in spec.links if link.to == "host" and link.bandwidth)
            if host and spec.main_memory.bandwidth:
                shares[name] = host / spec.main_memory.bandwidth.si
    most = max(shares, key=lambda name: shares[name])
    case = f"{len(shares)} GPUs of the catalogue whose link to the host is known"
    return (
        "help from host memory",
        case,
        f"at most {shares[most]:.0%} more bandwidth (`{most}`), median {median(shares.values()):.1%}",
    )


def shares_of_ceilings(least: int = 10) -> str:
    """Return how much of their ceilings engines reached in published measurements of decoding, as a table."""
    found: dict[str, list[float]] = {}
    for row in validate([PUBLISHED], metric="decode_tok_per_s").rows_detail:
        if row.ratio is not None and not row.layout:
            found.setdefault(row.engine, []).append(row.ratio)
    lines = [
        f"| {engine} | {len(shares):,} | {' | '.join(f'{share:.0%}' for share in _spread(shares))} |"
        for engine, shares in sorted(found.items())
        if len(shares) >= least
    ]
    return (
        "\n".join(
            ["| engine | rows | 1 in 10 below | median | 1 in 10 above | most |", "|---|--:|--:|--:|--:|--:|", *lines]
        )
        + "\n"
    )


def _spread(shares: list[float]) -> tuple[float, ...]:
    tenths = quantiles(shares, n=10)
    return tenths[0], median(shares), tenths[-1], max(shares)
