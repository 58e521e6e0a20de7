"""RWKV-7: the generalised delta rule in chunks, within which the states solve a triangular system."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from .parts import LanguageModel, Namespace, chunked, linear, previous

ROWS = 16  # of a chunk: decays are at least 0.545, so their product's inverse is at most 2e4


def delta_rule(r, log_decay, k, v, a, b):
    """y(t) = S(t) r(t), S(t) = S(t-1) (diag(decay(t)) + a(t) b(t)^T) + v(t) k(t)^T, all [B,T,H,N].

    With P the decays' product since the chunk began and u(t) = S(t-1) a(t), S(t) = (S0 + sum over s <= t of
    u(s) (b(s)/P(s))^T + v(s) (k(s)/P(s))^T) diag(P(t)); the u of a chunk solve a unit triangular system.
    """
    length = r.shape[1]
    r, log_decay, k, v, a, b = (chunked(x, ROWS).transpose(2, 3) for x in (r, log_decay, k, v, a, b))
    total = log_decay.cumsum(-2)
    r, a = r * total.exp(), a * (total - log_decay).exp()
    shrink = (-total).exp()
    k, b, last = k * shrink, b * shrink, total[..., -1, None, :].exp()
    system = torch.eye(ROWS, dtype=r.dtype) - (a @ b.mT).tril(-1)
    solved = torch.linalg.solve_triangular(system, torch.cat((a, (a @ k.mT).tril(-1) @ v), -1), upper=False,
                                           unitriangular=True)
    from_state, own = solved.chunk(2, -1)
    before, us = [torch.zeros_like(own[:, 0, :, :1].mT @ k[:, 0, :, :1])], []
    for own_u, a, b_i, v_k, decay in zip(*(x.unbind(1) for x in (own, from_state, b, v.mT @ k, last))):
        us.append(own_u + a @ before[-1].mT)
        before.append((before[-1] + us[-1].mT @ b_i + v_k) * decay)
    y = r @ torch.stack(before[:-1], 1).mT + (r @ b.mT).tril() @ torch.stack(us, 1) + (r @ k.mT).tril() @ v
    return y.transpose(2, 3).flatten(1, 2)[:, :length]


class LowRank(nn.Module):
    def __init__(self, width, rank, activation, bias):
        super().__init__()
        self.lora = nn.Sequential(linear(width, rank), activation, linear(rank, width, bias))

    def forward(self, x):
        return self.lora(x)


class Attention(nn.Module):
    def __init__(self, c, layer):
        super().__init__()
        width = c["hidden_size"]
        self.columns = c["head_dim"] if "head_dim" in c else width // c["num_heads"] if "num_heads" in c else 64
        heads = width // self.columns
        for name in "rwkvag":
            setattr(self, "x_" + name, nn.Parameter(torch.linspace(1, 0, width).view(1, 1, -1)))
        for name in ("r_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, linear(width, width))
        self.w_lora = LowRank(width, c["decay_low_rank_dim"], nn.Tanh(), True)
        self.a_lora = LowRank(width, c["a_low_rank_dim"], nn.Identity(), True)
        self.v_lora = LowRank(width, c["v_low_rank_dim"], nn.Identity(), True) if layer > 0 else None
        self.g_lora = LowRank(width, c["gate_low_rank_dim"], nn.Sigmoid(), False)
        self.k_k, self.k_a = nn.Parameter(torch.full((width,), 0.7)), nn.Parameter(torch.ones(width))
        self.r_k = nn.Parameter(torch.full((heads, self.columns), -0.04))
        self.g_norm = nn.GroupNorm(heads, width, eps=c.get("norm_eps", 1e-5) * self.columns)
        nn.init.uniform_(self.w_lora.lora[2].bias, -6, 1)

    def forward(self, x, first):
        more = previous(x) - x
        r, w, k, v, a, g = (torch.addcmul(x, more, getattr(self, "x_" + name)) for name in "rwkvag")
        gate = self.v_lora(v) if first is not None else None
        r, w, k, v = self.r_proj(r), self.w_lora(w), self.k_proj(k), self.v_proj(v)
        first, v = (v, v) if first is None else (first, torch.lerp(v, first, torch.sigmoid(gate)))
        rate, g = torch.sigmoid(self.a_lora(a)), self.g_lora(g)
        heads = [t.unflatten(-1, (-1, self.columns)) for t in
                 (r, -math.exp(-0.5) * torch.sigmoid(w), k * (1 + (rate - 1) * self.k_a), v, k * self.k_k, rate)]
        r, log_decay, k, v, n, rate = heads
        n = F.normalize(n, dim=-1)
        y = delta_rule(r, log_decay, k, v, -n, n * rate).flatten(2)
        y = self.g_norm(y.flatten(0, 1)).view_as(y)
        y = y + ((r * self.r_k * k).sum(-1, keepdim=True) * v).flatten(2)
        return self.o_proj(y * g), first


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner = c["hidden_size"], c["intermediate_size"]
        self.x_k = nn.Parameter(torch.linspace(1, 0, width))
        self.key, self.value = linear(width, inner), linear(inner, width)

    def forward(self, x):
        return self.value(F.relu(self.key(torch.addcmul(x, previous(x) - x, self.x_k))).square())


class Layer(nn.Module):
    def __init__(self, c, index):
        super().__init__()

        def norm():
            return nn.LayerNorm(c["hidden_size"], c.get("norm_eps", 1e-5), bias=c.get("norm_bias", True))

        self.pre_norm = norm() if index == 0 and c.get("norm_first", True) else None
        self.attn_norm, self.ffn_norm = norm(), norm()
        self.attn, self.ffn = Attention(c, index), FeedForward(c)

    def forward(self, x, first):
        if self.pre_norm:
            x = self.pre_norm(x)
        y, first = self.attn(self.attn_norm(x), first)
        x = x + y
        return x + self.ffn(self.ffn_norm(x)), first


class Rwkv7(LanguageModel):
    def __init__(self, c):
        super().__init__()
        width = c["hidden_size"]
        self.model = Namespace(
            embeddings=nn.Embedding(c["vocab_size"], width),
            layers=nn.ModuleList(Layer(c, i) for i in range(c["num_hidden_layers"])),
            norm=nn.LayerNorm(width, c.get("norm_eps", 1e-5), bias=c.get("norm_bias", True)))
        self.lm_head = linear(width, c["vocab_size"])
        if c.get("tie_word_embeddings"):
            self.lm_head.weight = self.model.embeddings.weight

    def hidden(self, ids):
        x, first = self.model.embeddings(ids), None
        for layer in self.model.layers:
            x, first = layer(x, first)
        return self.model.norm(x)

    def head_of(self, x):
        return self.lm_head(x)
