"""RetNet: multi-scale retention in its parallel form."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from .parts import LanguageModel, linear


def rotate(x, cos, sin):
    """Neighbouring columns in pairs."""
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)


class Positions:
    """Angles of the pairs, and each head's decay from s to t over the root of its row's sum."""

    def __init__(self, length, heads, dim, like):
        pairs = dim // 2
        rates = 10000.0 ** -torch.linspace(0, 1, pairs, dtype=torch.float64)
        steps = torch.arange(length, dtype=torch.float64)
        angles = torch.outer(steps, rates)
        self.cos, self.sin = angles.cos().to(like), angles.sin().to(like)
        logs = torch.log1p(-torch.exp2(-5 - torch.arange(heads, dtype=torch.float64)))
        apart = steps[:, None] - steps
        decay = torch.exp(logs[:, None, None] * apart.clamp(min=0)).tril()
        self.decay = (decay / decay.sum(-1, keepdim=True).sqrt()).to(like)


class Retention(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, values = c["decoder_embed_dim"], c["decoder_value_embed_dim"]
        self.heads, self.eps = c["decoder_retention_heads"], c.get("layernorm_eps", 1e-6)
        self.q_proj, self.k_proj = linear(width, width), linear(width, width)
        self.v_proj, self.g_proj, self.out_proj = linear(width, values), linear(width, values), linear(values, width)

    def forward(self, x, positions):
        q, k, v = (p(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        q, k = (rotate(t, positions.cos, positions.sin) for t in (q, k * q.shape[-1] ** -0.5))
        scores = (q @ k.mT) * positions.decay
        size = scores.detach().sum(-1, keepdim=True).abs().clamp(1, 5e4)
        y = F.rms_norm(((scores / size) @ v).transpose(1, 2), v.shape[-1:], eps=self.eps)
        return self.out_proj(F.silu(self.g_proj(x)) * y.flatten(2))


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner = c["decoder_embed_dim"], c["decoder_ffn_embed_dim"]
        self.fc1, self.gate, self.fc2 = linear(width, inner), linear(width, inner), linear(inner, width)

    def forward(self, x):
        return self.fc2(F.silu(self.fc1(x)) * self.gate(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, eps = c["decoder_embed_dim"], c.get("layernorm_eps", 1e-6)
        self.before = c.get("decoder_normalize_before", True)
        self.retention_layer_norm, self.final_layer_norm = nn.RMSNorm(width, eps), nn.RMSNorm(width, eps)
        self.retention, self.ffn = Retention(c), FeedForward(c)

    def forward(self, x, positions):
        if self.before:
            x = x + self.retention(self.retention_layer_norm(x), positions)
            return x + self.ffn(self.final_layer_norm(x))
        x = self.retention_layer_norm(x + self.retention(x, positions))
        return self.final_layer_norm(x + self.ffn(x))


class RetNet(LanguageModel):
    def __init__(self, c):
        super().__init__()
        width, eps = c["decoder_embed_dim"], c.get("layernorm_eps", 1e-6)
        self.heads, self.scale = c["decoder_retention_heads"], 1.0
        if not c.get("no_scale_embedding", True):
            self.scale = math.sqrt(width)
        self.embed_tokens = nn.Embedding(c["vocab_size"], width)
        nn.init.normal_(self.embed_tokens.weight, std=width**-0.5)
        self.layernorm_embedding = nn.RMSNorm(width, eps) if c.get("layernorm_embedding") else None
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["decoder_layers"]))
        self.layer_norm = nn.RMSNorm(width, eps) if c.get("decoder_normalize_before", True) else None
        self.output_projection = linear(width, c["vocab_size"])
        if c.get("share_decoder_input_output_embed"):
            self.output_projection.weight = self.embed_tokens.weight

    def hidden(self, ids):
        x = self.embed_tokens(ids) * self.scale
        if self.layernorm_embedding:
            x = self.layernorm_embedding(x)
        positions = Positions(ids.shape[1], self.heads, x.shape[-1] // self.heads, x)
        for layer in self.layers:
            x = layer(x, positions)
        return self.layer_norm(x) if self.layer_norm else x

    def head_of(self, x):
        return self.output_projection(x)
