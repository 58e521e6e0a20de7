"""Cases by the models of transformers themselves, with scaled rotary positions: `generate.py --published`.

In float32, whose own errors are beside a run in float64, in which transformers keeps some parts in float32 even so.
"""
import copy
import math

import torch
import transformers

IGNORED = -100
transformers.logging.set_verbosity_error()


def rope(r, columns):
    theta, kind = r.choice([100.0, 10000.0, 1e6]), r.choice(["default", "linear", "dynamic", "yarn", "longrope", "llama3"])
    more = {
        "linear": {"factor": r.choice([1.5, 4.0])},
        "dynamic": {"factor": r.choice([1.5, 4.0])},
        "yarn": {"factor": 40.0, "original_max_position_embeddings": 16, "truncate": r.random() < 0.5,
                 **r.choice([{}, {"beta_fast": 16, "beta_slow": 2}, {"mscale": 1.0, "mscale_all_dim": 0.7}])},
        "longrope": {"factor": 4.0, "original_max_position_embeddings": r.choice([16, 128]),
                     "short_factor": [1 + 0.1 * i for i in range(columns // 2)],
                     "long_factor": [2 + 0.3 * i for i in range(columns // 2)]},
        "llama3": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}}
    return {"rope_type": kind, "rope_theta": theta, **more.get(kind, {})}


def adapted(config, r):
    """Within what transformers checks, which is narrower than what it computes."""
    config = {name: value for name, value in config.items() if name != "rope_theta"}
    heads = config.get("num_attention_heads", 0)
    if config["model_type"] in ("llama", "qwen2"):
        config["head_dim"] = max(4, config["head_dim"])  # dynamic scaling has a power of 1 / (columns - 2)
        config["hidden_size"] = heads * (config["head_dim"] if config["model_type"] == "qwen2" else r.randint(3, 20))
        config["rope_parameters"] = rope(r, config["head_dim"])
    if config["model_type"] == "qwen2":
        config.pop("mlp_bias")  # which transformers' does not have
    if config["model_type"] == "deepseek_v3":
        config |= {"num_key_value_heads": heads, "n_shared_experts": max(1, config["n_shared_experts"])}
        config["qk_rope_head_dim"] = max(4, config["qk_rope_head_dim"])
        config["rope_parameters"] = rope(r, config["qk_rope_head_dim"])
    if config["model_type"] == "rwkv":  # divides by the number of layers but one, and of columns
        config |= {name: max(2, config[name]) for name in ("num_hidden_layers", "attention_hidden_size")}
    if "time_step_limit" in config:
        config["time_step_limit"] = [float(limit) for limit in config["time_step_limit"]]
    return config


def plain(value):
    """As a JSON file can have it."""
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return "Infinity" if value == math.inf else value if isinstance(value, (int, float, str, type(None))) else str(value)


def apart(tensors, prefix):
    """By their published names: experts one by one."""
    out = {}
    for name, tensor in tensors.items():
        stem, _, last = name.rpartition(".")
        if last == "gate_up_proj":
            for i, both in enumerate(tensor):
                gate, up = both.chunk(2)
                out |= {f"{stem}.{i}.gate_proj.weight": gate, f"{stem}.{i}.up_proj.weight": up}
        elif last == "down_proj":
            out |= {f"{stem}.{i}.down_proj.weight": one for i, one in enumerate(tensor)}
        else:
            out[name] = tensor
    return {prefix + name: tensor.detach().clone() for name, tensor in out.items()}


def batch_of(config, lengths, r):
    """Padded on the right, or packed into one row, positions of which begin again."""
    if "num_attention_heads" in config and r.random() < 0.4:
        ids = torch.randint(config["vocab_size"], (1, sum(lengths)))
        labels, starts = ids.clone(), torch.tensor([0, *lengths[:-1]]).cumsum(0)
        labels[0, starts] = IGNORED
        batch = {"input_ids": ids, "position_ids": torch.cat([torch.arange(n) for n in lengths])[None]}
    else:
        ids = torch.randint(config["vocab_size"], (len(lengths), max(lengths)))
        mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
        labels, batch = ids.masked_fill(mask == 0, IGNORED), {"input_ids": ids, "attention_mask": mask}
    return batch, labels.masked_fill(torch.rand(labels.shape) < 0.1, IGNORED)


def gradients(model, batch, labels):
    # RWKV takes no mask: what stands after a sequence has no part in its loss.
    known = {name: t for name, t in batch.items() if name != "attention_mask" or model.config.model_type != "rwkv"}
    loss = model(**known, labels=labels, use_cache=False).loss
    loss.backward()
    return float(loss.detach()), {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in model.named_parameters()}


def make(config, lengths, spread, r):
    """A description's config, tensors, and float32's own errors of the loss and of every gradient."""
    torch.set_default_dtype(torch.float32)
    config = transformers.AutoConfig.for_model(**config)
    if hasattr(config, "num_attention_heads"):
        config._attn_implementation = config._experts_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config).train()
    with torch.no_grad():
        for p in model.parameters():
            p += spread * torch.randn_like(p)
        biases = {name: b for name, b in model.named_buffers() if name.endswith("e_score_correction_bias")}
        for b in biases.values():
            b += spread * torch.randn_like(b)
    batch, labels = batch_of(config.to_dict(), lengths, r)
    if bool((labels[:, 1:] == IGNORED).all()):
        return None
    wide = copy.deepcopy(model).double()
    loss, grads = gradients(model, batch, labels)
    wide_loss, wide_grads = gradients(wide, batch, labels)
    tensors = {f"input/{name}": t for name, t in {**batch, "labels": labels}.items()} | {"output/loss": torch.tensor([loss])}
    tensors |= apart({**dict(model.named_parameters()), **biases}, "weight/") | apart(grads, "grad/")
    own, exact = apart(grads, ""), apart(wide_grads, "")
    errors = {n: float((own[n].double() - exact[n]).norm() / max(exact[n].norm(), 1e-30)) for n in own}
    return plain(config.to_dict()), tensors, abs(loss - wide_loss) / abs(wide_loss), errors
