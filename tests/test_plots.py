"""Pictures: the numbers that they show, in whose axes, in which style, and what they refuse."""

from __future__ import annotations

import dataclasses
import itertools
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import roofline
import roofline.plots
from roofline import measurements
from roofline.errors import OutputError, PictureError, WorkloadError
from roofline.validation import validate

SPARK = {"model": "minimax-m2.7", "hardware": "dgx-spark", "weights": "ud-iq4_xs", "engine": "llama.cpp"}


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(5, 3.2), layout="constrained").subplots()


@pytest.fixture
def prediction():
    return roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=4096)


@pytest.fixture
def expected():
    return roofline.predict(**SPARK, context=4096)


def labelled(ax, label):
    """Return the line whose label begins so."""
    return next(line for line in ax.lines if str(line.get_label()).startswith(label))


def texts(ax):
    return [text.get_text() for text in ax.texts]


# --- the roofline


def test_every_operation_stands_on_its_roof(prediction):
    ax = roofline.plots.roofline(prediction)
    drawn = {collection.get_label(): collection.get_offsets()[0] for collection in ax.collections}
    for phase, operations in (("decode", prediction.decode.ops), ("prefill", prediction.prefill.ops)):
        for op in operations:
            x, y = drawn[f"{phase} {op.name}"]
            if op.bound == "memory":
                assert y == pytest.approx(x * 273e9)
            else:
                assert y == pytest.approx(op.flop / op.seconds)
            if op.bytes:
                assert x == pytest.approx(op.flop / op.bytes, rel=0.25)  # side by side with its equals


def test_roofs_meet_the_slope_at_their_ridges(prediction):
    ax = roofline.plots.roofline(prediction)
    ridges = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "D"}
    assert ridges == {peak: pytest.approx(peak / 273e9) for peak in (500e12, 250e12, 125e12, 62.5e12)}
    assert any("bf16 125 TFLOP/s, ridge 458" in text for text in texts(ax))


def slopes(ax):
    """Return the bandwidth of each slope, and how it is drawn."""
    found = {}
    for line in ax.lines:
        x, y = line.get_xdata(), line.get_ydata()
        if len(x) == 2 and x[0] < x[1] and y[0] < y[1] and line.get_linestyle() in {"-", "--"}:
            assert y[0] / x[0] == pytest.approx(y[1] / x[1])
            found[round(y[0] / x[0])] = line.get_linestyle()
    return found


def test_each_memory_with_a_bandwidth_is_a_slope(ax):
    roofline.plots.roofline(roofline.predict("llama-3.1-8b", "sn40l"), ax)
    assert slopes(ax) == {1_600_000_000_000: "-", 200_000_000_000: "--"}
    assert {"HBM 1.60 TB/s", "DDR 200 GB/s"} <= set(texts(ax))


def test_a_memory_on_the_chip_is_a_slope_too(ax, tmp_path):
    from test_specs import DEVICE

    sram = """
[[memory]]
name = "SRAM"
role = "on-chip"
capacity = { value = "50 MB", source = "sheet" }
bandwidth = { value = "20 TB/s", source = "sheet" }

[[memory]]
name = "HBM\""""
    (tmp_path / "box.toml").write_text(DEVICE.replace('\n[[memory]]\nname = "HBM"', sram))
    roofline.plots.roofline(roofline.predict("llama-3.1-8b", tmp_path / "box.toml", devices=2), ax)
    assert slopes(ax) == {40_000_000_000_000: "--", 4_000_000_000_000: "-"}


def test_an_operation_without_a_known_peak_stands_on_the_slope_beyond_the_roofs(ax):
    p = roofline.predict("minimax-m2.7", "sn40l-16", prompt=32768)  # no peak for the router's 32-bit operands
    roofline.plots.roofline(p, ax)
    x, y = next(c for c in ax.collections if c.get_label() == "prefill router").get_offsets()[0]
    assert y == pytest.approx(x * 25.6e12)
    assert y > p.roofs[0].flop_per_s
    dotted = [line for line in ax.lines if line.get_linestyle() == ":"]
    assert [list(line.get_xdata()) for line in dotted] == [
        [pytest.approx(10.2e15 / 25.6e12, rel=0.01), pytest.approx(x)]
    ]


def test_axes_are_logarithmic_and_carry_units(prediction):
    ax = roofline.plots.roofline(prediction)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("arithmetic intensity [FLOP/byte]", "performance [FLOP/s]")
    assert "MiniMax-M2.7 on NVIDIA DGX Spark" in ax.get_title(loc="left")


def test_a_machine_without_a_bandwidth_has_no_roofline(tmp_path):
    from test_specs import DEVICE

    (tmp_path / "box.toml").write_text(DEVICE.replace('bandwidth = { value = "2 TB/s", source = "sheet" }', ""))
    p = roofline.predict("llama-3.1-8b", tmp_path / "box.toml")
    with pytest.raises(PictureError, match="box has no known bandwidth or no known peak, so it has no roofline"):
        roofline.plots.roofline(p)


# --- the waterfall


def bars(container):
    return [(bar.get_x(), bar.get_width()) for bar in container]


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_a_waterfall_falls_term_by_term_to_what_is_expected(ax, expected, phase):
    roofline.plots.waterfall(expected, ax, phase=phase)
    found = expected.decode.expected if phase == "decode" else expected.prefill.expected
    whole = found.seconds_per_step if phase == "decode" else found.seconds
    terms, total, interval, ceiling = ax.containers
    assert [width for _, width in bars(terms)] == pytest.approx(list(found.terms.values()))
    ends = [start + width for start, width in bars(terms)]
    assert [start for start, _ in bars(terms)] == pytest.approx([0, *ends[:-1]])
    assert ends[-1] == pytest.approx(whole)
    assert bars(total) == [(0, pytest.approx(whole))]
    (segment,) = interval.lines[2][0].get_segments()
    work = 1 if phase == "decode" else 4096
    assert segment[:, 0] == pytest.approx([work / found.high, work / found.low])
    least = expected.decode.ceiling.seconds_per_step if phase == "decode" else expected.prefill.ceiling.seconds
    assert bars(ceiling) == [(0, pytest.approx(least))]


def test_where_the_ceiling_holds_a_step_back_the_parts_still_sum(ax, expected):
    slower = dataclasses.replace(expected.decode.expected, seconds_per_step=0.5, tokens_per_s=2.0, low=1.0, high=2.0)
    p = dataclasses.replace(expected, decode=dataclasses.replace(expected.decode, expected=slower))
    roofline.plots.waterfall(p, ax)
    assert sum(width for _, width in bars(ax.containers[0])) == pytest.approx(0.5)
    assert "held back by\nthe ceiling" in [label.get_text() for label in ax.get_yticklabels()]


@pytest.mark.parametrize("phase", ["decode", "prefill"])
def test_without_an_engine_each_resource_of_the_ceiling_has_a_bar_from_zero(ax, phase):
    p = roofline.predict("llama-3.1-8b", "2x h100-sxm", tp=2, context=4096)
    roofline.plots.waterfall(p, ax, phase=phase)
    resources = p.decode.resources if phase == "decode" else p.prefill.resources
    least = p.decode.ceiling.seconds_per_step if phase == "decode" else p.prefill.ceiling.seconds
    assert list(resources) == ["memory", "compute", "link"]
    assert bars(ax.containers[0]) == [(0, pytest.approx(seconds)) for seconds in resources.values()]
    assert max(resources.values()) == least
    assert "no engine" in ax.get_title(loc="left").replace("\n", " ")
    assert "may overlap" in ax.get_title(loc="left").replace("\n", " ")


def test_a_chip_that_keeps_much_is_shown_beside_one_that_keeps_nothing(ax):
    p = roofline.predict("minimax-m2.7", "sn40l-16")
    roofline.plots.waterfall(p, ax)
    assert bars(ax.containers[0])[-1] == (0, pytest.approx(p.decode.streaming.seconds_per_step))


def test_an_engine_of_which_nothing_is_known_here_is_said_to_be_so(ax):
    p = roofline.predict("minimax-m2.7", "h100-sxm", engine="vllm")  # does not fit
    roofline.plots.waterfall(p, ax)
    assert "nothing is expected of vllm here" in ax.get_title(loc="left").replace("\n", " ")


def test_a_waterfall_of_another_phase_is_refused(prediction):
    with pytest.raises(WorkloadError, match="phase is 'training', but decode or prefill is wanted"):
        roofline.plots.waterfall(prediction, phase="training")


# --- speed against context and batch


@pytest.mark.parametrize(
    ("draw", "axis", "values"), [("context", "context", [0, 5000, 150_000]), ("batch", "batch", [1, 7, 40])]
)
def test_curves_show_the_numbers_of_predict(ax, draw, axis, values):
    getattr(roofline.plots, draw)(**SPARK, ax=ax, published=False, **{axis: values})
    found = [roofline.predict(**SPARK, **{axis: value}) for value in values]
    for label, name in (("ceiling", "ceiling"), ("expected of llama.cpp", "expected")):
        line = labelled(ax, label)
        rates = [getattr(p.decode, name) for p in found]
        assert list(line.get_xdata()) == values
        speeds = [np.nan if rate is None else rate.tokens_per_s for rate in rates]
        assert line.get_ydata() == pytest.approx(speeds, nan_ok=True)
    if axis == "batch":
        uniform = [p.decode.uniform.tokens_per_s for p in found]
        assert labelled(ax, "uniform").get_ydata() == pytest.approx(uniform)
    band = next(c for c in ax.collections if c.get_label() == "90% interval").get_paths()[0].vertices
    first = found[0].decode.expected
    at_first = band[band[:, 0] == values[0], 1]
    assert (at_first.min(), at_first.max()) == (pytest.approx(first.low), pytest.approx(first.high))


def test_the_level_of_the_band_is_that_asked_for(ax):
    roofline.plots.context(**SPARK, ax=ax, published=False, level=0.5)
    assert "50% interval" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_an_axis_may_be_an_array_or_a_generator(ax):
    roofline.plots.context("llama-3.1-8b", "h100-sxm", ax, published=False, context=np.array([4096, 0, 4096]))
    assert list(ax.lines[0].get_xdata()) == [0, 4096]
    roofline.plots.kv("llama-3.1-8b", "h100-sxm", ax, context=(2**i for i in (10, 12)))
    roofline.plots.batch("llama-3.1-8b", "h100-sxm", Figure().subplots(), published=False, batch=np.int64(3))


@pytest.mark.parametrize("draw", ["context", "batch", "kv", "pareto"])
def test_one_point_is_a_picture_too(ax, draw):
    axis = "batch" if draw in {"batch", "pareto"} else "context"
    getattr(roofline.plots, draw)("llama-3.1-8b", "h100-sxm", ax, **{axis: [1]})
    assert [len(line.get_xdata()) for line in ax.lines][:1] == [1]
    ax.figure.draw_without_rendering()


def test_streaming_is_drawn_where_the_chip_makes_a_difference(ax):
    roofline.plots.context("minimax-m2.7", "sn40l-16", ax, published=False, context=[0, 1000])
    streaming = [
        roofline.predict("minimax-m2.7", "sn40l-16", context=c).decode.streaming.tokens_per_s for c in (0, 1000)
    ]
    assert labelled(ax, "streaming").get_ydata() == pytest.approx(streaming)


def test_contexts_reach_from_none_to_the_longest_the_model_takes(ax):
    roofline.plots.context(**SPARK, ax=ax, published=False)
    assert ax.get_xlim() == (0, roofline.predict(**SPARK).max_context_of_model)
    assert labelled(ax, "ceiling").get_xdata()[-1] == ax.get_xlim()[1]


@pytest.mark.parametrize(("draw", "limit"), [("context", "max_context"), ("batch", "max_batch")])
def test_what_does_not_fit_is_shaded(ax, draw, limit):
    options = {"context": 4096} if draw == "batch" else {}
    getattr(roofline.plots, draw)(**SPARK, ax=ax, published=False, **options)
    (shade,) = (patch for patch in ax.patches if patch.get_label() == "does not fit")
    assert shade.get_x() == getattr(roofline.predict(**SPARK, **options).memory, limit)
    assert shade.get_x() + shade.get_width() == ax.get_xlim()[1]


def test_one_value_is_marked_with_what_is_expected_there(ax):
    roofline.plots.context(**SPARK, ax=ax, published=False, context=32768)
    rate = roofline.predict(**SPARK, context=32768).decode.expected.tokens_per_s
    (mark,) = (line for line in ax.lines if line.get_marker() == "D")
    assert (*mark.get_xdata(), *mark.get_ydata()) == (32768, pytest.approx(rate))
    assert texts(ax) == [f"32k: {rate:.3g} tok/s"]


def dots(ax, beginning="published"):
    return {
        tuple(point)
        for collection in ax.collections
        if str(collection.get_label()).startswith(beginning)
        for point in collection.get_offsets().tolist()
    }


def published_rows(model, hardware, weights):
    files = [*measurements.files(), *measurements.files(["published"])]
    rows = [row for file in files for row in measurements.read(file)]
    plain = [row for row in rows if not row.why_excluded and not row.anomaly and row.speculative in {"", "none"}]
    plain = [row for row in plain if row.devices in {1, None} and row.engine == "llama.cpp"]
    return [row for row in plain if (row.model, row.hardware, row.weights) == (model, hardware, weights)]


def test_published_points_are_the_rows_of_the_same_configuration(ax):
    case = {"model": "gpt-oss-20b", "hardware": "dgx-spark", "weights": "mxfp4"}
    roofline.plots.context(**case, engine="llama.cpp", ax=ax)
    rows = [r for r in published_rows(**case) if r.metric == "decode_tok_per_s" and r.batch in {1, None}]
    rows = [r for r in rows if r.kv in {"", "bf16", "f16"}]
    start = {r.id: r.context if r.context is not None else r.prompt_tokens or 0 for r in rows}
    assert len(rows) > 5
    assert dots(ax) == {(start[r.id] + (r.output_tokens or 0) // 2, r.value) for r in rows}
    legend = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert f"({len({r.source for r in rows})} source" in legend


def test_published_points_of_other_weights_caches_engines_machines_and_layouts_stay_out():
    from roofline.plots.published import decode_points

    base = {"model": "gpt-oss-20b", "hardware": "dgx-spark", "weights": "mxfp4"}
    found = len(decode_points(roofline.predict(**base), {}))
    assert found > 5
    for change in ({"weights": "q8_0"}, {"hardware": "2x dgx-spark"}, {"engine": "mlx"}):
        assert not decode_points(roofline.predict(**base | change), {})
    assert len(decode_points(roofline.predict(**base, kv="q4_0"), {})) < found
    two = roofline.predict("minimax-m2.5", "2x rtx-pro-6000-server", weights="nvfp4")
    assert len(decode_points(two, {})) > len(decode_points(two, {"tp": 1}))


def test_a_measurement_that_leaves_its_context_open_is_hollow(ax):
    roofline.plots.context(**SPARK, kv="q4_0", ax=ax)
    hollow = [c for c in ax.collections if "context not said" in str(c.get_label())]
    assert [len(c.get_facecolors()) for c in hollow] == [0]
    assert (0, 26.4) in dots(ax)


def test_against_the_batch_only_measurements_at_a_like_context_are_drawn(ax):
    case = {"model": "gpt-oss-20b", "hardware": "dgx-spark", "weights": "mxfp4", "engine": "llama.cpp"}
    roofline.plots.batch(**case, ax=ax, context=0)
    from roofline.plots.published import decode_points

    every = decode_points(roofline.predict(**case), {})
    empty = roofline.predict(**case).decode.uniform.tokens_per_s

    def near(point):
        p = roofline.predict(**case, batch=point.batch, context=point.context or 0)
        q = roofline.predict(**case, batch=point.batch)
        return abs(p.decode.uniform.tokens_per_s / q.decode.uniform.tokens_per_s - 1) < 0.1

    assert empty > 0
    kept = {(p.batch, p.tokens_per_s) for p in every if near(p)}
    assert dots(ax) == kept
    assert len(kept) < len({(p.batch, p.tokens_per_s) for p in every})


@pytest.mark.parametrize("draw", [roofline.plots.context, roofline.plots.batch])
def test_curves_are_drawn_for_one_configuration(draw):
    with pytest.raises(WorkloadError, match=r"weights has 2 values, but .* is drawn for one"):
        draw("llama-3.1-8b", "h100-sxm", weights=["fp8", "bf16"])
    axis = draw.__name__
    with pytest.raises(WorkloadError, match=f"{axis} is an empty list"):
        draw("llama-3.1-8b", "h100-sxm", **{axis: []})
    with pytest.raises(PictureError, match="has more than 2,000 values, which is more than a picture shows"):
        draw("llama-3.1-8b", "h100-sxm", **{axis: range(100_000)})
    for odd in (-1, [-1], "x", [1, "x"], [1, 2.5], np.array([np.nan])):
        with pytest.raises(WorkloadError, match=rf"{axis} is .*, but a whole number from \d up is wanted"):
            draw("llama-3.1-8b", "h100-sxm", **{axis: odd})
    with pytest.raises(WorkloadError, match=r"2000000000|2,000,000,000"):
        draw("llama-3.1-8b", "h100-sxm", **{axis: [1, 2_000_000_000]})


# --- memory


def test_the_parts_of_memory_and_what_is_free_fill_the_capacity(ax):
    p = roofline.predict(
        "qwen3-next-80b-a3b", "h100-sxm", weights="fp8", engine="vllm", context=1024, batch=4, devices=2
    )
    roofline.plots.memory(p, ax)
    m = p.memory
    own, free = m.overhead_bytes - m.outside_bytes, m.capacity_bytes - m.total_bytes
    parts = [m.weights_bytes, m.kv_bytes, m.state_bytes, own, m.outside_bytes, free]
    assert all(part > 0 for part in parts)
    assert [bars(c)[0][1] for c in ax.containers] == pytest.approx(parts)
    starts = [bars(c)[0][0] for c in ax.containers]
    assert starts == pytest.approx([sum(parts[:i]) for i in range(6)])
    usable = labelled(ax, "usable")
    assert set(usable.get_xdata()) == {m.capacity_bytes}
    assert ax.get_xlabel() == "memory of all devices [GiB]"


def test_what_does_not_fit_reaches_beyond_the_capacity(ax):
    p = roofline.predict("minimax-m2.7", "h100-sxm")
    roofline.plots.memory(p, ax)
    assert bars(ax.containers[-1]) == [(p.memory.capacity_bytes, pytest.approx(p.memory.missing_bytes))]
    assert any(text.startswith("does not fit") for text in texts(ax))
    assert ax.get_xlim()[1] > p.memory.total_bytes


def test_several_predictions_are_a_bar_each_called_by_what_sets_them_apart(ax):
    several = [roofline.predict("llama-3.1-8b", "h100-sxm", weights=w, context=4096) for w in ("bf16", "fp8")]
    roofline.plots.memory(several, ax)
    assert [width for _, width in bars(ax.containers[0])] == [p.memory.weights_bytes for p in several]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bf16 weights", "fp8 weights"]
    assert "bf16" not in ax.get_title(loc="left").replace("bf16 cache", "")


def test_no_predictions_have_no_memory():
    with pytest.raises(PictureError, match="there are no predictions"):
        roofline.plots.memory([])


# --- cache


def test_caches_grow_as_predicted_up_to_where_memory_is_full(ax):
    values = [1024, 32768, 131072]
    roofline.plots.kv(["minimax-m2.7", "gpt-oss-20b"], "dgx-spark", ax, weights="q4_k_m", batch=3, context=values)
    for model in ("MiniMax-M2.7", "gpt-oss-20b"):
        name = model.lower()
        along = [roofline.predict(name, "dgx-spark", weights="q4_k_m", batch=3, context=c).memory for c in values]
        sizes = [m.kv_bytes + m.state_bytes if m.fits else np.nan for m in along]
        assert labelled(ax, model).get_ydata() == pytest.approx(sizes, nan_ok=True)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    full = roofline.predict("gpt-oss-20b", "dgx-spark", weights="q4_k_m", batch=3).memory.max_context
    assert full == 131072  # nothing to cross out
    base = roofline.predict("minimax-m2.7", "dgx-spark", weights="q4_k_m", batch=3).memory
    assert [list(line.get_xdata()) for line in crosses] == ([[base.max_context]] if base.max_context else [])


def test_recurrent_state_counts_with_the_cache(ax):
    roofline.plots.kv("qwen3-next-80b-a3b", "dgx-spark", ax, weights="q4_k_m", context=[1024])
    m = roofline.predict("qwen3-next-80b-a3b", "dgx-spark", weights="q4_k_m", context=1024).memory
    assert m.state_bytes > 0
    assert labelled(ax, "Qwen3-Next").get_ydata() == pytest.approx([m.kv_bytes + m.state_bytes])


def test_where_memory_is_full_stands_a_cross_at_the_longest_context(ax):
    roofline.plots.kv("minimax-m2.7", "dgx-spark", ax, weights="ud-iq4_xs")
    longest = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs").memory.max_context
    (cross,) = (line for line in ax.lines if line.get_marker() == "x")
    size = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=longest).memory.kv_bytes
    assert (*cross.get_xdata(), *cross.get_ydata()) == (longest, pytest.approx(size))


def test_weights_that_leave_no_room_are_said_to(ax):
    roofline.plots.kv("deepseek-v3", "h100-sxm", ax)
    assert "weights do not fit" in ax.get_legend().get_texts()[0].get_text()


def test_pictures_of_caches_refuse_what_they_cannot_show():
    with pytest.raises(WorkloadError, match="models is an empty list"):
        roofline.plots.kv([], "h100-sxm")
    with pytest.raises(PictureError, match="9 models cannot be told apart in one picture; at most 8 can"):
        roofline.plots.kv(["llama-3.1-8b"] * 9, "h100-sxm")
    with pytest.raises(WorkloadError, match="weights has 2 values"):
        roofline.plots.kv("llama-3.1-8b", "h100-sxm", weights=["fp8", "bf16"])


# --- heat map


SERVED = {"model": "llama-3.1-8b", "hardware": "h100-sxm", "concurrency": 16}


@pytest.mark.parametrize("metric", ["output_tok_per_s", "total_tok_per_s", "ttft_s", "tpot_s"])
@pytest.mark.parametrize("engine", [None, "vllm"])
def test_every_cell_of_a_heat_map_is_the_figure_of_its_request(ax, metric, engine):
    prompts, outputs = [128, 2048, 4096], [64, 512]
    roofline.plots.heatmap(**SERVED, engine=engine, metric=metric, ax=ax, prompt=prompts, output=outputs)
    cells = ax.images[0].get_array()
    for i, output in enumerate(outputs):
        for j, prompt in enumerate(prompts):
            figure = getattr(roofline.predict(**SERVED, engine=engine, prompt=prompt, output=output).serving, metric)
            assert cells[i, j] == pytest.approx(figure.value if engine else figure.ceiling)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["128", "2k", "4k"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["64", "512"]
    assert ("expected" if engine else "ceiling") in ax.get_title(loc="left")


def test_a_whole_request_is_its_first_token_and_all_after_it(ax):
    roofline.plots.heatmap(**SERVED, engine="vllm", metric="request_s", ax=ax, prompt=[1024], output=[100])
    s = roofline.predict(**SERVED, engine="vllm", prompt=1024, output=100).serving
    assert ax.images[0].get_array()[0, 0] == pytest.approx(s.ttft_s.value + 99 * s.tpot_s.value)


def test_cells_that_are_too_long_or_do_not_fit_have_no_number(ax):
    roofline.plots.heatmap("llama-3.1-8b", "h100-sxm", ax, prompt=[1024, 131072], output=[128])
    assert np.isnan(np.asarray(ax.images[0].get_array())).tolist() == [[False, True]]
    assert "too\nlong" in texts(ax)
    narrow = Figure().subplots()
    roofline.plots.heatmap("llama-3.1-8b", "rtx-4090", narrow, weights="bf16", prompt=[1024, 120_000], output=[128])
    assert "no\nroom" in texts(narrow)


def test_one_request_is_framed(ax):
    roofline.plots.heatmap(**SERVED, ax=ax, prompt=3000, output=256)
    assert ax.images[0].get_array().shape == (9, 10)  # outputs of 256 are drawn anyway
    (frame,) = (patch for patch in ax.patches if patch.get_linewidth() == 2.5)
    labels = [label.get_text() for label in ax.get_xticklabels()], [label.get_text() for label in ax.get_yticklabels()]
    assert (labels[0][round(frame.get_x() + 0.5)], labels[1][round(frame.get_y() + 0.5)]) == ("3,000", "256")


def test_heat_maps_refuse_what_they_cannot_show():
    with pytest.raises(WorkloadError, match="metric is 'speed', but one of output_tok_per_s"):
        roofline.plots.heatmap(**SERVED, metric="speed")
    with pytest.raises(PictureError, match="100 x 30 are 3,000 cells, but a picture shows at most 2,500"):
        roofline.plots.heatmap(**SERVED, prompt=range(1, 101), output=range(1, 31))
    with pytest.raises(PictureError, match="no cell has a number"):
        roofline.plots.heatmap("minimax-m2.7", "h100-sxm", prompt=[128], output=[128])
    with pytest.raises(WorkloadError, match="batch has 2 values, but a heat map is drawn for one"):
        roofline.plots.heatmap(**SERVED, batch=[1, 2])


# --- the front


def test_a_front_shows_the_speed_of_each_and_of_all(ax):
    roofline.plots.pareto(
        "gpt-oss-120b", "2x rtx-pro-6000", ax, engine="vllm", tp=[1, 2], context=4096, batch=[2, 8, 64]
    )
    for tp in (1, 2):
        found = [
            roofline.predict(
                "gpt-oss-120b", "2x rtx-pro-6000", engine="vllm", tp=tp, context=4096, batch=b
            ).decode.expected
            for b in (2, 8, 64)
        ]
        line = labelled(ax, f"tp {tp}")
        assert line.get_xdata() == pytest.approx([r.tokens_per_s_per_stream for r in found])
        assert line.get_ydata() == pytest.approx([r.tokens_per_s for r in found])


def test_a_front_of_served_requests_is_over_the_concurrency(ax):
    served = {"prompt": 1024, "output": 256}
    roofline.plots.pareto("llama-3.1-8b", "h100-sxm", ax, engine="vllm", **served, concurrency=[1, 16])
    found = [
        roofline.predict("llama-3.1-8b", "h100-sxm", engine="vllm", **served, concurrency=c).serving for c in (1, 16)
    ]
    (line,) = ax.lines
    assert line.get_xdata() == pytest.approx([1 / s.tpot_s.value for s in found])
    assert line.get_ydata() == pytest.approx([s.output_tok_per_s.value for s in found])


def test_per_device_divides_by_the_devices(ax):
    boxes = ["h100-sxm", "8x h100-sxm"]
    roofline.plots.pareto("llama-3.1-8b", boxes, ax, batch=[1, 16], per_device=True)
    for line, hardware, devices in zip(ax.lines, boxes, (1, 8), strict=True):
        rates = [roofline.predict("llama-3.1-8b", hardware, batch=b).decode.ceiling for b in (1, 16)]
        assert line.get_ydata() == pytest.approx([rate.tokens_per_s / devices for rate in rates])
        assert line.get_xdata() == pytest.approx([rate.tokens_per_s_per_stream for rate in rates])
    assert "/ devices" in ax.get_ylabel()


def test_a_front_ends_where_memory_does(ax):
    roofline.plots.pareto("minimax-m2.7", "dgx-spark", ax, weights="ud-iq4_xs", context=32768)
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=32768)
    last = roofline.predict(
        "minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=32768, batch=p.memory.max_batch
    ).decode.ceiling
    assert ax.lines[0].get_xdata()[-1] == pytest.approx(last.tokens_per_s_per_stream)
    beyond = Figure().subplots()
    roofline.plots.pareto("minimax-m2.7", "dgx-spark", beyond, weights="ud-iq4_xs", context=32768, batch=[1, 500])
    assert len(beyond.lines[0].get_xdata()) == 1


def test_points_beaten_in_both_speeds_are_hollow(monkeypatch, ax):
    from roofline.plots import fronts

    line = fronts.Line(
        "a", [1, 2, 4], np.array([10.0, 4.0, 5.0]), np.array([10.0, 8.0, 20.0]), expected=True, devices=1
    )
    monkeypatch.setattr(fronts, "_line", lambda *_: line)
    roofline.plots.pareto("llama-3.1-8b", "h100-sxm", ax)
    (hollow,) = ax.collections
    assert hollow.get_offsets().tolist() == [[4.0, 8.0]]


def test_fronts_refuse_what_they_cannot_show():
    with pytest.raises(PictureError, match="9 lines cannot be told apart in one picture; at most 8 can"):
        roofline.plots.pareto("llama-3.1-8b", "h100-sxm", context=list(range(9)))
    with pytest.raises(PictureError, match="1,000,000 lines cannot be told apart"):
        roofline.plots.pareto("llama-3.1-8b", "h100-sxm", context=range(1000), cached=range(1000))
    with pytest.raises(PictureError, match="no number of streams fits into memory"):
        roofline.plots.pareto("minimax-m2.7", "h100-sxm")
    with pytest.raises(WorkloadError, match="only one of the two is given"):
        roofline.plots.pareto("llama-3.1-8b", "h100-sxm", prompt=128)
    with pytest.raises(WorkloadError, match="concurrency describes served requests"):
        roofline.plots.pareto("llama-3.1-8b", "h100-sxm", concurrency=[1, 2])
    with pytest.raises(WorkloadError, match="tp is an empty list"):
        roofline.plots.pareto("llama-3.1-8b", "h100-sxm", tp=[])


# --- accuracy


def test_what_was_expected_stands_against_what_was_measured(ax):
    found = validate(model="minimax-m2.7")
    roofline.plots.expected_against_measured(found, ax)
    rows = [r for r in found.rows_detail if r.expected and r.ceiling and r.ratio]
    times = {"ttft_s", "tpot_s"}
    shares = [(r.ceiling / r.expected if r.metric in times else r.expected / r.ceiling, r.ratio) for r in rows]
    drawn = [tuple(point) for collection in ax.collections for point in collection.get_offsets().tolist()]
    assert len(rows) > 5
    assert len(drawn) == len(rows)
    assert np.array(sorted(drawn)) == pytest.approx(np.array(sorted(shares)))


def test_measurements_of_which_nothing_is_expected_are_not_drawn():
    with pytest.raises(PictureError, match="no measurement has both an expected value and a ceiling"):
        roofline.plots.expected_against_measured(SimpleNamespace(rows_detail=()))


# --- what all have in common


def every_picture(ax_of):
    """Draw each kind once and yield its name and axes."""
    p = roofline.predict(**SPARK, context=32768)
    served = {"concurrency": 8, "prompt": [128, 1024], "output": [128, 1024]}
    draws = {
        "roofline": lambda ax: roofline.plots.roofline(p, ax),
        "waterfall": lambda ax: roofline.plots.waterfall(p, ax),
        "resources": lambda ax: roofline.plots.waterfall(roofline.predict("minimax-m2.7", "sn40l-16"), ax),
        "context": lambda ax: roofline.plots.context(**SPARK, ax=ax),
        "batch": lambda ax: roofline.plots.batch(**SPARK, ax=ax),
        "memory": lambda ax: roofline.plots.memory([p, roofline.predict("minimax-m2.7", "dgx-spark")], ax),
        "heatmap": lambda ax: roofline.plots.heatmap(**SPARK, **served, ax=ax),
        "pareto": lambda ax: roofline.plots.pareto(**SPARK, ax=ax),
        "kv": lambda ax: roofline.plots.kv(["minimax-m2.7", "gpt-oss-120b"], "dgx-spark", ax, weights="q4_k_m"),
        "accuracy": lambda ax: roofline.plots.expected_against_measured(validate(engine="sambanova"), ax),
    }
    for name, draw in draws.items():
        given = ax_of()
        assert draw(given) is given or given is None
        yield name, given


def test_given_axes_are_used_and_nothing_else_is_opened():
    names = [name for name, _ in every_picture(lambda: Figure().subplots())]
    assert len(names) == 10
    assert plt.get_fignums() == []


def test_without_axes_new_ones_are_made(prediction):
    ax = roofline.plots.waterfall(prediction)
    assert plt.gcf() is ax.figure


def test_no_global_style_is_set(tmp_path):
    before = dict(mpl.rcParams)
    for name, ax in every_picture(lambda: Figure().subplots()):
        roofline.plots.save(ax, tmp_path / f"{name}.svg")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("size", [(5, 3.2), (10, 6)])
def test_no_text_leaves_the_figure_and_no_ticks_overlap(size):
    for name, ax in every_picture(lambda: Figure(figsize=size, layout="constrained").subplots()):
        figure = ax.figure
        figure.draw_without_rendering()
        whole = figure.bbox.padded(2)
        found = [ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label, ax.get_legend()]
        for artist in filter(None, found):
            box = artist.get_window_extent()
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, (name, artist)
            assert whole.y0 <= box.y0 <= box.y1 <= whole.y1, (name, artist)
        if legend := ax.get_legend():
            box = legend.get_window_extent()
            assert ax.bbox.x0 - 1 <= box.x0 <= box.x1 <= ax.bbox.x1 + 1, name
            assert ax.bbox.y0 - 1 <= box.y0 <= box.y1 <= ax.bbox.y1 + 1, name
        for axis, low, high in ((ax.xaxis, "x0", "x1"), (ax.yaxis, "y0", "y1")):
            boxes = [
                label.get_window_extent()
                for tick in axis.get_major_ticks()
                if (label := tick.label1).get_text()
                and label.get_visible()
                and ax.bbox.padded(3).contains(*_at(tick, ax))
            ]
            boxes.sort(key=lambda box, low=low: getattr(box, low))
            for one, other in itertools.pairwise(boxes):
                assert getattr(one, high) <= getattr(other, low) + 1, (name, axis.axis_name)


def _at(tick, ax):
    """Return where a tick stands, in pixels."""
    x, y = tick.tick1line.get_transform().transform(tick.tick1line.get_xydata())[0]
    return (x, ax.bbox.y0) if tick.tick1line.get_xydata()[0][1] == 0 else (x, y)


def test_on_a_dark_style_nothing_is_drawn_black():
    with plt.style.context("dark_background"):
        for name, ax in every_picture(lambda: Figure(figsize=(8, 5)).subplots()):
            if name == "heatmap":
                continue  # numbers on light cells are black
            painted = [text.get_color() for text in ax.texts if text.get_fontweight() != "bold"]  # on bars
            painted += [line.get_color() for line in ax.lines]
            assert painted, name
            assert all(max(to_rgb(colour)) > 0.5 for colour in painted), name


def contrast(colour, background):
    """Return the contrast of two colours as of WCAG 2: 1 is none, 21 the most there is."""
    channels = np.array([to_rgb(colour), to_rgb(background)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (luminance[1] + 0.05) / (luminance[0] + 0.05)


@pytest.mark.parametrize(("style", "background"), [("default", "white"), ("dark_background", "black")])
def test_lines_stand_out_from_their_background(style, background):
    with plt.style.context(style):
        ax = Figure().subplots()
        roofline.plots.kv(["llama-3.1-8b", "gpt-oss-20b", "qwen3-next-80b-a3b", "gemma-3-27b"], "h100-sxm", ax)
    assert all(contrast(line.get_color(), background) > 2.5 for line in ax.lines)
    assert contrast(ax.lines[0].get_color(), background) > 4.5


def test_numbers_in_cells_can_be_read_on_their_colour(ax):
    roofline.plots.heatmap(**SERVED, ax=ax, prompt=[128, 8192], output=[128, 1024])
    image = ax.images[0]
    shades = image.cmap(image.norm(np.asarray(image.get_array()).ravel()))
    assert [text.get_color() for text in ax.texts] == ["black" if s[:3].mean() > 0.42 else "white" for s in shades]


def test_a_picture_is_the_same_file_every_time(prediction, tmp_path):
    for kind in ("svg", "png", "pdf"):
        first, second = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}"
        for path in (first, second):
            roofline.plots.save(roofline.plots.roofline(prediction), path)
        assert first.stat().st_size > 5000
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.toml", ""])
def test_a_file_of_another_format_is_refused(prediction, tmp_path, name):
    with pytest.raises(OutputError, match=r"a picture is written to a file whose name ends in \.png, \.svg, \.pdf"):
        roofline.plots.save(roofline.plots.roofline(prediction), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_one_sentence(prediction, tmp_path):
    with pytest.raises(OutputError, match=r"no/a\.png: cannot be written: No such file or directory"):
        roofline.plots.save(roofline.plots.roofline(prediction), tmp_path / "no" / "a.png")


# --- sweeps


def test_a_sweep_stands_for_what_it_was_asked(ax):
    s = roofline.sweep(**SPARK, batch=2, context=[0, 4096])
    roofline.plots.context(s, ax=ax, published=False)
    assert list(labelled(ax, "ceiling").get_xdata()) == [0, 4096]
    assert labelled(ax, "ceiling").get_ydata() == pytest.approx(s.decode.ceiling.tokens_per_s)
    assert labelled(ax, "expected").get_ydata() == pytest.approx(s.decode.expected.tokens_per_s)


def test_a_sweep_over_hardware_is_a_front_with_a_line_for_each():
    s = roofline.sweep("llama-3.1-8b", ["h100-sxm", "h200-sxm"], context=4096, batch=[1, 8])
    ax = roofline.plots.pareto(s, ax=Figure().subplots())
    for line, each, together in zip(
        ax.lines, s.decode.ceiling.tokens_per_s_per_stream, s.decode.ceiling.tokens_per_s, strict=True
    ):
        assert line.get_xdata() == pytest.approx(each)
        assert line.get_ydata() == pytest.approx(together)


def test_a_sweep_over_lengths_is_a_heat_map(ax):
    s = roofline.sweep(**SERVED, engine="vllm", prompt=[128, 1024], output=[64, 256, 512])
    roofline.plots.heatmap(s, ax=ax)
    assert np.asarray(ax.images[0].get_array()) == pytest.approx(s.serving.output_tok_per_s.value.T)


def test_a_sweep_over_models_is_a_line_of_cache_for_each(ax):
    s = roofline.sweep(["llama-3.1-8b", "gpt-oss-20b"], "h100-sxm", context=[1024, 4096])
    roofline.plots.kv(s, ax=ax)
    solid = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert np.array([line.get_ydata() for line in solid]) == pytest.approx(s.memory.kv_bytes + s.memory.state_bytes)


def test_what_a_picture_cannot_draw_of_a_sweep_is_one_sentence():
    s = roofline.sweep("llama-3.1-8b", "h100-sxm", weights=["fp8", "bf16"], context=[0, 1024])
    with pytest.raises(WorkloadError, match="weights has 2 values, but the picture of contexts is drawn for one"):
        roofline.plots.context(s)
    with pytest.raises(WorkloadError, match="hardware and options are not wanted beside it"):
        roofline.plots.context(s, "h100-sxm")
    with pytest.raises(WorkloadError, match="hardware and options are not wanted beside it"):
        roofline.plots.batch(s, batch=[1, 2])
    with pytest.raises(WorkloadError, match="no hardware is given"):
        roofline.plots.context("llama-3.1-8b")
    paired = {"prompt": [128, 256], "output": [16, 32], "paired": [("prompt", "output")]}
    with pytest.raises(WorkloadError, match="prompt and output vary together in this sweep"):
        roofline.plots.heatmap(roofline.sweep(**SERVED, **paired))
