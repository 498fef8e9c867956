"""Every text that a person reads of a prediction: one line, a page, a table for notebooks."""

from __future__ import annotations

import html as markup
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from roofline import units

if TYPE_CHECKING:
    from roofline.results import OperationTime, Prediction, Rates, Serving

WIDTH = 80
SAME = 0.02
"""Ceiling and streaming are told apart where they differ by this share or more."""


_BEHIND_LABELS = 59
"""What is left of a line of the page behind its labels."""

_MILLION = 999_500  # what rounds to a million


def rate(tokens_per_s: float) -> str:
    """Return a speed as printed: ``"39.8 tok/s"``; from a million on with a prefix, so that lines stay short."""
    if tokens_per_s < _MILLION:
        return f"{units.significant(tokens_per_s)} tok/s"
    return units.text(tokens_per_s, "tok/s")


PRINTED = {"byte": "B", "byte/s": "B/s", "token": "tok", "token/s": "tok/s", "FLOP/byte": "FLOP/B"}
"""Units as they are printed, where that is shorter."""

LARGEST_COUNT = 1e7
"""Counts from here on are printed with an exponent."""


def amount(value: float, unit: str, digits: int = 4) -> str:
    """Return an amount in any unit as printed: ``273.0 GB/s``, ``4,096 tok``, ``26.10 ms``, ``2.73e9``.

    Examples
    --------
    >>> amount(273e9, "byte/s"), amount(4096, "token"), amount(0.0261, "s"), amount(2.73e9, "1")
    ('273.0 GB/s', '4,096 tok', '26.10 ms', '2.730e9')
    """
    printed = PRINTED.get(unit, unit)
    if unit in {"1", "token"}:
        if abs(value) >= LARGEST_COUNT:
            text = f"{value:.{digits - 1}e}".replace("e+0", "e").replace("e+", "e")
        else:
            text = f"{value:,.0f}" if value == round(value) else units.significant(value, digits)
        return text if unit == "1" else f"{text} {printed}"
    if unit in {"token/s", "FLOP/byte"} and abs(value) < LARGEST_COUNT:
        return f"{units.significant(value, digits)} {printed}"
    return units.text(value, printed, digits)


def machine_title(p: Prediction) -> str:
    """Return the hardware as a person calls it: ``"2 × NVIDIA RTX PRO 6000"``."""
    title, in_title = p.titles[1], p.devices_in_title
    return title if p.devices == in_title else f"{p.devices // in_title} × {title}"


def heading(p: Prediction) -> str:
    """Return what runs on what, in one line of the page."""
    return textwrap.shorten(f"{p.titles[0]} on {machine_title(p)}", WIDTH, placeholder=" …")


def one_line(p: Prediction) -> str:
    """Return the prediction in one line, for lists and debuggers."""
    name = p.hardware if p.devices == 1 else f"{p.devices}x {p.hardware}"
    fits = "fits" if p.memory.fits else "does not fit"
    return (
        f"<Prediction {p.model} {p.weights} on {name}: decode ceiling {rate(shown_ceiling(p).tokens_per_s)}, "
        f"{p.decode.bound}-bound, {fits}>"
    )


def shown_ceiling(p: Prediction) -> Rates:
    """Return what is shown as the ceiling: streaming where the two hardly differ, else the ceiling itself."""
    return p.decode.streaming if nearly_streaming(p) else p.decode.ceiling


def nearly_streaming(p: Prediction) -> bool:
    """Whether on-chip memory makes no difference worth showing."""
    return p.decode.streaming.seconds_per_step <= p.decode.ceiling.seconds_per_step * (1 + SAME)


def page(p: Prediction) -> str:
    """Return the page that ``print`` shows: the answer, then why, then what is assumed."""
    lines = [heading(p), workload(p), ""]
    lines += [f"  {label:<8} {name:<9} {value}".rstrip() for label, name, value in _answers(p)]
    lines += ["", *_operations("one decode step", p.decode.ops)]
    if p.prompt_given:
        lines += ["", *_operations(f"prefill of {p.prefill.tokens:,} tokens", p.prefill.ops)]
    lines += ["", *paragraphs("roofs", [_roofs(p)]), *paragraphs("assumes", p.assumptions)]
    lines += paragraphs(
        "sources", [f"roofline show {_shown_as(p.sources[0].url, p.model)} · roofline show {p.hardware}"]
    )
    return "\n".join(lines)


def _shown_as(url: str, name: str) -> str:
    """Return what ``roofline show`` takes: the file that a model was read from, else its name."""
    if not url.startswith("file://"):
        return name
    from urllib.parse import unquote, urlsplit

    return unquote(urlsplit(url).path)


def workload(p: Prediction) -> str:
    """Return the formats and the work in one line of the page."""
    streams = "1 stream" if p.batch == 1 else f"{p.batch:,} streams"
    context = f"{p.context:,} cached tokens" if p.context else "empty cache"
    each = " each" if p.batch > 1 and p.context else ""
    return f"{p.weights} weights · {p.kv} cache · {streams}, {context}{each}"


def _answers(p: Prediction) -> Iterator[tuple[str, str, str]]:
    """Yield (what, which figure, the figure): the answer in a few lines."""
    yield from _decode_speeds(p)
    best = p.prefill.ceiling
    after = f" after {p.cached:,} cached" if p.cached else ""
    time = f"{p.prefill.tokens:,} tokens{after} in {units.text(best.seconds, 's')}"
    yield "prefill", "ceiling", f"{rate(best.tokens_per_s):>15}  {p.prefill.bound}-bound, {time}"
    if p.prefill.expected:
        found = p.prefill.expected
        yield "", "expected", f"{rate(found.tokens_per_s):>15}  {_between(found.low, found.high, found.level)}"
    if p.serving:
        s = p.serving
        yield "serving", "ceiling", f"{rate(s.output_tok_per_s.ceiling):>15}  output of {s.concurrency:,} streams"
        first, step = units.text(s.ttft_s.ceiling, "s"), units.text(s.tpot_s.ceiling, "s")
        yield "", "", f"at best {first} to the first token, {step} for each after it"
        yield from _served(s)
    yield "memory", *_memory(p)
    if not p.memory.fits:
        yield "", "", "the speeds above are hypothetical"
    for index, line in enumerate(_wrapped(_parts(p))):
        yield "", "" if index else "needs", line
    yield "", "at most", _limits(p)


def _decode_speeds(p: Prediction) -> Iterator[tuple[str, str, str]]:
    decode = p.decode
    kept = "" if nearly_streaming(p) else ", on-chip reuse"
    yield "decode", "ceiling", _speed(p, shown_ceiling(p)) + kept
    if kept:
        yield "", "streaming", _speed(p, decode.streaming) + ", all from memory"
    if decode.uniform.seconds_per_step > decode.streaming.seconds_per_step:
        yield "", "uniform", _speed(p, decode.uniform) + ", even routing"
    if decode.expected:
        found = decode.expected
        each = f" {rate(found.tokens_per_s_per_stream).removesuffix('tok/s'):>7}each" if p.batch > 1 else ""
        between = _between(found.low, found.high, found.level)
        yield "", "expected", f"{rate(found.tokens_per_s):>15}{each}  {between}"


def _served(s: Serving) -> Iterator[tuple[str, str, str]]:
    """Yield what to expect of a served workload."""
    out = s.output_tok_per_s
    if out.value is None or out.low is None or out.high is None or out.level is None:
        return
    yield "", "expected", f"{rate(out.value):>15}  {_between(out.low, out.high, out.level)}"
    for name, figure in (("to the first token", s.ttft_s), ("for each after it", s.tpot_s)):
        low, value, high = (units.text(x or 0.0, "s") for x in (figure.low, figure.value, figure.high))
        yield "", "", f"{value} {name}, {low} to {high}"


def _between(low: float, high: float, level: float) -> str:
    """Return an interval in words."""
    return f"{level:.0%} between {rate(low).removesuffix(' tok/s')} and {rate(high).removesuffix(' tok/s')}"


def _speed(p: Prediction, rates: Rates) -> str:
    each = f" {rate(rates.tokens_per_s_per_stream).removesuffix('tok/s'):>7}each" if p.batch > 1 else ""
    return f"{rate(rates.tokens_per_s):>15}{each}  {rates.bound}-bound"


def _memory(p: Prediction) -> tuple[str, str]:
    m = p.memory
    used = f"{units.gib(m.total_bytes)[:-4]} of {units.gib(m.capacity_bytes)}"
    if not m.fits:
        return "too small", f"{used}, {units.gib(m.missing_bytes)} missing"
    return "fits", f"{used}  {bar(m.total_bytes / m.capacity_bytes, 24)}"


def _wrapped(parts: Sequence[str]) -> Iterator[str]:
    """Yield lines of parts that are not broken apart."""
    line = ""
    for part in parts:
        longer = f"{line} · {part}" if line else part
        if line and len(longer) > _BEHIND_LABELS:
            yield line
            longer = part
        line = longer
    yield line


def _parts(p: Prediction) -> list[str]:
    m = p.memory
    parts = [("weights", m.weights_bytes), ("cache", m.kv_bytes), ("state", m.state_bytes)]
    parts += [(p.engine or "", m.overhead_bytes - m.outside_bytes), ("outside its share", m.outside_bytes)]
    return [f"{name} {units.gib(size) if size > 1e8 else units.text(size, 'B')}" for name, size in parts if size]


def _limits(p: Prediction) -> str:
    m = p.memory
    if m.max_context is None:
        return "nothing: no context fits"
    limit = " (model's limit)" if m.max_context == p.max_context_of_model else ""
    batch = f" or batch {_count(m.max_batch)}" if m.max_batch and p.batch > 1 else ""
    said = f"{m.max_context:,} tokens of context{limit}{batch}"
    return said if len(said) <= _BEHIND_LABELS else said.replace(" of context", "")


def _count(number: int) -> str:
    """Return a count as printed: exact, from a million on rounded, so that lines stay short."""
    return f"{number:,}" if number < _MILLION else units.text(number, "").rstrip()


def bar(share: float, width: int) -> str:
    """Return a bar of ``width`` characters, ``share`` of them filled."""
    filled = min(width, round(share * width))
    return "█" * filled + "░" * (width - filled)


def _operations(title: str, operations: tuple[OperationTime, ...]) -> Iterator[str]:
    total = sum(op.seconds for op in operations) or 1.0
    yield f"  {title:<30} {'moves':>9} {'at best':>9}"
    for op in operations:
        share = op.seconds / total
        figures = f"{units.text(op.bytes, 'B'):>9} {units.text(op.seconds, 's'):>9} {share:>4.0%} {op.bound:<8}"
        said = f"    {op.name:<28} {figures}"
        yield (said + bar(share, min(14, WIDTH - len(said))).rstrip("░")).rstrip()
    moved = units.text(sum(op.bytes for op in operations), "B")
    yield f"    {'together':<28} {moved:>9} {units.text(total, 's'):>9}"


def _roofs(p: Prediction) -> str:
    """Return what the times at best divide by."""
    memory = [units.text(p.bytes_per_s, "B/s")] if p.bytes_per_s else []
    return " · ".join([*memory, *(f"{roof.format} {units.text(roof.flop_per_s, 'FLOP/s')}" for roof in p.roofs)])


def paragraphs(label: str, texts: Sequence[str], width: int = WIDTH) -> Iterator[str]:
    """Yield the lines of texts that stand behind one label."""
    for index, text in enumerate(texts):
        head = f"  {label if index == 0 else '':<8} "
        yield from textwrap.wrap(text, width, initial_indent=head, subsequent_indent=" " * 13, break_on_hyphens=False)


def html(p: Prediction) -> str:
    """Return the prediction as HTML for a notebook: the answers and the operations as tables."""
    escape = markup.escape
    answers = "".join(
        f"<tr><th style='text-align:left'>{escape(label)}</th><td style='text-align:left'>{escape(name)}</td>"
        f"<td style='text-align:left'>{escape(value.strip())}</td></tr>"
        for label, name, value in _answers(p)
    )
    operations = "".join(
        f"<tr><td style='text-align:left'>{escape(op.name)}</td><td>{units.text(op.bytes, 'B')}</td>"
        f"<td>{units.text(op.flop, 'FLOP')}</td><td>{units.text(op.seconds, 's')}</td><td>{op.bound}</td></tr>"
        for op in p.decode.ops
    )
    assumptions = "".join(f"<li>{escape(text)}</li>" for text in p.assumptions)
    return (
        f"<p><b>{escape(p.titles[0])}</b> on <b>{escape(machine_title(p))}</b><br>{escape(workload(p))}</p>"
        f"<table>{answers}</table>"
        f"<table><thead><tr><th style='text-align:left'>one decode step</th><th>read</th><th>compute</th>"
        f"<th>at best</th><th>bound</th></tr></thead><tbody>{operations}</tbody></table>"
        f"<details><summary>assumes</summary><ul>{assumptions}</ul></details>"
    )
