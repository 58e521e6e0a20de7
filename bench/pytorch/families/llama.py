"""Llama: RMSNorm, rotary positions, grouped-query attention, SwiGLU. Qwen2: biases of queries, keys and values."""
import torch
import torch.nn.functional as F
from torch import nn

from .parts import LanguageModel, Namespace, linear


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, only_qkv = c["hidden_size"], c["model_type"] == "qwen2"
        bias = only_qkv or c.get("attention_bias", False)
        heads, kv_heads = c["num_attention_heads"], c.get("num_key_value_heads", c["num_attention_heads"])
        self.dim, self.grouped = c.get("head_dim", width // heads), heads != kv_heads
        self.q_proj = linear(width, heads * self.dim, bias)
        self.k_proj = linear(width, kv_heads * self.dim, bias)
        self.v_proj = linear(width, kv_heads * self.dim, bias)
        self.o_proj = linear(heads * self.dim, width, bias and not only_qkv)

    def forward(self, x, cos, sin):
        q, k, v = (p(x).unflatten(-1, (-1, self.dim)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True,
                                           enable_gqa=self.grouped)
        return self.o_proj(y.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner, bias = c["hidden_size"], c["intermediate_size"], c.get("mlp_bias", False)
        self.gate_proj, self.up_proj = linear(width, inner, bias), linear(width, inner, bias)
        self.down_proj = linear(inner, width, bias)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c, attention, mlp):
        super().__init__()
        width, eps = c["hidden_size"], c.get("rms_norm_eps", 1e-6)
        self.input_layernorm, self.post_attention_layernorm = nn.RMSNorm(width, eps), nn.RMSNorm(width, eps)
        self.self_attn, self.mlp = attention, mlp

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(LanguageModel):
    def __init__(self, c):
        super().__init__()
        width = c["hidden_size"]
        self.model = Namespace(embed_tokens=nn.Embedding(c["vocab_size"], width),
                               layers=nn.ModuleList(self.layer(c, i) for i in range(c["num_hidden_layers"])),
                               norm=nn.RMSNorm(width, c.get("rms_norm_eps", 1e-6)))
        self.lm_head = linear(width, c["vocab_size"])
        if c.get("tie_word_embeddings"):
            self.lm_head.weight = self.model.embed_tokens.weight
        dim = self.turned_columns(c)
        exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
        self.register_buffer("frequencies", c.get("rope_theta", 10000.0) ** -exponents, persistent=False)

    @staticmethod
    def layer(c, _index):
        return Layer(c, Attention(c), Mlp(c))

    @staticmethod
    def turned_columns(c):
        """Of a head, by positions."""
        return c.get("head_dim", c["hidden_size"] // c["num_attention_heads"])

    def hidden(self, ids):
        x = self.model.embed_tokens(ids)
        angles = torch.outer(torch.arange(ids.shape[1], device=ids.device), self.frequencies)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer in self.model.layers:
            x = layer(x, cos, sin)
        return self.model.norm(x)

    def head_of(self, x):
        return self.lm_head(x)
