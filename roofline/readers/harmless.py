"""Keys of configs that change neither shapes, nor bytes, nor FLOPs; every other key must be understood."""

from __future__ import annotations

_WHO = "architectures auto_map model_type transformers_version _name_or_path tokenizer_class name_or_path"

_GENERATION = """
    bad_words_ids begin_suppress_tokens chunk_size_feed_forward decoder_start_token_id diversity_penalty do_sample
    early_stopping encoder_no_repeat_ngram_size exponential_decay_length_penalty length_penalty max_length min_length
    no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores prefix remove_invalid_values
    repetition_penalty return_dict return_dict_in_generate suppress_tokens temperature top_k top_p typical_p
    output_attentions output_hidden_states use_cache use_return_dict task_specific_params finetuning_task problem_type
    is_decoder is_encoder_decoder add_cross_attention cross_attention_hidden_size tie_encoder_decoder id2label label2id
    pruned_heads torchscript use_bfloat16 tf_legacy_loss ignore_index num_logits_to_keep num_reward_heads
    language_model_only cache_implementation unsloth_fixed unsloth_version _attn_implementation
    _attn_implementation_autoset
"""

_TRAINING = """
    initializer_range attention_dropout hidden_dropout embd_pdrop resid_pdrop attention_probs_dropout_prob
    hidden_dropout_prob classifier_dropout aux_loss_alpha seq_aux router_aux_loss_coef router_z_loss_coef
    output_router_logits router_jitter_noise pretraining_tp ep_size rescale_prenorm_residual residual_in_fp32
    moe_shared_expert_overlap initializer_cutoff_factor embedding_initializer_range head_dropout dropout
    gradient_checkpointing use_flash_attn use_mamba_kernels moe_aux_loss_coef initializer_cutoff
    router_aux_loss_coeff num_ln_in_parallel_attn initialization_distribution
"""

_NORMALISATION = """
    rms_norm_eps layer_norm_eps layer_norm_epsilon norm_eps norm_epsilon layernorm_epsilon use_gemma_norm
    final_logit_softcapping attn_logit_softcapping query_pre_attn_scalar embedding_multiplier logits_scaling
    residual_multiplier attention_multiplier logit_scale attention_value_scale attn_temperature_tuning floor_scale
    attn_scale hidden_act_param activation_situ_beta activation_situ_linear_beta swiglu_alpha swiglu_limit swiglu_limits
    swiglu_limits_shared attention_scale zero_centered_gamma
"""

_ROUTING = """
    norm_topk_prob norm_expert_weight routed_scaling_factor moe_router_scaling_factor scoring_func
    score_function topk_method topk_group n_group num_expert_group use_grouped_topk moe_router_activation
    moe_router_activation_func moe_renormalize moe_router_dtype moe_router_logit_softcapping moe_norm_min
    router_scale router_logit_softcapping moe_router_use_sigmoid moe_topk_group moe_n_group
"""

_POSITIONS = """
    rope_theta rope_scaling rope_parameters rope_interleave rope_local_base_freq rotary_dim partial_rotary_factor
    partial_rotary_factors compress_rope_theta swa_rope_theta use_mrope indexer_rope_interleave mla_use_nope
    initial_context_length original_max_position_embeddings max_seq_len no_rope_layers no_rope_layer_interval
    nope_layer_interval use_rope yarn_only_types llama_4_scaling rope_type rotary_emb_base rotary_pct rotary_base
    max_window_layers seq_length rope_head_dim use_rope_scaling rope_percent global_rope_theta local_rope_theta
"""

_STATE_SPACE = "time_step_floor time_step_limit time_step_max time_step_min chunk_size mamba_chunk_size"

_OTHER_SENSES = """
    vision_config audio_config image_grid_pinpoints image_placeholder image_seq_length img_token_compression_config
    multimodal_projector_bias process_image_mode projector_hidden_act projector_hidden_size use_unified_vision_chunk
    video_placeholder vision_feature_layer vision_feature_select_strategy vision_soft_tokens_per_image
    use_bidirectional_attention mm_tokens_per_image spatial_merge_size understand_projector_stride projector_bias
    vision_select_layer image_token_len image_size
"""
"""Vision and audio towers: not part of a text model's forward pass for a new token."""

_NEXT_TOKENS = """
    num_nextn_predict_layers num_mtp_modules mtp_transformer_layers mtp_num_hidden_layers use_mtp
    mtp_use_dedicated_embeddings mtp_hybrid_override_pattern mtp_layers_block_type mtp_layers
    index_share_for_mtp_iteration
    mtp_loss_scaling_factor num_mtp_layers
"""
"""Multi-token prediction: extra layers that a pass of one token does not run."""

HARMLESS = frozenset(
    f"{_WHO} {_GENERATION} {_TRAINING} {_NORMALISATION} {_ROUTING} {_POSITIONS} {_STATE_SPACE} {_OTHER_SENSES} "
    f"{_NEXT_TOKENS}".split()
)

HARMLESS_PREFIXES = ("_", "vision_", "audio_", "image_", "video_")
HARMLESS_SUFFIXES = ("_token_id", "_token_index", "_token_ids", "_initializer_range", "_dropout")
