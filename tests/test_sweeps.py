"""Sweeps: the same numbers as single predictions, at every point, whatever runs them."""

from __future__ import annotations

import csv
import itertools
import json
from concurrent.futures import Executor, Future, ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import roofline
from roofline.errors import OutputError, TooLongError, UnknownNameError, WorkloadError
from roofline.sweeps import fields, running

MODELS = [
    "minimax-m2.7",
    "llama-3.1-8b",
    "gpt-oss-20b",
    "qwen3-next-80b-a3b",
    "llama-4-scout",
    "deepseek-v3",
    "gemma-3-27b",
]
HARDWARE = ["dgx-spark", "2x rtx-pro-6000", "8x h100-sxm", "sn40l-16", "m3-ultra", "rtx-3090"]


def of(prediction, path):
    """Return a figure of a prediction by its dotted path, None where a part of the path is None."""
    value = prediction
    for name in path.split("."):
        if isinstance(value, tuple):
            value = next((op for op in value if op.name == name), None)
        elif isinstance(value, dict):
            value = value.get(name, 0.0)
        else:
            value = None if value is None else getattr(value, name)
    return value


def same(swept, single):
    if single is None:
        return swept is False or swept == "" or np.isnan(swept)
    if isinstance(single, str | bool):
        return swept == single
    return swept == pytest.approx(single, rel=1e-12, abs=1e-12)


def check_every_point(s):
    for point in range(s.size):
        prediction = s.prediction(point)
        for path in s.fields:
            swept = s.column(path)[point]
            assert same(swept, of(prediction, path)), (path, s.arguments(point), swept, of(prediction, path))


@pytest.mark.parametrize("model", MODELS)
def test_every_figure_is_that_of_the_single_prediction(model):
    engines = [None, "llama.cpp", "vllm"]
    s = roofline.sweep(
        model,
        HARDWARE[:3],
        engine=engines,
        batch=[1, 3, 64],
        context=[0, 1, 5000],
        fields=["memory", "decode", "prefill"],
    )
    assert "decode.ops.output head.seconds" in s.fields
    assert "decode.expected.terms.kernels" in s.fields
    check_every_point(s)


@settings(max_examples=40, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    hardware=st.sampled_from(HARDWARE),
    engine=st.sampled_from([None, "llama.cpp", "vllm", "sglang"]),
    batch=st.lists(st.integers(1, 4096), min_size=1, max_size=2),
    prompt=st.lists(st.integers(1, 3000), min_size=1, max_size=2),
    output=st.lists(st.integers(1, 500), min_size=1, max_size=2),
    cached=st.lists(st.integers(0, 2000), min_size=1, max_size=2),
    concurrency=st.lists(st.integers(1, 300), min_size=1, max_size=2),
    level=st.lists(st.sampled_from([0.5, 0.9]), min_size=1, max_size=2),
)
@example(  # prompts of one token over stages
    model="minimax-m2.7",
    hardware="8x h100-sxm",
    engine="llama.cpp",
    batch=[513],
    prompt=[1, 2],
    output=[1],
    cached=[0],
    concurrency=[1],
    level=[0.5],
)
def test_served_workloads_are_those_of_single_predictions(model, hardware, engine, **axes):
    s = roofline.sweep(model, hardware, engine=engine, **axes)
    assert list(s.axes) == list(axes)
    assert s.shape == tuple(len(values) for values in axes.values())
    check_every_point(s)


@pytest.mark.parametrize("points", [1, 3, 7, 1000])
def test_blocks_of_any_size_give_the_same(points, monkeypatch):
    axes = {
        "batch": [1, 2, 900],
        "context": list(range(0, 300_000, 30_000)),
        "prompt": [1, 7],
        "engine": [None, "vllm"],
    }
    whole = roofline.sweep(["llama-3.1-8b", "gpt-oss-20b"], "2x rtx-pro-6000", **axes)
    monkeypatch.setattr(running, "BLOCK_POINTS", points)
    cut = roofline.sweep(["llama-3.1-8b", "gpt-oss-20b"], "2x rtx-pro-6000", **axes)
    assert cut.fields == whole.fields
    assert cut.problems == whole.problems
    for path in whole.fields:
        np.testing.assert_array_equal(cut[path], whole[path], err_msg=path)
    assert any(problem.points for problem in whole.problems), "some points are too long, which is part of the test"


def test_axes_come_in_the_order_given_and_figures_in_their_shape():
    s = roofline.sweep("llama-3.1-8b", ["h100-sxm", "l4"], context=[0, 10, 20], weights=["bf16", "fp8"])
    assert list(s.axes) == ["hardware", "context", "weights"]
    assert s.decode.ceiling.tokens_per_s.shape == s.memory.fits.shape == (2, 3, 2)
    assert s.memory.fits.dtype == bool
    assert s.decode.bound[0, 0, 0] == "memory"
    assert s.natural("memory.weights_bytes").shape == (2, 1, 2)
    assert s.decode.expected is None
    assert s.serving is None
    single = roofline.sweep("llama-3.1-8b", "h100-sxm")
    assert single.shape == ()
    assert single.size == 1
    assert (
        float(single.decode.ceiling.tokens_per_s)
        == roofline.predict("llama-3.1-8b", "h100-sxm").decode.ceiling.tokens_per_s
    )


@pytest.mark.parametrize(
    "values",
    [(1, 2), range(1, 3), np.array([1, 2]), np.array([1.0, 2.0]), np.array([1, 2], np.uint8), [np.int64(1), 2]],
)
def test_axes_are_lists_arrays_or_ranges(values):
    s = roofline.sweep("llama-3.1-8b", "h100-sxm", batch=values)
    assert s.axes["batch"].tolist() == [1, 2]


def test_paired_axes_share_a_dimension():
    s = roofline.sweep(
        "llama-3.1-8b", ["h100-sxm", "l4"], prompt=[100, 200, 300], output=[1, 2, 3], paired=[("prompt", "output")]
    )
    assert s.shape == (2, 3)
    assert list(s.axes) == ["hardware", "prompt", "output"]
    assert s.arguments(4) == {"model": "llama-3.1-8b", "hardware": "l4", "prompt": 200, "output": 2}
    check_every_point(s)
    mixed = roofline.sweep(
        "llama-3.1-8b", "h100-sxm", weights=["bf16", "fp8"], batch=[1, 8], paired=[("weights", "batch")]
    )
    assert mixed.shape == (2,)
    check_every_point(mixed)


def test_what_has_no_answer_is_no_number_and_says_why():
    s = roofline.sweep(
        ["gpt-oss-20b", "llama-3.1-8b"], "2x h100-sxm", weights=["bf16", "mxfp4"], tp=[1, 2, 3], context=[0, 10**6]
    )
    assert np.isnan(s.decode.ceiling.tokens_per_s[:, :, 2]).all(), "3 does not divide 2 devices"
    assert np.isnan(s.decode.ceiling.tokens_per_s[..., 1]).all(), "no model here takes a million tokens"
    assert not s.memory.fits[..., 1].any()
    assert (s.decode.bound[..., 1] == "").all()
    answered = np.isfinite(s.decode.ceiling.tokens_per_s).sum()
    assert answered + sum(problem.points for problem in s.problems) == s.size
    assert {problem.arguments["tp"] for problem in s.problems if "tp x pp x dp" in problem.text} == {3}
    assert "takes at most 131,072 tokens" in " ".join(problem.text for problem in s.problems)
    assert f"{sum(p.points for p in s.problems)} of them without an answer" in repr(s)


def test_nothing_is_expected_where_it_does_not_fit():
    s = roofline.sweep("llama-3.1-8b", "rtx-4090", engine="llama.cpp", batch=[1, 4096], context=8192)
    assert np.isfinite(s.decode.expected.low[0])
    assert np.isnan(s.decode.expected.low[1])
    assert np.isfinite(s.decode.ceiling.tokens_per_s[1])


@pytest.mark.parametrize(
    ("axes", "kind", "words"),
    [
        ({"batch": []}, WorkloadError, "batch is an empty list"),
        ({"batch": [1, np.nan]}, WorkloadError, "batch holds nan, but whole numbers from 1 up"),
        ({"batch": [1, 1.5]}, WorkloadError, "batch holds 1.5"),
        ({"batch": [1, True]}, WorkloadError, "batch holds True"),
        ({"batch": ["8"]}, WorkloadError, "batch holds '8'"),
        ({"batch": {1, 2}}, WorkloadError, "batch holds {1, 2}, but whole numbers"),
        ({"batch": itertools.count(1)}, WorkloadError, "batch holds count(1), but whole numbers"),
        ({"batch": range(10**12)}, WorkloadError, "batch has 1,000,000,000,000 points: a single figure of it would"),
        ({"batch": [0]}, WorkloadError, "batch holds 0, but whole numbers from 1 up"),
        ({"context": [-1]}, WorkloadError, "context holds -1, but whole numbers from 0 up"),
        ({"context": [10**17]}, WorkloadError, "at most 9,007,199,254,740,992 is believable"),
        ({"batch": [10**30]}, WorkloadError, "is believable"),
        ({"prompt": [None, 5]}, WorkloadError, "prompt holds None"),
        ({"batch": np.ones((2, 2))}, WorkloadError, "batch has 2 dimensions"),
        ({"batch": [[1, 2], [3, 4]]}, WorkloadError, "batch holds"),
        ({"weights_bytes": [1e9, np.nan]}, WorkloadError, "weights_bytes holds nan"),
        ({"weights": [["bf16"]]}, WorkloadError, "weights holds a list inside its list"),
        ({"bacth": [1]}, WorkloadError, "'bacth' is no argument"),
        ({"concurrency": [1, 2]}, WorkloadError, "prompt and output are wanted"),
        (
            {"prompt": [1, 2], "output": [1, 2, 3], "paired": [("prompt", "output")]},
            WorkloadError,
            "prompt 2, output 3",
        ),
        ({"prompt": [1, 2], "paired": [("prompt", "output")]}, WorkloadError, "paired names 'output'"),
        ({"prompt": [1, 2], "paired": ["prompt"]}, WorkloadError, "groups of names"),
        (
            {"prompt": [1], "output": [1], "paired": [("prompt", "output"), ("output",)]},
            WorkloadError,
            "'output' twice",
        ),
        ({"context": [10**6]}, TooLongError, "at most 131,072 tokens"),
        ({"tp": [3, 5]}, WorkloadError, "tp x pp x dp"),
        ({"level": [1.5]}, WorkloadError, "level is 1.5"),
        ({"weights": ["q4_x"]}, UnknownNameError, "q4_x"),
        ({"engine": ["vllm", "vlm"]}, UnknownNameError, "vlm"),
        ({"fields": ["decode.cieling"]}, UnknownNameError, "decode.ceiling"),
    ],
)
def test_bad_axes_are_one_sentence(axes, kind, words):
    with pytest.raises(kind) as caught:
        roofline.sweep("llama-3.1-8b", "h100-sxm", **axes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_misspelt_names_among_good_ones_are_errors():
    with pytest.raises(UnknownNameError, match="h100-sxmm"):
        roofline.sweep("llama-3.1-8b", ["h100-sxm", "h100-sxmm"])
    with pytest.raises(UnknownNameError, match="lama"):
        roofline.sweep(["llama-3.1-8b", "lama"], "h100-sxm")


def test_a_grid_too_large_to_hold_is_refused_with_its_size():
    million = np.arange(1, 10**6 + 1)
    for kept in (None, ["memory.weights_bytes"]):
        with pytest.raises(
            WorkloadError, match=r"1,000,000,000,000 points: .* would take 8\.00 TB, and at most 8\.00 GB"
        ):
            roofline.sweep("minimax-m2.7", "dgx-spark", batch=million, prompt=million % 4000 + 1, fields=kept)
    with pytest.raises(WorkloadError, match=r"900,000,000 points are too many to hold: .* and \d+ figures are kept"):
        roofline.sweep("minimax-m2.7", "dgx-spark", batch=million[:30_000], context=million[:30_000])


def test_figures_can_be_chosen():
    s = roofline.sweep("llama-3.1-8b", "h100-sxm", batch=[1, 2], fields=["decode.ceiling", "memory.fits"])
    assert {path.rpartition(".")[0] for path in s.fields} == {"decode.ceiling", "memory"}
    assert s.decode.ceiling.tokens_per_s.shape == (2,)
    with pytest.raises(UnknownNameError, match="prefill"):
        s["prefill.bytes"]
    with pytest.raises(AttributeError, match="celing"):
        s.decode.celing  # noqa: B018


class Inline(Executor):
    """Runs at once, after a journey through bytes as a cluster would make it."""

    def submit(self, fn, /, *args):
        import pickle

        future = Future()
        fn, args = pickle.loads(pickle.dumps((fn, args)))  # noqa: S301
        future.set_result(pickle.loads(pickle.dumps(fn(*args))))  # noqa: S301
        return future


def test_any_executor_gives_the_same():
    axes = {"batch": np.arange(1, 200), "context": np.arange(0, 40_000, 100), "engine": "vllm"}
    here = roofline.sweep("gpt-oss-20b", ["h100-sxm", "l4"], **axes)
    there = roofline.sweep("gpt-oss-20b", ["h100-sxm", "l4"], executor=Inline(), **axes)
    for path in here.fields:
        np.testing.assert_array_equal(here[path], there[path], err_msg=path)


@pytest.mark.slow
def test_processes_give_the_same():
    axes = {"batch": np.arange(1, 200), "context": np.arange(0, 40_000, 100)}
    here = roofline.sweep("gpt-oss-20b", "h100-sxm", **axes)
    import multiprocessing

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = roofline.sweep("gpt-oss-20b", "h100-sxm", executor=pool, **axes)
    np.testing.assert_array_equal(here.decode.ceiling.tokens_per_s, there.decode.ceiling.tokens_per_s)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_gives_the_same():
    distributed = pytest.importorskip("distributed")
    axes = {"batch": np.arange(1, 200), "context": np.arange(0, 40_000, 100)}
    here = roofline.sweep("gpt-oss-20b", "h100-sxm", **axes)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        there = roofline.sweep("gpt-oss-20b", "h100-sxm", executor=client.get_executor(), **axes)
    np.testing.assert_array_equal(here.decode.ceiling.tokens_per_s, there.decode.ceiling.tokens_per_s)


def test_progress_is_told_and_comes_to_an_end():
    told = []
    roofline.sweep(
        "llama-3.1-8b",
        ["h100-sxm", "l4"],
        batch=np.arange(1, 300),
        context=np.arange(100),
        tp=[1, 7],
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (2 * 299 * 100 * 2, 2 * 299 * 100 * 2)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


# --- choosing


def grid():
    return roofline.sweep(
        ["llama-3.1-8b", "minimax-m2.7"],
        ["h100-sxm", "2x rtx-pro-6000"],
        weights="fp8",
        batch=[1, 8, 64],
        context=[0, 4096],
    )


def test_where_keeps_the_points_at_which_it_holds():
    s = grid()
    fitting = s.where("memory.fits")
    assert fitting.size == s.memory.fits.sum() < s.size
    assert fitting.memory.fits.all()
    fast = fitting.where("decode.ceiling.tokens_per_s_per_stream", at_least=100, at_most=200)
    assert (
        (fast.decode.ceiling.tokens_per_s_per_stream >= 100) & (fast.decode.ceiling.tokens_per_s_per_stream <= 200)
    ).all()
    assert set(s.where("batch", equals=8).column("batch")) == {8}
    with pytest.raises(WorkloadError, match="no truth value"):
        s.where("decode.ceiling.tokens_per_s")


def test_best_is_the_best_of_each():
    s = grid()
    best = s.best("decode.ceiling.tokens_per_s", by=["model", "hardware"])
    table = s.to_pandas()
    wanted = table.loc[table.groupby(["model", "hardware"], sort=False)["decode.ceiling.tokens_per_s"].idxmax()]
    assert best.indices.tolist() == wanted.index.tolist()
    quickest = s.best("prefill.ceiling.seconds")
    assert quickest.column("prefill.ceiling.seconds")[0] == s.prefill.ceiling.seconds.min(), "less time is better"
    slowest = s.best("prefill.ceiling.seconds", largest=True)
    assert slowest.column("prefill.ceiling.seconds")[0] == s.prefill.ceiling.seconds.max()
    with pytest.raises(WorkloadError, match="no axis"):
        s.best("decode.ceiling.tokens_per_s", by="kv")
    with pytest.raises(WorkloadError, match="no number"):
        s.best("decode.bound")


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40), st.booleans(), st.booleans())
def test_the_frontier_is_what_no_other_point_beats(points, more_x, more_y):
    s = roofline.sweep("llama-3.1-8b", "h100-sxm", batch=range(1, len(points) + 1), fields=["decode.ceiling"])
    x, y = (np.array(values, float) for values in zip(*points, strict=True))
    s._figures |= {"x": x, "y": y}
    front = s.pareto("x", "y", largest=(more_x, more_y))
    sign = np.array([1 if more_x else -1, 1 if more_y else -1])
    every = np.stack([x, y], axis=1) * sign
    kept = {tuple(row) for row in every[front.indices]}
    unbeaten = {tuple(row) for row in every if not ((every >= row).all(axis=1) & (every > row).any(axis=1)).any()}
    assert kept == unbeaten
    assert (np.diff(front.column("x")) >= 0).all()


def test_a_frontier_for_each():
    s = grid()
    both = s.pareto("decode.ceiling.tokens_per_s_per_stream", "decode.ceiling.tokens_per_s", by="model")
    for model in s.axes["model"]:
        alone = s.where("model", equals=model).pareto(
            "decode.ceiling.tokens_per_s_per_stream", "decode.ceiling.tokens_per_s"
        )
        assert both.where("model", equals=model).indices.tolist() == alone.indices.tolist()


# --- elsewhere


def test_tables_of_other_libraries_hold_the_same(tmp_path):
    s = roofline.sweep(["gpt-oss-20b", "llama-3.1-8b"], "h100-sxm", weights=[None, "mxfp4"], batch=[1, 2], tp=[None, 1])
    frame = s.to_pandas()
    assert list(frame.columns) == list(s.columns)
    assert len(frame) == s.size
    assert frame["decode.ceiling.tokens_per_s"].tolist() == s.decode.ceiling.tokens_per_s.ravel().tolist()
    polars = s.to_polars()
    assert polars.columns == list(s.columns)
    assert polars["model"].to_list() == frame["model"].tolist()
    data = s.to_xarray()
    assert dict(data.sizes) == {"model": 2, "weights": 2, "batch": 2, "tp": 2}
    assert data["decode.ceiling.tokens_per_s"].attrs["units"] == "token/s"
    assert data["memory.weights_bytes"].dims == ("model", "weights", "tp")
    np.testing.assert_array_equal(
        data["decode.ceiling.tokens_per_s"].broadcast_like(data["decode.kv_bytes"]).transpose(*s.axes).values,
        s.decode.ceiling.tokens_per_s,
    )
    s.to_parquet(tmp_path / "sweep.parquet")
    import pandas as pd

    back = pd.read_parquet(tmp_path / "sweep.parquet")
    assert back["decode.bound"].tolist() == frame["decode.bound"].tolist()
    assert back["memory.kv_bytes"].tolist() == frame["memory.kv_bytes"].tolist()
    s.to_csv(tmp_path / "sweep.csv")
    with (tmp_path / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["decode.ceiling.tokens_per_s"]) for row in rows] == frame["decode.ceiling.tokens_per_s"].tolist()
    assert s.to_csv().splitlines()[0].split(",")[:2] == ["model", "weights"]
    found = json.loads(s.to_json())
    assert next(iter(found)) == "schema_version"
    assert found["axes"]["batch"] == [1, 2]
    assert len(found["points"]) == found["size"] == s.size
    one = s.best("decode.ceiling.tokens_per_s")
    assert len(one.to_pandas()) == 1


def test_what_has_no_answer_is_null_in_json():
    s = roofline.sweep("llama-3.1-8b", "h100-sxm", context=[0, 10**6])
    points = json.loads(s.to_json())["points"]
    assert points[0]["decode.ceiling.tokens_per_s"] > 0
    assert points[1]["decode.ceiling.tokens_per_s"] is None


def test_a_library_that_is_not_installed_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(OutputError, match=r"polars is not installed; pip install 'roofline\[export\]'"):
        grid().to_polars()


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    for write in (grid().to_csv, grid().to_parquet):
        with pytest.raises(OutputError, match="cannot be written"):
            write(tmp_path / "missing" / "sweep.csv")


def test_every_known_figure_has_a_unit_of_its_own_kind():
    prediction = roofline.predict("llama-3.1-8b", "h100-sxm", engine="vllm", prompt=10, output=10, concurrency=2)
    for path in fields.known_paths():
        value = of(prediction, path)
        assert (fields.unit(path) == "") == isinstance(value, str | bool), path
    assert fields.unit("decode.ceiling.tokens_per_s") == "token/s"
    assert fields.unit("memory.max_batch") == "1"
    assert fields.unit("serving.ttft_s.low") == "s"
    assert fields.unit("decode.expected.terms.kernels") == "s"
