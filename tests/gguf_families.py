"""Models of every family as llama.cpp's converter lays them out: metadata, and tensors with their shapes.

Dimensions are those of real models, so that counts can be compared with published ones; the files are holes.
"""

from __future__ import annotations

FAMILIES = {}


def family(expected, name=None):
    """Register a model; ``expected`` is its number of parameters, or the name of a built-in spec."""

    def register(function):
        FAMILIES[name or function.__name__] = (function, expected)
        return function

    return register


def kind_of(name, shape, layer=0):
    """A type as quantisers choose them: by what divides the rows, and more bits for some tensors of some layers."""
    if len(shape) == 1:
        return "f32"
    if shape[0] % 32:
        return "f16"
    if shape[0] % 256:
        return "q8_0" if layer % 3 else "q5_0"
    return "q6_k" if layer % 2 and name.startswith(("attn_v", "ffn_down", "ssm_out")) else "q4_k"


class Model:
    """Metadata and tensors of one model."""

    def __init__(self, architecture, d_model, layers, vocab, *, tied=False, **metadata):
        self.architecture, self.d_model = architecture, d_model
        self.metadata = {"general.architecture": architecture, "general.name": "A Model", "general.file_type": 15}
        self.set("block_count", layers)
        self.set("embedding_length", d_model)
        self.set("context_length", 8192)
        for key, value in metadata.items():
            self.set(key.replace("__", "."), value)
        self.tensors = []
        self.layer = 0
        self.add("token_embd.weight", d_model, vocab)
        self.add("output_norm.weight", d_model)
        if not tied:
            self.add("output.weight", d_model, vocab)

    def set(self, key, value):
        self.metadata[f"{self.architecture}.{key}"] = value

    def add(self, name, *shape, kind=None):
        self.tensors.append((name, shape, kind or kind_of(name, shape)))

    def put(self, name, *shape, kind=None):
        """Add a tensor to the layer at hand."""
        self.tensors.append((f"blk.{self.layer}.{name}", shape, kind or kind_of(name, shape, self.layer)))

    def norms(self, *names, bias=False):
        for name in names or ("attn_norm", "ffn_norm"):
            self.put(f"{name}.weight", self.d_model)
            if bias:
                self.put(f"{name}.bias", self.d_model)

    def attention(
        self, heads, kv_heads, d_head, *, d_value=None, q_factor=1, norm=None, bias=(), values=True, keys=True
    ):
        d_value = d_value or d_head
        widths = {"q": heads * d_head * q_factor, "k": kv_heads * d_head, "v": kv_heads * d_value}
        if not keys:
            del widths["k"]
        if not values:
            del widths["v"]
        for name, width in widths.items():
            self.put(f"attn_{name}.weight", self.d_model, width)
        self.put("attn_output.weight", heads * d_value, self.d_model)
        for name in bias:
            self.put(f"attn_{name}.bias", widths.get(name, self.d_model))
        if norm == "head":
            self.put("attn_q_norm.weight", d_head)
            if keys:
                self.put("attn_k_norm.weight", d_head)
        elif norm == "projection":
            self.put("attn_q_norm.weight", heads * d_head)
            self.put("attn_k_norm.weight", kv_heads * d_head)

    def latent(self, heads, q_rank, kv_rank, nope, rope, d_value, *, split=True, value_kind=None):
        if q_rank:
            self.put("attn_q_a.weight", self.d_model, q_rank)
            self.put("attn_q_a_norm.weight", q_rank)
            self.put("attn_q_b.weight", q_rank, heads * (nope + rope))
        else:
            self.put("attn_q.weight", self.d_model, heads * (nope + rope))
        self.put("attn_kv_a_mqa.weight", self.d_model, kv_rank + rope)
        self.put("attn_kv_a_norm.weight", kv_rank)
        if split:
            self.put("attn_k_b.weight", nope, kv_rank, heads)
            self.put("attn_v_b.weight", kv_rank, d_value, heads, kind=value_kind)
        else:
            self.put("attn_kv_b.weight", kv_rank, heads * (nope + d_value))
        self.put("attn_output.weight", heads * d_value, self.d_model)

    def latent_metadata(self, heads, q_rank, kv_rank, nope, rope, d_value, *, split=True):
        self.set("attention.head_count", heads)
        self.set("attention.head_count_kv", 1 if split else heads)
        self.set("attention.kv_lora_rank", kv_rank)
        if q_rank:
            self.set("attention.q_lora_rank", q_rank)
        self.set("attention.key_length", kv_rank + rope if split else nope + rope)
        self.set("attention.value_length", kv_rank if split else d_value)
        if split:
            self.set("attention.key_length_mla", nope + rope)
            self.set("attention.value_length_mla", d_value)
        self.set("rope.dimension_count", rope)

    def dense(self, d_ff, *, gated=True, fused=False, suffix=""):
        if gated and not fused:
            self.put(f"ffn_gate{suffix}.weight", self.d_model, d_ff)
        self.put(f"ffn_up{suffix}.weight", self.d_model, d_ff * (2 if fused else 1))
        self.put(f"ffn_down{suffix}.weight", d_ff, self.d_model)

    def experts(self, count, d_expert, *, shared=0, gated=True, bias=None, fused=False, kind=None, width=None):
        width = width or self.d_model
        self.put("ffn_gate_inp.weight", self.d_model, count, kind="f32")
        if fused:
            self.put("ffn_gate_up_exps.weight", width, 2 * d_expert, count, kind=kind)
        else:
            if gated:
                self.put("ffn_gate_exps.weight", width, d_expert, count, kind=kind)
            self.put("ffn_up_exps.weight", width, d_expert, count, kind=kind)
        self.put("ffn_down_exps.weight", d_expert, width, count, kind=kind)
        if bias:
            self.put(bias, count)
        if shared:
            self.dense(shared, gated=gated, suffix="_shexp")

    def each(self, layers):
        for self.layer in range(layers):
            yield self.layer


def heads(model, queries, keys, d_head=None):
    model.set("attention.head_count", queries)
    model.set("attention.head_count_kv", keys)
    if d_head:
        model.set("attention.key_length", d_head)
        model.set("attention.value_length", d_head)


def moe(model, count, used, d_expert=None):
    model.set("expert_count", count)
    model.set("expert_used_count", used)
    if d_expert:
        model.set("expert_feed_forward_length", d_expert)


@family("llama-3.1-8b")
def llama():
    m = Model("llama", 4096, 32, 128256, feed_forward_length=14336)
    heads(m, 32, 8)
    m.add("rope_freqs.weight", 64)
    for _ in m.each(32):
        m.norms()
        m.attention(32, 8, 128)
        m.dense(14336)
    return m


@family(46702792704)
def mixtral(*, each_apart=False):
    m = Model("llama", 4096, 32, 32000, feed_forward_length=14336)
    heads(m, 32, 8)
    moe(m, 8, 2)
    for _ in m.each(32):
        m.norms()
        m.attention(32, 8, 128)
        if each_apart:
            m.put("ffn_gate_inp.weight", 4096, 8, kind="f32")
            for expert in range(8):
                m.dense(14336, suffix=f".{expert}")
        else:
            m.experts(8, 14336)
    return m


@family(46702792704)
def mixtral_of_2023():
    return mixtral(each_apart=True)


@family(107769861120)
def llama4():
    m = Model("llama4", 5120, 48, 202048, feed_forward_length=16384, interleave_moe_layer_step=1)
    heads(m, 40, 8, 128)
    moe(m, 16, 1, 8192)
    for _ in m.each(48):
        m.norms()
        m.attention(40, 8, 128)
        m.experts(16, 8192, shared=8192)
    return m


@family(23572403200)
def mistral3():
    m = Model("mistral3", 5120, 40, 131072, feed_forward_length=32768)
    heads(m, 32, 8, 128)
    for _ in m.each(40):
        m.norms()
        m.attention(32, 8, 128)
        m.dense(32768)
    return m


@family(118972826624)
def mistral4():
    m = Model("mistral4", 4096, 36, 131072)
    shape = (32, 1024, 256, 64, 64, 128)
    m.latent_metadata(*shape)
    moe(m, 128, 4, 2048)
    for _ in m.each(36):
        m.norms()
        m.latent(*shape)
        m.experts(128, 2048, shared=2048, fused=True)
    return m


@family("qwen2.5-7b")
def qwen2():
    m = Model("qwen2", 3584, 28, 152064, feed_forward_length=18944)
    heads(m, 28, 4)
    for _ in m.each(28):
        m.norms()
        m.attention(28, 4, 128, bias="qkv")
        m.dense(18944)
    return m


@family(14315784192)  # Qwen1.5-MoE-A2.7B: 14.3 B, sum of the shapes of its config.json
def qwen2moe():
    m = Model("qwen2moe", 2048, 24, 151936, expert_shared_feed_forward_length=5632)
    heads(m, 16, 16)
    moe(m, 60, 4, 1408)
    for _ in m.each(24):
        m.norms()
        m.attention(16, 16, 128, bias="qkv")
        m.experts(60, 1408, shared=5632)
        m.put("ffn_gate_inp_shexp.weight", 2048)
    return m


@family(8190735360)
def qwen3(architecture="qwen3"):
    m = Model(architecture, 4096, 36, 151936, feed_forward_length=12288)
    heads(m, 32, 8, 128)
    for _ in m.each(36):
        m.norms()
        m.attention(32, 8, 128, norm="head")
        m.dense(12288)
    return m


@family(8190735360)
def qwen3vl():
    return qwen3("qwen3vl")


@family(30532122624)
def qwen3moe(architecture="qwen3moe"):
    m = Model(architecture, 2048, 48, 151936, feed_forward_length=6144)
    heads(m, 32, 4, 128)
    moe(m, 128, 8, 768)
    for _ in m.each(48):
        m.norms()
        m.attention(32, 4, 128, norm="head")
        m.experts(128, 768)
    return m


@family(30532122624)
def qwen3vlmoe():
    return qwen3moe("qwen3vlmoe")


def qwen_hybrid(m, layers, *, legacy=False, next_style=False, d_expert=512, experts=512):
    d = m.d_model
    for layer in m.each(layers):
        m.norms("attn_norm", "post_attention_norm")
        if layer % 4 == 3:
            m.attention(16, 2, 256, q_factor=2, norm="head")
        else:
            if legacy:
                m.put("ssm_in.weight", d, 12288)
            else:
                m.put("attn_qkv.weight", d, 8192)
                m.put("attn_gate.weight", d, 4096)
            if next_style:
                m.put("ssm_ba.weight", d, 64)
            else:
                m.put("ssm_beta.weight", d, 32)
                m.put("ssm_alpha.weight", d, 32, kind="q6_k" if layer % 2 else None)
            m.put("ssm_conv1d.weight", 4, 8192, kind="f32")
            m.put("ssm_dt.bias", 32)
            m.put("ssm_a", 32)
            m.put("ssm_norm.weight", 128)
            m.put("ssm_out.weight", 4096, d)
        m.experts(experts, d_expert, shared=d_expert)
        m.put("ffn_gate_inp_shexp.weight", d)


SSM = {
    "ssm__conv_kernel": 4,
    "ssm__inner_size": 4096,
    "ssm__state_size": 128,
    "ssm__time_step_rank": 32,
    "ssm__group_count": 16,
}


@family(79674391296)
def qwen3next(*, legacy=False):
    m = Model("qwen3next", 2048, 48, 151936, full_attention_interval=4, **SSM)
    heads(m, 16, 2, 256)
    moe(m, 512, 10, 512)
    qwen_hybrid(m, 48, legacy=legacy, next_style=True)
    return m


@family(79674391296)
def qwen3next_of_2025():
    return qwen3next(legacy=True)


@family("qwen3.6-35b-a3b")
def qwen35moe():
    m = Model("qwen35moe", 2048, 41, 248320, nextn_predict_layers=1, full_attention_interval=4, **SSM)
    heads(m, 16, 2, 256)
    moe(m, 256, 8, 512)
    qwen_hybrid(m, 40, experts=256)
    m.layer = 40
    m.norms("attn_norm", "post_attention_norm")
    m.attention(16, 2, 256, q_factor=2, norm="head")
    m.experts(256, 512, shared=512)
    m.put("nextn.eh_proj.weight", 4096, 2048)
    m.put("nextn.enorm.weight", 2048)
    return m


@family(8953803264)  # Qwen3.5-9B
def qwen35():
    m = Model("qwen35", 4096, 32, 248320, feed_forward_length=12288, **SSM)
    heads(m, 16, 4, 256)
    for layer in m.each(32):
        m.norms("attn_norm", "post_attention_norm")
        if layer % 4 == 3:
            m.attention(16, 4, 256, q_factor=2, norm="head")
        else:
            m.put("attn_qkv.weight", 4096, 8192)
            m.put("attn_gate.weight", 4096, 4096)
            m.put("ssm_beta.weight", 4096, 32)
            m.put("ssm_alpha.weight", 4096, 32)
            m.put("ssm_conv1d.weight", 4, 8192, kind="f32")
            m.put("ssm_dt.bias", 32)
            m.put("ssm_a", 32)
            m.put("ssm_norm.weight", 128)
            m.put("ssm_out.weight", 4096, 4096)
        m.dense(12288)
    return m


def deepseek(
    architecture, shape, layers, dense, d_ff, d_model, vocab, experts, top_k, d_expert, *, split=True, bias=True
):
    m = Model(architecture, d_model, layers, vocab, feed_forward_length=d_ff, leading_dense_block_count=dense)
    m.latent_metadata(*shape, split=split)
    moe(m, experts, top_k, d_expert)
    for layer in m.each(layers):
        m.norms()
        m.latent(*shape, split=split)
        if layer < dense:
            m.dense(d_ff)
        else:
            m.experts(experts, d_expert, shared=d_expert, bias="exp_probs_b.bias" if bias else None)
    return m


V3 = ((128, 1536, 512, 128, 64, 128), 61, 3, 18432, 7168, 129280, 256, 8, 2048)


@family("deepseek-v3")
def deepseek2():
    return deepseek("deepseek2", *V3)


@family("deepseek-v3")
def deepseek2_of_2024():
    return deepseek("deepseek2", *V3, split=False)


@family(29943393920)  # GLM-4.7-Flash
def glm_4_7_flash():
    return deepseek("deepseek2", (20, 768, 512, 192, 64, 256), 47, 1, 10240, 2048, 154880, 64, 4, 1536)


@family(15706484224)  # DeepSeek-V2-Lite: two shared experts, no compression of queries
def deepseek_v2_lite():
    m = Model("deepseek2", 2048, 27, 102400, feed_forward_length=10944, leading_dense_block_count=1)
    shape = (16, 0, 512, 128, 64, 128)
    m.latent_metadata(*shape)
    moe(m, 64, 6, 1408)
    for layer in m.each(27):
        m.norms()
        m.latent(*shape)
        if layer < 1:
            m.dense(10944)
        else:
            m.experts(64, 1408, shared=2816)
    return m


def with_indexer(m, layers, q_rank, count, width, top_k):
    m.set("attention.indexer.head_count", count)
    m.set("attention.indexer.key_length", width)
    m.set("attention.indexer.top_k", top_k)
    for _ in m.each(layers):
        m.put("indexer.attn_q_b.weight", q_rank, count * width)
        m.put("indexer.attn_k.weight", m.d_model, width)
        m.put("indexer.k_norm.weight", width)
        m.put("indexer.k_norm.bias", width)
        m.put("indexer.proj.weight", m.d_model, count)
    return m


@family(743911218432, "glm-dsa")
def glm_dsa():
    m = deepseek("glm-dsa", (64, 2048, 512, 192, 64, 256), 78, 3, 12288, 6144, 154880, 256, 8, 2048)
    return with_indexer(m, 78, 2048, 32, 128, 2048)


@family(671877944064)  # DeepSeek-V3 and 851,524,864 in the indexers
def deepseek32():
    return with_indexer(deepseek("deepseek32", *V3), 61, 1536, 64, 128, 2048)


@family(32566081536)
def glm4():
    m = Model("glm4", 6144, 61, 151552, feed_forward_length=23040)
    heads(m, 48, 2, 128)
    for _ in m.each(61):
        m.norms("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
        m.attention(48, 2, 128)
        m.dense(23040, fused=True)
    return m


@family(106852251264)
def glm4moe():
    m = Model("glm4moe", 4096, 47, 151552, feed_forward_length=10944, nextn_predict_layers=1)
    heads(m, 96, 8, 128)
    moe(m, 128, 8, 1408)
    for layer in m.each(47):
        m.norms("attn_norm", "post_attention_norm")
        m.attention(96, 8, 128, bias="qkv")
        if layer < 1:
            m.dense(10944)
        else:
            m.experts(128, 1408, shared=1408, bias="exp_probs_b.bias")
    m.put("nextn.eh_proj.weight", 8192, 4096)
    return m


@family("minimax-m2.7", "minimax-m2")
def minimax():
    m = Model("minimax-m2", 3072, 62, 200064, feed_forward_length=1536)
    heads(m, 48, 8, 128)
    moe(m, 256, 8, 1536)
    for _ in m.each(62):
        m.norms()
        m.attention(48, 8, 128, norm="projection")
        m.experts(256, 1536, bias="exp_probs_b.bias")
    return m


@family("gpt-oss-20b", "gpt-oss")
def gpt_oss():
    m = Model("gpt-oss", 2880, 24, 201088, feed_forward_length=2880, attention__sliding_window=128)
    heads(m, 64, 8, 64)
    moe(m, 32, 4, 2880)
    for _ in m.each(24):
        m.norms("attn_norm", "post_attention_norm")
        m.attention(64, 8, 64, bias=("q", "k", "v", "output"))
        m.put("attn_sinks.weight", 64)
        m.experts(32, 2880, kind="mxfp4", bias="ffn_gate_inp.bias")
        for name, width in (("gate", 2880), ("up", 2880), ("down", 2880)):
            m.put(f"ffn_{name}_exps.bias", width, 32, kind="f32")
    return m


GEMMA = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")


@family(9241705984)
def gemma2():
    m = Model("gemma2", 3584, 42, 256000, tied=True, feed_forward_length=14336, attention__sliding_window=4096)
    heads(m, 16, 8, 256)
    for _ in m.each(42):
        m.norms(*GEMMA)
        m.attention(16, 8, 256)
        m.dense(14336)
    return m


@family(27009346304)
def gemma3():
    m = Model("gemma3", 5376, 62, 262208, tied=True, feed_forward_length=21504, attention__sliding_window=1024)
    heads(m, 32, 16, 128)
    for _ in m.each(62):
        m.norms(*GEMMA)
        m.attention(32, 16, 128, norm="head")
        m.dense(21504)
    return m


def gemma4_model(layers, d_model, d_ff, sliding_heads, full_heads, queries, full_every, *, values, **metadata):
    pattern = [layer % full_every != full_every - 1 for layer in range(layers)]
    m = Model(
        "gemma4", d_model, layers, 262144, tied=True,
        attention__key_length=512, attention__value_length=512,
        attention__key_length_swa=256, attention__value_length_swa=256,
        attention__sliding_window_pattern=pattern,
        attention__head_count=queries,
        attention__head_count_kv=[sliding_heads if inside else full_heads for inside in pattern],
        feed_forward_length=d_ff,
        **metadata,
    )  # fmt: skip
    m.add("rope_freqs.weight", 256)
    shared_from = layers - metadata.get("attention__shared_kv_layers", 0)
    for layer in m.each(layers):
        inside = pattern[layer]
        m.norms(*GEMMA)
        m.put("layer_output_scale.weight", 1)
        own = layer < shared_from
        m.attention(
            queries, sliding_heads if inside else full_heads, 256 if inside else 512,
            norm="head", keys=own, values=own and (inside or values),
        )  # fmt: skip
        m.dense(d_ff[layer] if isinstance(d_ff, list) else d_ff)
    return m


@family("gemma-4-31b")
def gemma4():
    return gemma4_model(60, 5376, 21504, 16, 4, 32, 6, values=False, attention__sliding_window=1024)


@family(25233141790)
def gemma4_moe():
    m = gemma4_model(30, 2816, 2112, 8, 2, 16, 6, values=False, attention__sliding_window=1024)
    moe(m, 128, 8, 704)
    for _ in m.each(30):
        m.norms("pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2")
        m.experts(128, 704, fused=True, bias="ffn_down_exps.scale")
        m.put("ffn_gate_inp.scale", 2816)
    return m


@family(4628569379)
def gemma4_e2b():
    m = gemma4_model(
        35, 1536, [6144] * 15 + [12288] * 20, 1, 1, 8, 5, values=True,
        attention__sliding_window=512, attention__shared_kv_layers=20, embedding_length_per_layer_input=256,
    )  # fmt: skip
    m.add("per_layer_token_embd.weight", 256 * 35, 262144)
    m.add("per_layer_model_proj.weight", 1536, 256 * 35, kind="bf16")
    m.add("per_layer_proj_norm.weight", 256)
    for _ in m.each(35):
        m.put("inp_gate.weight", 1536, 256)
        m.put("proj.weight", 256, 1536)
        m.norms("post_norm")
    return m


def mamba(m, d_inner, d_state, heads_, groups, *, bias=True):
    channels = d_inner + 2 * groups * d_state
    m.put("ssm_in.weight", m.d_model, d_inner + channels + heads_)
    m.put("ssm_conv1d.weight", 4, channels, kind="f32")
    if bias:
        m.put("ssm_conv1d.bias", channels)
    m.put("ssm_dt.bias", heads_)
    m.put("ssm_a", 1, heads_, kind="f32")
    m.put("ssm_d", 1, heads_, kind="f32")
    m.put("ssm_norm.weight", d_inner // groups, groups, kind="f32")
    m.put("ssm_out.weight", d_inner, m.d_model)


NEMOTRON_SSM = {"ssm__conv_kernel": 4, "ssm__state_size": 128, "ssm__group_count": 8}


@family(31577940288)
def nemotron_h_moe():
    pattern = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
    m = Model("nemotron_h_moe", 2688, 52, 131072, ssm__inner_size=4096, ssm__time_step_rank=64, **NEMOTRON_SSM)
    m.set("attention.head_count", 32)
    m.set("attention.head_count_kv", [2 if mark == "*" else 0 for mark in pattern])
    m.set("attention.key_length", 128)
    m.set("feed_forward_length", [1856 if mark == "E" else 0 for mark in pattern])
    moe(m, 128, 6, 1856)
    for layer in m.each(52):
        m.norms("attn_norm")
        if pattern[layer] == "M":
            mamba(m, 4096, 128, 64, 8)
        elif pattern[layer] == "*":
            m.attention(32, 2, 128)
        else:
            m.experts(128, 1856, shared=3712, gated=False, bias="exp_probs_b.bias")
    return m


@family(120668707840)
def nemotron_3_super():
    m = Model("nemotron_h_moe", 4096, 88, 131072, ssm__inner_size=8192, ssm__time_step_rank=128, **NEMOTRON_SSM)
    m.set("moe_latent_size", 1024)
    m.set("attention.head_count", 32)
    m.set("attention.head_count_kv", [2 if layer < 8 else 0 for layer in range(88)])
    m.set("attention.key_length", 128)
    moe(m, 512, 22, 2688)
    for layer in m.each(88):  # 8 of attention, 40 recurrent, 40 of experts, in another order than the model's
        m.norms("attn_norm")
        if layer < 8:
            m.attention(32, 2, 128)
        elif layer < 48:
            mamba(m, 8192, 128, 128, 8)
        else:
            m.experts(512, 2688, shared=5376, gated=False, bias="exp_probs_b.bias", width=1024)
            m.put("ffn_latent_down.weight", 4096, 1024)
            m.put("ffn_latent_up.weight", 1024, 4096)
    return m


@family(8380551168)
def granite():
    m = Model("granite", 4096, 40, 100352, tied=True, feed_forward_length=12800)
    heads(m, 32, 8)
    for _ in m.each(40):
        m.norms()
        m.attention(32, 8, 128)
        m.dense(12800)
    return m


@family(6939037248)  # Granite-4.0-H-Tiny: 7 B, sum of the shapes of its config.json
def granitehybrid():
    m = Model(
        "granitehybrid", 1536, 40, 100352, tied=True, expert_shared_feed_forward_length=1024, ssm__conv_kernel=4,
        ssm__state_size=128, ssm__group_count=1, ssm__inner_size=3072, ssm__time_step_rank=48,
    )  # fmt: skip
    m.set("attention.head_count", 12)
    m.set("attention.head_count_kv", [4 if layer in {5, 15, 25, 35} else 0 for layer in range(40)])
    moe(m, 64, 6)
    for layer in m.each(40):
        m.norms()
        if layer in {5, 15, 25, 35}:
            m.attention(12, 4, 128)
        else:
            mamba(m, 3072, 128, 48, 1)
        m.experts(64, 512, shared=1024)
    return m


@family(80393183232, "hunyuan-moe")
def hunyuan():
    m = Model("hunyuan-moe", 4096, 32, 128167, tied=True)
    heads(m, 32, 8, 128)
    moe(m, 64, 8, 3072)
    for _ in m.each(32):
        m.norms()
        m.attention(32, 8, 128, norm="head")
        m.experts(64, 3072, shared=3072)
    return m


@family(21825437888, "ernie4_5-moe")
def ernie():
    m = Model("ernie4_5-moe", 2560, 28, 103424, tied=True, feed_forward_length=12288)
    heads(m, 20, 4, 128)
    moe(m, 64, 6, 1536)
    for layer in m.each(28):
        m.norms()
        m.attention(20, 4, 128)
        if layer < 1:
            m.dense(12288)
        else:
            m.experts(64, 1536, shared=3072, bias="exp_probs_b.bias")
    return m


@family(142774381696)
def dots1():
    m = Model("dots1", 4096, 62, 152064, feed_forward_length=10944)
    heads(m, 32, 32, 128)
    moe(m, 128, 6, 1408)
    for layer in m.each(62):
        m.norms()
        m.attention(32, 32, 128, norm="head")
        if layer < 1:
            m.dense(10944)
        else:
            m.experts(128, 1408, shared=2816, bias="exp_probs_b.bias")
    return m


@family(2569272320)
def lfm2():
    attention = {2, 5, 9, 13, 17, 21, 24, 27}
    m = Model("lfm2", 2048, 30, 65536, tied=True, feed_forward_length=10752, shortconv__l_cache=3)
    m.tensors = [("token_embd_norm.weight", *t[1:]) if t[0] == "output_norm.weight" else t for t in m.tensors]
    m.set("attention.head_count", 32)
    m.set("attention.head_count_kv", [8 if layer in attention else 0 for layer in range(30)])
    for layer in m.each(30):
        m.norms()
        if layer in attention:
            m.attention(32, 8, 64, norm="head")
        else:
            m.put("shortconv.in_proj.weight", 2048, 6144)
            m.put("shortconv.conv.weight", 3, 2048, kind="f32")
            m.put("shortconv.out_proj.weight", 2048, 2048)
        m.dense(10752)
    return m


@family(3821079552)
def phi3():
    m = Model("phi3", 3072, 32, 32064, feed_forward_length=8192, attention__sliding_window=2047)
    heads(m, 32, 32)
    m.add("rope_factors_long.weight", 48)
    m.add("rope_factors_short.weight", 48)
    for _ in m.each(32):
        m.norms()
        m.put("attn_qkv.weight", 3072, 9216)
        m.put("attn_output.weight", 3072, 3072)
        m.dense(8192, fused=True)
    return m


@family("step-3.5-flash")
def step35():
    full = [layer % 4 == 0 for layer in range(45)]
    m = Model("step35", 4096, 45, 128896, feed_forward_length=11264, attention__sliding_window=512)
    m.set("attention.sliding_window_pattern", [not here for here in full])
    m.set("attention.head_count", [64 if here else 96 for here in full])
    m.set("attention.head_count_kv", [8] * 45)
    m.set("attention.key_length", 128)
    m.set("attention.value_length", 128)
    moe(m, 288, 8, 1280)
    for layer in m.each(45):
        queries = 64 if full[layer] else 96
        m.norms()
        m.attention(queries, 8, 128, norm="head")
        m.put("attn_gate.weight", 4096, queries)
        if layer < 3:
            m.dense(11264)
        else:
            m.experts(288, 1280, shared=1280, bias="exp_probs_b.bias")
    return m


@family(308778780864)
def mimo2():
    full = [layer in {0, 5, 11, 17, 23, 29, 35, 41, 47} for layer in range(48)]
    m = Model("mimo2", 4096, 48, 152576, feed_forward_length=16384, attention__sliding_window=128)
    m.set("attention.sliding_window_pattern", [not here for here in full])
    m.set("attention.head_count", 64)
    m.set("attention.head_count_kv", [4 if here else 8 for here in full])
    m.set("attention.key_length", 192)
    m.set("attention.value_length", 128)
    moe(m, 256, 8, 2048)
    for layer in m.each(48):
        m.norms()
        m.attention(64, 4 if full[layer] else 8, 192, d_value=128)
        if not full[layer]:
            m.put("attn_sinks.weight", 64)
        if layer < 1:
            m.dense(16384)
        else:
            m.experts(256, 2048, bias="exp_probs_b.bias")
    return m


@family(49122681728, "kimi-linear")
def kimi_linear():
    latent = {3, 7, 11, 15, 19, 23, 26}
    m = Model("kimi-linear", 2304, 27, 163840, feed_forward_length=9216, ssm__conv_kernel=4, kda__head_dim=128)
    shape = (32, 0, 512, 128, 64, 128)
    m.latent_metadata(*shape)
    m.set("attention.head_count_kv", [32 if layer in latent else 0 for layer in range(27)])
    moe(m, 256, 8, 1024)
    for layer in m.each(27):
        m.norms()
        if layer in latent:
            m.latent(*shape)
        else:
            for name in "qkv":
                m.put(f"attn_{name}.weight", 2304, 4096)
                m.put(f"ssm_conv1d_{name}.weight", 4, 1, 4096, kind="f32")
            m.put("ssm_f_a.weight", 2304, 128)
            m.put("ssm_f_b.weight", 128, 4096)
            m.put("ssm_beta.weight", 2304, 32)
            m.put("ssm_a", 1, 32, kind="f32")
            m.put("ssm_dt.bias", 4096)
            m.put("ssm_g_a.weight", 2304, 128)
            m.put("ssm_g_b.weight", 128, 4096)
            m.put("ssm_norm.weight", 128)
            m.put("attn_output.weight", 4096, 2304)
        if layer < 1:
            m.dense(9216)
        else:
            m.experts(256, 1024, shared=1024, bias="exp_probs_b.bias")
    return m


@family(7298617344)  # OLMo-2-1124-7B: 7.3 B, sum of the shapes of its config.json
def olmo2():
    m = Model("olmo2", 4096, 32, 100352, feed_forward_length=11008)
    heads(m, 32, 32)
    for _ in m.each(32):
        m.norms("post_attention_norm", "post_ffw_norm")
        m.attention(32, 32, 128, norm="projection")
        m.dense(11008)
    return m


@family(3030371328)  # StarCoder2-3B: 3.03 B, sum of the shapes of its config.json
def starcoder2():
    m = Model("starcoder2", 3072, 30, 49152, tied=True, feed_forward_length=12288)
    heads(m, 24, 2)
    m.add("output_norm.bias", 3072)
    for _ in m.each(30):
        m.norms(bias=True)
        m.attention(24, 2, 128, bias=("q", "k", "v", "output"))
        m.dense(12288, gated=False)
        m.put("ffn_up.bias", 12288)
        m.put("ffn_down.bias", 3072)
    return m


@family(7217189760)  # Falcon-7B: 7.22 B, sum of the shapes of its config.json
def falcon():
    m = Model("falcon", 4544, 32, 65024, feed_forward_length=18176)
    heads(m, 71, 1)
    m.add("output_norm.bias", 4544)
    for _ in m.each(32):
        m.norms("attn_norm", bias=True)
        m.put("attn_qkv.weight", 4544, 4672)
        m.put("attn_output.weight", 4544, 4544)
        m.dense(18176, gated=False)
    return m
