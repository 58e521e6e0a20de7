"""DeepSeek-V3 and Moonlight: latent attention, and a mixture of experts in which every expert takes its own tokens."""
import torch
import torch.nn.functional as F
from torch import nn

from . import llama
from .llama import Layer, Llama, Mlp
from .parts import linear

LATENT_EPS = 1e-6


def rotate_neighbours(x, cos, sin):
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, self.heads = c["hidden_size"], c["num_attention_heads"]
        self.key, self.turned, self.value = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
        self.rank, bias = c["kv_lora_rank"], c.get("attention_bias", False)
        self.rotate = rotate_neighbours if c.get("rope_interleave", True) else llama.rotate
        wide, q_rank = self.heads * (self.key + self.turned), c.get("q_lora_rank")
        if q_rank:
            self.q_a_proj, self.q_b_proj = linear(width, q_rank, bias), linear(q_rank, wide)
            self.q_a_layernorm = nn.RMSNorm(q_rank, LATENT_EPS)
        else:
            self.q_proj = linear(width, wide)
        self.kv_a_proj_with_mqa = linear(width, self.rank + self.turned, bias)
        self.kv_a_layernorm = nn.RMSNorm(self.rank, LATENT_EPS)
        self.kv_b_proj = linear(self.rank, self.heads * (self.key + self.value))
        self.o_proj = linear(self.heads * self.value, width, bias)

    def queries(self, x):
        return self.q_proj(x) if hasattr(self, "q_proj") else self.q_b_proj(self.q_a_layernorm(self.q_a_proj(x)))

    def forward(self, x, cos, sin):
        q = self.queries(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        latent, shared = self.kv_a_proj_with_mqa(x).split((self.rank, self.turned), -1)
        kv = self.kv_b_proj(self.kv_a_layernorm(latent)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = kv.split((self.key, self.value), -1)
        still, turned = q.split((self.key, self.turned), -1)
        q = torch.cat((still, self.rotate(turned, cos, sin)), -1)
        shared = self.rotate(shared, cos, sin)[:, None].expand(-1, self.heads, -1, -1)
        y = F.scaled_dot_product_attention(q, torch.cat((k, shared), -1), v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class Gate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(c["n_routed_experts"], c["hidden_size"]).normal_(0, 0.02))
        self.register_buffer("e_score_correction_bias", torch.zeros(c["n_routed_experts"]))
        self.groups, self.top_groups, self.top_k = c.get("n_group", 8), c.get("topk_group", 4), c["num_experts_per_tok"]
        self.normalize, self.scale = c.get("norm_topk_prob", True), c.get("routed_scaling_factor", 2.5)

    def forward(self, x):
        with torch.autocast(x.device.type, enabled=False):
            wide = torch.promote_types(x.dtype, torch.float32)
            scores = F.linear(x.to(wide), self.weight.to(wide)).sigmoid()
        choice = scores.detach() + self.e_score_correction_bias
        if self.top_groups < self.groups:
            grouped = choice.unflatten(-1, (self.groups, -1))
            best = grouped.topk(2, -1).values.sum(-1).topk(self.top_groups, -1).indices
            open_groups = torch.zeros_like(grouped[..., 0], dtype=torch.bool).scatter(-1, best, True)
            choice = grouped.masked_fill(~open_groups[..., None], -torch.inf).flatten(-2)
        experts = choice.topk(self.top_k, -1).indices
        weights = scores.gather(-1, experts)
        if self.normalize:
            weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
        return weights * self.scale, experts


class Mixture(nn.Module):
    def __init__(self, c):
        super().__init__()
        own = {**c, "intermediate_size": c["moe_intermediate_size"]}
        self.gate = Gate(c)
        self.experts = nn.ModuleList(Mlp(own) for _ in range(c["n_routed_experts"]))
        shared = c.get("n_shared_experts", 1) * c["moe_intermediate_size"]
        self.shared_experts = Mlp({**c, "intermediate_size": shared}) if shared else None

    def forward(self, x):
        rows = x.flatten(0, 1)
        weights, experts = self.gate(rows)
        y = torch.zeros_like(rows)
        for i, expert in enumerate(self.experts):
            token, choice = torch.where(experts == i)
            y = y.index_add(0, token, (expert(rows[token]) * weights[token, choice, None]).to(y.dtype))
        return y.view_as(x) + self.shared_experts(x) if self.shared_experts else y.view_as(x)


class DeepseekV3(Llama):
    @staticmethod
    def layer(c, index):
        dense = index < c.get("first_k_dense_replace", 3)
        return Layer(c, Attention(c), Mlp(c) if dense else Mixture(c))

    @staticmethod
    def turned_columns(c):
        return c["qk_rope_head_dim"]
