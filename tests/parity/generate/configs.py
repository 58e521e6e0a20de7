"""Small random configs of each family, at the edges of what it allows: one head, odd widths, ragged groups."""


def recurrent(kind):
    def config(r):
        hidden, both = r.randint(1, 40), r.random() < 0.4
        width = hidden * (2 if both else 1)
        tied = r.random() < 0.3
        c = {"model_type": kind, "vocab_size": r.randint(5, 90), "input_size": width if tied else r.randint(1, 30),
             "hidden_size": hidden, "num_layers": r.randint(1, 3), "bias": r.random() < 0.7, "bidirectional": both,
             "tie_word_embeddings": tied}
        if kind == "rnn":
            c["nonlinearity"] = r.choice(["tanh", "relu"])
        return c

    return config


def llama(r):
    kv_heads = r.choice([1, 1, 2, 3])
    heads = kv_heads * r.choice([1, 2, 3, 4])
    dim = 2 * r.randint(1, 12)
    own = r.random() < 0.4  # heads whose columns are not the hidden ones
    return {"model_type": "llama", "vocab_size": r.randint(5, 90), "hidden_size": r.randint(8, 40) if own else heads * dim,
            "head_dim": dim, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "intermediate_size": r.randint(5, 70), "num_hidden_layers": r.randint(1, 3), "rms_norm_eps": r.choice([1e-5, 1e-6]),
            "rope_theta": r.choice([100.0, 10000.0, 500000.0]), "attention_bias": r.random() < 0.3,
            "mlp_bias": r.random() < 0.3, "tie_word_embeddings": r.random() < 0.4}


def qwen2(r):
    return {name: value for name, value in llama(r).items() if name != "attention_bias"} | {"model_type": "qwen2"}


def deepseek_v3(r):
    groups = r.choice([1, 1, 2, 3])
    experts, top_groups = groups * r.choice([2, 3, 5]), r.randint(1, groups)
    heads, layers = r.choice([1, 2, 3, 5]), r.randint(1, 3)
    return {"model_type": "deepseek_v3", "vocab_size": r.randint(5, 90), "hidden_size": r.randint(8, 50),
            "intermediate_size": r.randint(5, 70), "moe_intermediate_size": r.randint(1, 40), "num_hidden_layers": layers,
            "first_k_dense_replace": r.randint(0, layers), "num_attention_heads": heads,
            "q_lora_rank": r.choice([None, None, r.randint(2, 20)]), "kv_lora_rank": r.randint(2, 30),
            "qk_nope_head_dim": r.randint(1, 20), "qk_rope_head_dim": 2 * r.randint(1, 6), "v_head_dim": r.randint(1, 20),
            "n_routed_experts": experts, "n_shared_experts": r.randint(0, 2), "n_group": groups, "topk_group": top_groups,
            "num_experts_per_tok": r.randint(1, min(6, top_groups * experts // groups)),
            "norm_topk_prob": r.random() < 0.7, "routed_scaling_factor": r.choice([1.0, 2.446]),
            "rms_norm_eps": r.choice([1e-5, 1e-6]), "rope_theta": r.choice([100.0, 50000.0])}


def transformer(r):
    width = 2 * r.choice([2, 3, 4, 6]) * r.choice([1, 2, 3])
    first = r.random() < 0.5
    heads = [h for h in (1, 2, 3, 4, 6) if width % h == 0]
    return {"model_type": "transformer", "d_model": width, "encoder_layers": r.randint(1, 3),
            "decoder_layers": r.randint(1, 3), "encoder_attention_heads": r.choice(heads),
            "decoder_attention_heads": r.choice(heads), "encoder_ffn_dim": r.randint(3, 50),
            "decoder_ffn_dim": r.randint(3, 50), "dropout": 0.0, "norm_first": first,
            "final_layer_norm": first or r.random() < 0.3, "layer_norm_eps": r.choice([1e-5, 1e-6]),
            "scale_embedding": r.random() < 0.7, "label_smoothing": r.choice([0.0, 0.1, 0.3]), "vocab_size": r.randint(5, 80)}


def mamba(r):
    width = r.randint(3, 40)
    return {"model_type": "mamba", "vocab_size": r.randint(5, 90), "hidden_size": width, "expand": r.choice([1, 2, 3]),
            "state_size": r.randint(1, 20), "conv_kernel": r.randint(1, 6), "num_hidden_layers": r.randint(1, 3),
            "time_step_rank": r.choice(["auto", r.randint(1, 9)]), "use_bias": r.random() < 0.4,
            "use_conv_bias": r.random() < 0.7, "residual_in_fp32": True, "tie_word_embeddings": r.random() < 0.7}


def mamba2(r):
    groups = r.choice([1, 1, 2, 3])
    heads = groups * r.choice([1, 2, 3])
    columns, expand = r.choice([2, 4, 6, 16]), r.choice([1, 2])
    limits = r.choice([[0.0, "Infinity"], [0.0, "Infinity"], [0.01, 0.5]])
    return {"model_type": "mamba2", "vocab_size": r.randint(5, 90), "hidden_size": heads * columns // expand,
            "expand": expand, "head_dim": columns, "num_heads": heads, "n_groups": groups, "state_size": r.randint(1, 40),
            "conv_kernel": r.randint(1, 5), "chunk_size": r.choice([1, 7, 16, 64, 256]), "time_step_limit": limits,
            "num_hidden_layers": r.randint(1, 3), "use_bias": r.random() < 0.4, "use_conv_bias": r.random() < 0.7,
            "tie_word_embeddings": r.random() < 0.5}


def rwkv(r):
    width = r.randint(2, 40)
    return {"model_type": "rwkv", "vocab_size": r.randint(5, 90), "hidden_size": width,
            "attention_hidden_size": r.choice([width, r.randint(1, 50)]), "intermediate_size": r.randint(3, 90),
            "num_hidden_layers": r.randint(1, 3), "layer_norm_epsilon": 1e-5, "tie_word_embeddings": r.random() < 0.3}


def rwkv7(r):
    columns = r.choice([2, 4, 8, 15, 16, 17, 32, 64])
    return {"model_type": "rwkv7", "vocab_size": r.randint(5, 90), "hidden_size": columns * r.randint(1, 3 if columns > 8 else 5),
            "head_dim": columns, "num_hidden_layers": r.randint(1, 3), "intermediate_size": r.randint(5, 90),
            "decay_low_rank_dim": r.randint(1, 9), "a_low_rank_dim": r.randint(1, 9), "v_low_rank_dim": r.randint(1, 9),
            "gate_low_rank_dim": r.randint(1, 12), "norm_eps": 1e-5, "norm_first": r.random() < 0.7,
            "norm_bias": r.random() < 0.7, "tie_word_embeddings": r.random() < 0.3}


def retnet(r):
    heads = r.randint(1, 5)
    return {"model_type": "retnet", "vocab_size": r.randint(5, 90), "decoder_embed_dim": 2 * heads * r.randint(1, 8),
            "decoder_value_embed_dim": heads * r.randint(1, 20), "decoder_retention_heads": heads,
            "decoder_ffn_embed_dim": r.randint(3, 70), "decoder_layers": r.randint(1, 3),
            "decoder_normalize_before": r.random() < 0.7, "no_scale_embedding": r.random() < 0.5,
            "layernorm_embedding": r.random() < 0.3, "share_decoder_input_output_embed": r.random() < 0.3,
            "recurrent_chunk_size": r.choice([1, 7, 16, 64, 512])}


def numbers(r, kind):
    return {"model_type": kind, "d_input": r.randint(1, 4), "d_output": r.randint(2, 12), "d_model": r.randint(1, 24),
            "n_layers": r.randint(1, 3), "prenorm": r.random() < 0.5, "pooling": r.choice(["mean", "last", "none"])}


def s4(r):
    return {**numbers(r, "s4"), "d_state": 2 * r.randint(1, 16), "discretization": "bilinear"}


def s4d(r):
    return {**numbers(r, "s4d"), "d_state": 2 * r.randint(1, 16), "discretization": r.choice(["zoh", "bilinear"])}


def lru(r):
    low = r.uniform(0, 0.8)
    return {**numbers(r, "lru"), "d_hidden": r.randint(1, 40), "r_min": low, "r_max": r.uniform(low + 0.1, 0.999),
            "max_phase": r.choice([0.3, 3.14, 6.28]), "norm": r.choice(["layer", "batch"])}


def ordering(r, pixels):
    order = list(range(pixels))
    r.shuffle(order)
    return r.choice([{"ordering": "raster"}, {"ordering": "fixed random permutation", "order_seed": r.randint(0, 99)},
                     {"order": order}])


def fvsbn(r):
    pixels = r.randint(1, 60)
    return {"model_type": "fvsbn", "input_dim": pixels, **ordering(r, pixels)}


def nade(r):
    pixels = r.randint(1, 60)
    return {"model_type": "nade", "input_dim": pixels, "hidden_size": r.randint(1, 40), **ordering(r, pixels),
            "activation": r.choice(["sigmoid", "relu", "tanh"]), "tied_weights": r.random() < 0.4}


def made(r):
    return {"model_type": "made", "input_dim": r.randint(3, 40), "hidden_sizes": [r.randint(60, 90) for _ in range(r.randint(1, 3))],
            "activation": r.choice(["relu", "sigmoid", "tanh"]), "direct_connection": r.random() < 0.5,
            "natural_ordering": r.random() < 0.3, "mask_seeds": [r.randint(0, 999) for _ in range(r.randint(1, 4))]}


CONFIGS = {"deepseek_v3": deepseek_v3, "fvsbn": fvsbn, "gru": recurrent("gru"), "llama": llama, "lru": lru,
           "lstm": recurrent("lstm"), "made": made, "mamba": mamba, "mamba2": mamba2, "nade": nade, "qwen2": qwen2,
           "retnet": retnet, "rnn": recurrent("rnn"), "rwkv": rwkv, "rwkv7": rwkv7, "s4": s4, "s4d": s4d,
           "transformer": transformer}


def variants(r, config):
    """More that a config.json may say, drawn apart so that the seeds of saved cases still draw them."""
    kind = config["model_type"]
    if kind == "deepseek_v3":
        return {"attention_bias": r.random() < 0.4, "rope_interleave": r.random() < 0.6,
                "hidden_act": r.choice(["silu", "swish"])}
    if kind == "made" and r.random() < 0.3:
        return {"mask_seeds": None, "num_masks": r.randint(1, 5)}
    if kind in ("s4", "s4d"):
        inits = ["legs", "lagt"] if kind == "s4" else ["s4d-lin", "s4d-inv", "s4d-legs"]
        return {"init": r.choice(inits), "dt_min": 0.01}
    if kind in ("mamba", "mamba2"):
        return {"layer_norm_epsilon": r.choice([1e-5, 1e-6]), "hidden_act": r.choice(["silu", "swish"])}
    if kind in ("rnn", "lstm", "gru"):
        return {"embedding_dim": config["input_size"], "batch_first": r.random() < 0.5, "proj_size": 0}
    return {}


def lengths(r, config):
    """Of sequences, around the sizes of chunks; for images only their number counts."""
    if "input_dim" in config:
        return [config["input_dim"]] * r.randint(1, 9)
    return [r.choice([r.randint(1, 20), r.randint(1, 150), 63, 64, 65, 129]) for _ in range(r.randint(1, 4))]
