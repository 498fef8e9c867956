"""predict(): the contract, the published figures, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from printed import Printed

import roofline
from roofline.errors import NoBoundError, UnknownNameError, WorkloadError
from roofline.specs.catalog import find

GIB = 2**30


def spark(**options):
    return roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", **options)


# --- the contract

KEYS = {
    "": "schema_version model hardware devices weights kv batch context prompt output engine memory decode prefill "
    "serving assumptions sources",
    "memory": "weights_bytes kv_bytes_per_token kv_bytes state_bytes overhead_bytes total_bytes capacity_bytes fits "
    "max_context max_batch",
    "decode": "weight_bytes kv_bytes bytes_per_token flop_per_token arithmetic_intensity bound ceiling streaming "
    "uniform expected ops",
    "decode.ceiling": "seconds_per_step tokens_per_s tokens_per_s_per_stream",
    "decode.streaming": "seconds_per_step tokens_per_s tokens_per_s_per_stream",
    "decode.uniform": "seconds_per_step tokens_per_s tokens_per_s_per_stream",
    "decode.ops.0": "name bytes flop seconds bound",
    "prefill": "tokens flop bytes bound ceiling expected ops",
    "prefill.ceiling": "seconds tokens_per_s",
    "serving": "concurrency ttft_s tpot_s output_tok_per_s total_tok_per_s",
    "serving.ttft_s": "ceiling value low high level",
    "sources.0": "what source url",
}


@pytest.mark.parametrize(("path", "keys"), KEYS.items())
def test_json_has_the_keys_of_the_contract(path, keys):
    value = json.loads(spark(context=100, concurrency=2, prompt=10, output=5).to_json())
    for part in filter(None, path.split(".")):
        value = value[int(part) if part.isdigit() else part]
    assert set(keys.split()) <= set(value)


def test_the_first_key_is_the_schema_version():
    assert next(iter(spark().to_dict().items())) == ("schema_version", 1)


def test_attributes_are_the_json_keys():
    p = spark(context=512)

    def walk(node, value):
        for key, inner in value.items():
            if key == "schema_version":
                continue
            attribute = getattr(node, key)
            if isinstance(inner, dict):
                walk(attribute, inner)
            elif not isinstance(inner, list):
                assert attribute == inner

    walk(p, p.to_dict())


def test_an_engine_adds_its_memory_and_says_what_it_knows_of_itself():
    p = spark(engine="llama.cpp", concurrency=2, prompt=10, output=5)
    assert p.decode.expected.tokens_per_s < p.decode.ceiling.tokens_per_s
    assert p.memory.overhead_bytes > 2 * GIB
    p = spark(engine="sambanova", kv="q4_0")
    assert p.memory.overhead_bytes == 0
    assert "sambanova: its own memory is unknown and counted as none" in p.assumptions
    p = spark(engine="vllm", kv="q4_0")
    assert "vllm: takes 0.9 of the memory (its usual share)" in p.assumptions
    assert "vllm names no q4_0 cache among its own (bf16, f16, fp8)" in p.assumptions


def test_an_engine_that_nobody_measured_has_no_expected_speed(tmp_path):
    text = find("vllm", "engine").read_text(encoding="utf-8").split("# --- fitted")[0]
    (tmp_path / "new.toml").write_text(text.replace('"vllm"', '"new"', 1), encoding="utf-8")
    p = spark(engine=tmp_path / "new.toml", concurrency=2, prompt=10, output=5)
    assert p.decode.expected is p.prefill.expected is p.serving.ttft_s.value is None
    assert any("no speed is expected, since none was measured" in text for text in p.assumptions)


def test_a_count_in_front_multiplies_devices():
    two = roofline.predict("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4")
    assert (two.hardware, two.devices) == ("rtx-pro-6000", 2)
    assert two.to_dict() == roofline.predict("minimax-m2.7", "rtx-pro-6000", devices=2, weights="nvfp4").to_dict()
    assert roofline.predict("minimax-m2.7", "2x rtx-pro-6000", devices=3).devices == 6


def test_a_rack_and_its_devices_agree_in_every_bound():
    rack, devices = (roofline.predict("minimax-m2.7", name) for name in ("sn40l-16", "16x sn40l"))
    assert (rack.hardware, rack.devices) == (devices.hardware, devices.devices) == ("sn40l", 16)
    assert rack.decode == devices.decode
    assert rack.prefill == devices.prefill
    assert rack.memory == devices.memory


def test_defaults_are_said():
    text = "\n".join(roofline.predict("minimax-m2.7", "8x h100-sxm").assumptions)
    for part in (
        "weights native (none was named)",
        "cache in bf16",
        "8 devices are one pool",
        "prefill reads 512 tokens",
    ):
        assert part in text


def test_prefill_reads_the_context_unless_a_prompt_is_given():
    assert spark().prefill.tokens == 512
    assert spark(context=4096).prefill.tokens == 4096
    assert spark(context=4096, prompt=100, batch=3).prefill.tokens == 300


def test_memory_holds_the_longer_of_context_and_request():
    token = spark(kv="bf16").memory.kv_bytes_per_token
    assert spark(kv="bf16").memory.kv_bytes == 0
    assert spark(kv="bf16", context=1000).memory.kv_bytes == 1000 * token
    assert spark(kv="bf16", context=1000, prompt=900, output=200, batch=2).memory.kv_bytes == 2 * 1100 * token


def test_every_number_used_cites_its_source():
    p = roofline.predict("gpt-oss-120b", "16x sn40l", weights="q4_k_m", engine="llama.cpp")
    assert all(c.url.startswith("http") and c.source for c in p.sources)
    what = " ".join(c.what for c in p.sources)
    for part in (
        "architecture of gpt-oss-120b",
        "weights q4_k_m",
        "bandwidth of sn40l",
        "capacity",
        "bf16 peak",
        "overhead",
    ):
        assert part in what


def test_numpy_integers_are_counts():
    assert spark(batch=np.int64(2), context=np.int32(100)).decode.ceiling == spark(batch=2, context=100).decode.ceiling


# --- published figures, each with the tolerance of its digits


def test_m2_7_counts_and_cache():
    p = spark(kv="bf16")
    assert p.memory.kv_bytes_per_token == 253_952
    assert p.memory.weights_bytes / 1e9 == pytest.approx(108.4, rel=0.005)
    assert roofline.predict("minimax-m2.7", "8x h100-sxm").memory.weights_bytes / 1e9 == Printed("230.12")
    nvfp4 = roofline.predict("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4")
    assert nvfp4.memory.weights_bytes / 1e9 == Printed("134.5")
    assert nvfp4.kv == "fp8"  # the checkpoint states it


def test_spark_ceiling_is_39_8_and_the_text_says_why_not_48_7():
    p = spark()
    assert p.decode.streaming.tokens_per_s == Printed("39.8")
    assert p.decode.weight_bytes / 1e9 == Printed("6.86")
    assert "48.7" in str(p)
    assert "6.86 GB" in str(p)
    for measured in (23.4, 24.7, 26.4):
        assert measured < p.decode.ceiling.tokens_per_s


def test_spark_ceiling_falls_with_a_full_cache():
    assert spark(kv="q4_0", context=131072).decode.ceiling.tokens_per_s == Printed("16.9")


@pytest.mark.parametrize(
    ("context", "kv", "gib", "reported_use"),
    [(98304, "q8_0", "113.3", 116), (131072, "q4_0", "109.7", 112), (163840, "q4_0", "111.9", 119.7 - 2.7)],
)
def test_spark_memory_is_that_of_the_article(context, kv, gib, reported_use):
    assert spark(kv=kv, context=context).memory.total_bytes / GIB == Printed(gib)
    with_engine = spark(kv=kv, context=context, engine="llama.cpp").memory
    assert with_engine.total_bytes / GIB == pytest.approx(reported_use, rel=0.02)
    assert with_engine.fits


def test_two_rtx_pro_6000_leave_room_above_the_published_ladder():
    one = roofline.predict("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", kv="bf16")
    many = roofline.predict("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", kv="bf16", batch=128, context=256)
    assert one.decode.ceiling.tokens_per_s > 127.7
    assert many.decode.ceiling.tokens_per_s > 2800
    assert many.decode.uniform.tokens_per_s == pytest.approx(3290, rel=0.02)


def test_llama_70b_in_f16_on_one_h100_is_impossible_at_80_to_120():
    p = roofline.predict("llama-3.1-70b", "h100-sxm", weights="f16")
    assert not p.memory.fits
    assert p.memory.missing_bytes == p.memory.total_bytes - p.memory.capacity_bytes > 0
    assert p.memory.max_context is p.memory.max_batch is None
    assert p.decode.ceiling.tokens_per_s == Printed("24.1")
    assert p.decode.streaming.seconds_per_step * 1e3 == Printed("41.5")
    assert "hypothetical" in str(p)


@pytest.mark.parametrize(("context", "gib"), [(8192, 2.5), (32768, 10), (131072, 40)])
def test_llama_70b_cache(context, gib):
    memory = roofline.predict("llama-3.1-70b", "4x h100-sxm", context=context).memory
    assert memory.kv_bytes_per_token == 327_680
    assert memory.kv_bytes == gib * GIB


@pytest.mark.parametrize(
    ("model", "weights", "streaming", "measured"),
    [
        ("minimax-m2.7", None, "2290", 428),
        ("minimax-m2.7", "bf16", "1229", 428),
        ("gpt-oss-120b", None, "5117", 713),  # 5,119 where the experts' biases are counted at 4.25 bits
        ("gpt-oss-120b", "bf16", "2494", 713),
    ],
)
def test_sn40l_streaming_ceilings(model, weights, streaming, measured):
    p = roofline.predict(model, "16x sn40l", weights=weights)
    # "2,290" is printed to three digits.
    tolerance = 5 if streaming.endswith("0") else 1
    assert p.decode.streaming.tokens_per_s == pytest.approx(float(streaming), abs=tolerance)
    assert measured < p.decode.streaming.tokens_per_s < p.decode.ceiling.tokens_per_s


def test_gpt_oss_fits_the_srams_and_the_answer_says_so():
    p = roofline.predict("gpt-oss-120b", "16x sn40l")
    assert p.decode.bound == "compute"
    assert p.decode.streaming.bound == "memory"
    text = "\n".join(p.assumptions)
    assert "the ceiling is not bound by memory" in text
    assert "the bandwidth of sn40l's SRAM is unknown" in text


def test_what_fits_eight_h100():
    assert roofline.predict("minimax-m2.7", "8x h100-sxm").memory.fits
    assert roofline.predict("minimax-m2.7", "8x h100-sxm", weights="bf16").memory.fits
    assert roofline.predict("minimax-m2.7", "8x h100-sxm").memory.capacity_bytes < 456e9 * 2  # "456 B in bf16"


def test_deepseek_v3_in_fp8_fits_the_driver_but_not_the_label():
    p = roofline.predict("deepseek-v3", "8x h100-sxm", weights="fp8")
    assert p.memory.fits
    assert p.memory.total_bytes > p.memory.physical_bytes == 8 * 80e9
    spare = (p.memory.capacity_bytes - p.memory.total_bytes) / 8 / GIB
    assert spare == Printed("1.3")
    assert any("1.3 GiB a device to spare; does not fit their label, 640.0 GB" in text for text in p.assumptions)
    assert roofline.predict("deepseek-v3", "8x h100-sxm", weights="fp8", engine="vllm").decode.expected


def test_gemma_on_one_h100_leaves_the_published_615_far_below():
    p = roofline.predict("gemma-4-31b", "h100-sxm", batch=32)
    assert p.memory.weights_bytes / 1e9 == Printed("61.4")
    assert p.decode.streaming.tokens_per_s == pytest.approx(1746, abs=1)


def test_longest_context_ends_at_the_models_own():
    assert roofline.predict("gpt-oss-20b", "8x h100-sxm").memory.max_context == 131072


def test_a_windowed_cache_saturates():
    at = {c: roofline.predict("gpt-oss-120b", "h100-sxm", context=c).memory.kv_bytes for c in (128, 1128)}
    growing = 18 * 2 * 8 * 64 * 2
    assert at[128] == 128 * growing * 2
    assert at[1128] - at[128] == 1000 * growing


def test_recurrent_state_does_not_grow():
    short, long = (roofline.predict("qwen3.6-35b-a3b", "h100-sxm", batch=4, context=c) for c in (10, 10_000))
    assert short.memory.state_bytes == long.memory.state_bytes == 4 * (15728640 * 4 + 737280 * 2)
    assert short.decode.state_bytes == short.memory.state_bytes  # read once
    assert "recurrent state in f32, as the model's own code keeps it" in short.assumptions
    fresh, resumed = (
        roofline.predict("qwen3.6-35b-a3b", "h100-sxm", batch=4, prompt=64, cached=c).prefill for c in (0, 1)
    )
    assert resumed.bytes - fresh.bytes == short.memory.state_bytes + 4 * 10240 * 2  # and one cached token
    assert long.memory.kv_bytes - short.memory.kv_bytes == 4 * 9990 * 10240 * 2


def test_a_stated_file_size_rescales_the_largest_group():
    plain, sized = spark(), spark(weights_bytes=108.0e9)
    assert sized.memory.weights_bytes == 108.0e9
    missing = plain.memory.weights_bytes - 108.0e9
    assert plain.decode.weight_bytes - sized.decode.weight_bytes == pytest.approx(missing * 8 / 256)
    assert any("experts are rescaled by -0.39%" in text for text in sized.assumptions)
    with pytest.raises(WorkloadError, match="more than 5% apart, the file is of another recipe"):
        spark(weights_bytes=150e9)


# --- tensor parallelism


def test_heads_that_cannot_be_split_are_copied():
    pool = roofline.predict("minimax-m2.7", "16x h100-sxm", context=1000)
    spread = roofline.predict("minimax-m2.7", "16x h100-sxm", context=1000, tp=16)
    assert spread.memory.kv_bytes == 2 * pool.memory.kv_bytes  # 8 kv heads on 16 devices
    assert spread.decode.kv_bytes == pool.decode.kv_bytes  # an engine may split the cache by tokens
    assert any("the cache is stored 2 times" in text for text in spread.assumptions)
    assert spread.decode.weight_bytes == pool.decode.weight_bytes


def test_a_latent_cache_is_on_every_device():
    pool = roofline.predict("deepseek-v3", "8x h200-sxm", context=1000)
    spread = roofline.predict("deepseek-v3", "8x h200-sxm", context=1000, tp=8)
    assert spread.memory.kv_bytes == 8 * pool.memory.kv_bytes


def test_links_bound_what_tensor_parallelism_cannot_avoid():
    options = {"prompt": 4096, "weights": "int4-awq", "kv": "q4_0"}
    pool = roofline.predict("llama-3.1-8b", "32x rtx-4090", **options).prefill
    spread = roofline.predict("llama-3.1-8b", "32x rtx-4090", tp=32, **options).prefill
    # tokens x width x two blocks in all layers but the last x half a byte; each device meets 1/sqrt(32), has 1/32
    sent = 4096 * 4096 * 2 * 31 * 0.5 * (1 / 32**0.5 - 1 / 32)
    assert spread.ceiling.seconds == pytest.approx(sent / 31e9)
    assert spread.ceiling.seconds > pool.ceiling.seconds
    assert (spread.bound, pool.bound) == ("link", "compute")


def test_an_unknown_link_bounds_nothing_and_is_named():
    p = roofline.predict("llama-3.1-8b", "8x sn40l", tp=8)
    assert any("the bandwidth between sn40l devices is unknown" in text for text in p.assumptions)


# --- bad input: one sentence each


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch is 0, but a whole number from 1 up is wanted"),
        ({"batch": -1}, "batch is -1, but"),
        ({"batch": 1.5}, "batch is 1.5, but a whole number"),
        ({"batch": True}, "batch is True, but a whole number"),
        ({"batch": "3"}, "batch is '3', but a whole number"),
        ({"batch": float("nan")}, "batch is nan, but a whole number"),
        ({"batch": 10**30}, "but at most 1,000,000,000 is believable here"),
        ({"devices": 0}, "devices is 0, but a whole number from 1 up"),
        ({"devices": 10**9}, "but at most 1,000,000 is believable here"),
        ({"context": -1}, "context is -1, but a whole number from 0 up"),
        ({"context": 204801}, "context is 204801 tokens, but minimax-m2.7 takes at most 204800"),
        ({"prompt": 204800, "output": 1}, r"prompt \+ output is 204801 tokens"),
        ({"prompt": 0}, "prompt is 0, but a whole number from 1 up"),
        ({"cached": 204800, "prompt": 1}, "204801 tokens"),
        ({"output": 0}, "output is 0"),
        ({"concurrency": 0, "prompt": 1, "output": 1}, "concurrency is 0"),
        ({"concurrency": 4}, "prompt and output are wanted beside it"),
        ({"concurrency": 4, "prompt": 10}, "prompt and output are wanted beside it"),
        ({"tp": 2}, "tp x pp x dp is 2 x 1 x 1, but there are 1 devices"),
        ({"devices": 4, "tp": 0}, "tp is 0, but a whole number from 1 up"),
        ({"devices": 4, "tp": 3}, "but there are 4 devices"),
        ({"devices": 5, "tp": 5}, "tp is 5, which does not divide the 48 heads"),
        ({"devices": 12, "tp": 12}, "the 8 kv heads of minimax-m2.7's full attention can neither be split nor copied"),
        ({"devices": 4, "tp": 4, "ep": 3}, "ep is 3, but it must divide tp x dp = 4"),
        ({"backend": "CU DA"}, "backend is 'CU DA', but a name is wanted"),
        ({"built": "May"}, "built is 'May', but a year or a month is wanted"),
        ({"mode": "lazy"}, "mode is 'lazy', but 'graph' or 'eager' is wanted"),
        ({"built": "2025-13"}, "built is '2025-13', but a year or a month is wanted"),
        ({"mode": "eager"}, "mode is 'eager', but no engine is named that it could be said of"),
        ({"devices": 14, "tp": 7, "pp": 2}, "tp is 7, which does not divide"),
        ({"devices": 128, "pp": 128}, "pp is 128, but minimax-m2.7 has 62 layers"),
        ({"level": 0}, "level is 0, but a share between 0 and 1 is wanted"),
        ({"level": 1.0}, "level is 1.0"),
        ({"kv": [1]}, r"kv is \[1\], but the name of a format is wanted"),
        ({"level": "0.9"}, "level is '0.9', but a share between 0 and 1"),
        ({"level": True}, "level is True, but a share between 0 and 1"),
        ({"weights_bytes": "1"}, "weights_bytes is '1', but a number of bytes above 0"),
        ({"weights_bytes": 10**400}, "weights_bytes is 10"),
        ({"batch": [1, 2]}, r"batch is \[1, 2\], but a whole number"),
        ({"context": 204800, "output": 1}, r"context \+ output is 204801 tokens"),
        ({"cached": 204800}, r"cached \+ prompt is 204801 tokens"),
        ({"weights_bytes": -1}, "weights_bytes is -1, but a number of bytes above 0 is wanted"),
        ({"weights_bytes": float("inf")}, "weights_bytes is inf"),
    ],
)
def test_bad_workloads_are_refused(options, message):
    with pytest.raises(WorkloadError, match=message) as caught:
        spark(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("minimax-m2.8", "dgx-spark"), {}),
        (("minimax-m2.7", "dgx-sparc"), {}),
        (("minimax-m2.7", "dgx-spark"), {"weights": "iq4"}),
        (("minimax-m2.7", "dgx-spark"), {"weights": ""}),
        (("minimax-m2.7", "dgx-spark"), {"kv": "q3"}),
        (("minimax-m2.7", "dgx-spark"), {"engine": "vlm"}),
        (("minimax-m2.7", "2x 3x dgx-spark"), {}),
        (("minimax-m2.7", None), {}),
    ],
)
def test_unknown_names_are_refused(arguments, options):
    with pytest.raises(UnknownNameError):
        roofline.predict(*arguments, **options)


def test_a_machine_that_bounds_nothing_is_an_error(tmp_path):
    from test_specs import DEVICE

    text = DEVICE.replace('bandwidth = { value = "2 TB/s", source = "sheet" }', "")
    text = text[: text.index("[[compute]]")].replace('kind = "gpu"', 'kind = "gpu"\ncompute = []')
    (tmp_path / "box.toml").write_text(text)
    with pytest.raises(NoBoundError, match=r"nothing known of box bounds llama-3\.1-8b in native"):
        roofline.predict("llama-3.1-8b", tmp_path / "box.toml")


def test_an_unknown_bandwidth_bounds_nothing_and_is_named(tmp_path):
    from test_specs import DEVICE

    (tmp_path / "box.toml").write_text(DEVICE.replace('bandwidth = { value = "2 TB/s", source = "sheet" }', ""))
    p = roofline.predict("llama-3.1-8b", tmp_path / "box.toml")
    assert p.decode.bound == "compute"
    assert any("the bandwidth of box's HBM is unknown" in text for text in p.assumptions)


def test_the_first_token_of_a_request_comes_from_its_prefill():
    """A dense model whose steps wait for memory: 4 requests of 256 and 65 tokens read the weights 65 times."""
    p = roofline.predict("llama-3.1-8b", "h100-sxm", concurrency=4, prompt=256, output=1)
    prefill = roofline.predict("llama-3.1-8b", "h100-sxm", batch=4, prompt=256).prefill.ceiling.seconds
    assert p.serving.output_tok_per_s.ceiling == pytest.approx(4 / prefill)
    assert p.serving.total_tok_per_s.ceiling == pytest.approx(4 * 257 / prefill)
    longer = roofline.predict("llama-3.1-8b", "h100-sxm", concurrency=4, prompt=256, output=65).serving
    step = roofline.predict("llama-3.1-8b", "h100-sxm", batch=4, context=256 + 63 // 2).decode.ceiling
    seconds = 4 * 65 / longer.output_tok_per_s.ceiling
    assert seconds == pytest.approx(65 * step.seconds_per_step, rel=0.01)  # the prefill reads the weights once too


def test_output_is_counted_after_the_context_or_the_prompt():
    def tokens(**options):
        memory = roofline.predict("llama-3.1-8b", "h100-sxm", **options).memory
        return memory.kv_bytes / memory.kv_bytes_per_token

    assert tokens() == 0
    assert tokens(context=4096) == 4096
    assert tokens(context=4096, output=1000) == 5096
    assert tokens(prompt=100, output=10) == 110
    assert tokens(prompt=100, output=10, context=4096) == 4096
    assert tokens(prompt=100, output=10, cached=1000) == 1110
    assert tokens(cached=1000) == 1512  # the default prompt after what is cached


def test_cached_tokens_of_the_prompt_count_when_served():
    options = {"concurrency": 4, "prompt": 1000, "output": 100}
    fresh = roofline.predict("llama-3.1-8b", "h100-sxm", **options)
    cached = roofline.predict("llama-3.1-8b", "h100-sxm", cached=100_000, **options)
    assert cached.serving.ttft_s.ceiling == cached.prefill.ceiling.seconds > fresh.serving.ttft_s.ceiling
    assert cached.serving.tpot_s.ceiling > 1.5 * fresh.serving.tpot_s.ceiling
    assert "1,000 tokens after 100,000 cached in" in str(cached)


def test_requests_beyond_memory_are_named():
    p = roofline.predict("llama-3.1-70b", "4x h100-sxm", concurrency=512, prompt=8192, output=1024)
    text = f"of the 512 requests in flight, only {p.memory.max_batch} fit at once: serving all is hypothetical"
    assert text in p.assumptions


@pytest.mark.parametrize("model", ["gpt-oss-20b", "gemma-4-31b", "llama-3.1-8b", "qwen3.6-35b-a3b", "deepseek-v3"])
def test_a_served_run_is_bounded_by_no_more_than_its_steps_one_by_one(model):
    """Prefill and each decode step at its own length, summed by resource."""
    from roofline.machine import machine
    from roofline.operations import Pass
    from roofline.specs import load_device, load_hardware, load_model
    from roofline.times import pass_times
    from roofline.transformer import transformer

    prompt, output, streams = 100, 60, 8
    p = roofline.predict(model, "h200-sxm", kv="bf16", concurrency=streams, prompt=prompt, output=output)
    built = transformer(load_model(model), "native", "bf16")
    box = machine(load_device(load_hardware("h200-sxm")), 1)
    passes = [pass_times(built, box, Pass(streams, prompt, 0, state_reads=0))]
    passes += [pass_times(built, box, Pass(streams, 1, prompt + i)) for i in range(output - 1)]
    exact = max(sum(t.memory for t in passes), sum(t.compute for t in passes))
    bound = streams * output / p.serving.output_tok_per_s.ceiling
    assert bound <= exact * (1 + 1e-9)
    assert bound == pytest.approx(exact, rel=0.01)


def test_half_of_a_cache_that_gives_the_other_half_is_read():
    """Gemma 4's full layers take values from the key projection; engines store both."""
    at = [roofline.predict("gemma-4-31b", "h100-sxm", kv="bf16", context=c) for c in (10_000, 20_000)]
    read = at[1].decode.kv_bytes - at[0].decode.kv_bytes
    assert read == (at[1].memory.kv_bytes - at[0].memory.kv_bytes) / 2


def test_a_window_reads_one_token_less_than_it_holds():
    """The token itself is one of the window's, and its own key and value are on the chip."""
    p = roofline.predict("gpt-oss-120b", "h100-sxm", context=4096)
    layer = 2 * 8 * 64 * 2
    assert p.decode.kv_bytes == 18 * layer * 4096 + 18 * layer * 127
    assert p.memory.kv_bytes == 18 * layer * 4096 + 18 * layer * 128


def test_links_of_all_kinds_to_peers_add_up(tmp_path):
    from test_specs import DEVICE

    from roofline.machine import machine
    from roofline.specs import load_hardware

    link = '\n[[links]]\nname = "{0}"\nto = "{1}"\nbandwidth = {{ value = "{2} GB/s", source = "sheet" }}\n'
    links = "".join(link.format(*row) for row in (("A", "peers", 50), ("B", "network", 20), ("C", "host", 60)))
    (tmp_path / "box.toml").write_text(DEVICE + links)
    assert machine(load_hardware(tmp_path / "box.toml"), 8).link_bytes_per_s == 70e9


def test_a_feed_forward_width_that_does_not_divide_is_refused():
    with pytest.raises(WorkloadError, match="tp is 28, which does not divide the feed-forward width 18944"):
        roofline.predict("qwen2.5-7b", "28x h100-sxm", tp=28)


def test_nothing_is_said_to_be_expected_of_what_does_not_fit():
    small = roofline.predict("llama-3.1-70b", "rtx-4090", engine="llama.cpp")
    assert small.decode.expected is None
    assert "no speed is expected of what does not fit" in small.assumptions
    assert not any(text.startswith("expected:") for text in small.assumptions)
    fits = roofline.predict("llama-3.1-8b", "rtx-4090", engine="llama.cpp")
    assert fits.decode.expected is not None
    assert any(text.startswith("expected:") for text in fits.assumptions)
