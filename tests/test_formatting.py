"""What people read: one line, a page of 80 columns, a table."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from strategies import batches, contexts, hardware, models, weights

import roofline
from roofline import formatting


def test_the_line():
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs")
    assert repr(p) == "<Prediction minimax-m2.7 ud-iq4_xs on dgx-spark: decode ceiling 39.8 tok/s, memory-bound, fits>"
    p = roofline.predict("llama-3.1-70b", "2x rtx-4090")
    assert repr(p).endswith("on 2x rtx-4090: decode ceiling 14.5 tok/s, memory-bound, does not fit>")


def test_what_an_engine_needs_keeps_to_the_page():
    p = roofline.predict("gpt-oss-120b", "2x rtx-pro-6000", engine="vllm", batch=8, context=8192)
    lines = str(p).splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith("           needs     weights"))
    assert lines[first].endswith("vllm 4.1 GiB")
    assert lines[first + 1].strip() == "outside its share 19.1 GiB"
    assert max(map(len, lines)) <= 80


@given(models, hardware, weights, batches, contexts)
@example("deepseek-v4-flash", "a10", "native", 222, 1780)  # a long name
@example("deepseek-v4-flash", "grace", "native", 2, 0)  # many tokens of context
@example("qwen3.6-35b-a3b", "sn40l-16", "native", 2, 0)  # a million tokens a second
def test_the_page_keeps_to_80_columns_and_says_the_answer_first(model, box, recipe, batch, context):
    p = roofline.predict(model, box, weights=recipe, batch=batch, context=context, prompt=64)
    lines = str(p).splitlines()
    assert lines[0] == formatting.heading(p)
    assert lines[3].startswith("  decode   ceiling")
    long = [line for line in lines if len(line) > 80]
    assert not long, long
    words = " ".join(str(p).split())
    for text in p.assumptions:
        assert " ".join(text.split()) in words


def test_titles_too_long_for_a_line_are_cut():
    short, long = roofline.predict("llama-3.1-8b", "h100-sxm"), roofline.predict("deepseek-r1", "rtx-4090-genoa")
    assert formatting.heading(short) == f"Llama-3.1-8B on {short.titles[1]}"
    cut = formatting.heading(long)
    assert len(cut) <= 80
    assert cut.endswith(" …")
    assert f"DeepSeek-R1 on {long.titles[1]}".startswith(cut.removesuffix(" …"))


def test_ceiling_and_streaming_are_told_apart_where_they_differ():
    same = str(roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs"))
    assert "streaming  " not in same
    apart = str(roofline.predict("gpt-oss-120b", "16x sn40l"))
    assert re.search(r"decode   ceiling +995,000 tok/s  compute-bound, on-chip reuse", apart)
    assert re.search(r"streaming +5,120 tok/s  memory-bound, all from memory", apart)


def test_uniform_is_shown_where_experts_spread():
    assert "uniform" not in str(roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs")).split("assumes")[0]
    page = str(roofline.predict("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", kv="bf16", batch=128, context=256))
    assert re.search(r"uniform +3,290 tok/s +25.7 each  memory-bound, even routing", page)


def test_what_does_not_fit_says_how_much_is_missing():
    lines = str(roofline.predict("llama-3.1-70b", "h100-sxm", weights="f16")).splitlines()
    at = lines.index("  memory   too small 131.4 of 79.6 GiB, 51.8 GiB missing")
    assert lines[at + 1].strip() == "the speeds above are hypothetical"
    assert lines[at + 3] == "           at most   nothing: no context fits"


def test_html_escapes_and_holds_the_answer():
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs")
    html = p._repr_html_()
    assert "39.8 tok/s" in html
    assert html.count("<table>") == html.count("</table>") == 2
    assert "experts, 8 of 256" in html
    assert not re.search(r"&(?!\w+;|#)", html)


@pytest.mark.parametrize(("share", "text"), [(0, "░░░░"), (0.5, "██░░"), (1, "████"), (1.4, "████")])
def test_bars(share, text):
    assert formatting.bar(share, 4) == text
