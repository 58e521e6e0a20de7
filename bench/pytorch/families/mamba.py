"""Mamba: the selective scan, token by token: faster on a CPU than chunks at once, whose states leave its caches."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from .parts import LanguageModel, Namespace, causal_conv, linear


def inner_columns(c):
    return round(c.get("expand", 2) * c["hidden_size"])


def time_step_bias(c, n):
    """The inverse softplus of steps between the limits."""
    low, high = c.get("time_step_min", 0.001), c.get("time_step_max", 0.1)
    steps = torch.exp(torch.rand(n) * math.log(high / low) + math.log(low)).clamp(min=c.get("time_step_floor", 1e-4))
    return steps + torch.log(-torch.expm1(-steps))


def selective_scan(u, dt, a, b, c):
    """y(t) = h(t) C(t), h(t) = exp(dt(t) A) h(t-1) + dt(t) u(t) B(t)^T of u and dt [B,T,E], a [E,N], b and c [B,T,N]."""
    h, y = u.new_zeros(len(u), *a.shape), []
    for dt_t, x, b_t, c_t in zip(*(v.unbind(1) for v in (dt, dt * u, b, c))):
        h = torch.addcmul(x[..., None] * b_t[:, None], torch.exp(dt_t[..., None] * a), h)
        y.append((h @ c_t[..., None])[..., 0])
    return torch.stack(y, 1)


class Mixer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner, bias = c["hidden_size"], inner_columns(c), c.get("use_bias", False)
        rank = c.get("time_step_rank", "auto")
        self.rank, self.states = math.ceil(width / 16) if rank == "auto" else rank, c.get("state_size", 16)
        kernel = c.get("conv_kernel", 4)
        self.in_proj = linear(width, 2 * inner, bias)
        self.conv1d = nn.Conv1d(inner, inner, kernel, groups=inner, bias=c.get("use_conv_bias", True))
        self.x_proj = linear(inner, self.rank + 2 * self.states)
        self.dt_proj = linear(self.rank, inner, True)
        self.A_log = nn.Parameter(torch.arange(1.0, self.states + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = linear(inner, width, bias)
        with torch.no_grad():
            self.dt_proj.bias.copy_(time_step_bias(c, inner))

    def forward(self, x):
        u, z = self.in_proj(x).chunk(2, -1)
        u = F.silu(causal_conv(u, self.conv1d))
        dt, b, c = self.x_proj(u).split((self.rank, self.states, self.states), -1)
        dt = F.softplus(self.dt_proj(dt))
        y = selective_scan(u, dt, -torch.exp(self.A_log), b, c) + self.D * u
        return self.out_proj(y * F.silu(z))


class Layer(nn.Module):
    def __init__(self, c, mixer):
        super().__init__()
        self.norm = nn.RMSNorm(c["hidden_size"], c.get("layer_norm_epsilon", 1e-5))
        self.mixer = mixer(c)

    def forward(self, x):
        return x + self.mixer(self.norm(x))


class Stack(LanguageModel):
    """Of mixers: what Mamba and Mamba-2 share."""

    def __init__(self, c, mixer, tied):
        super().__init__()
        width = c["hidden_size"]
        self.backbone = Namespace(embeddings=nn.Embedding(c["vocab_size"], width),
                                  layers=nn.ModuleList(Layer(c, mixer) for _ in range(c["num_hidden_layers"])),
                                  norm_f=nn.RMSNorm(width, c.get("layer_norm_epsilon", 1e-5)))
        self.lm_head = linear(width, c["vocab_size"])
        nn.init.normal_(self.backbone.embeddings.weight, std=c.get("initializer_range", 0.1))
        if c.get("tie_word_embeddings", tied):
            self.lm_head.weight = self.backbone.embeddings.weight

    def hidden(self, ids):
        x = self.backbone.embeddings(ids)
        for layer in self.backbone.layers:
            x = layer(x)
        return self.backbone.norm_f(x)

    def head_of(self, x):
        return self.lm_head(x)


class Mamba(Stack):
    def __init__(self, c):
        super().__init__(c, Mixer, tied=True)
