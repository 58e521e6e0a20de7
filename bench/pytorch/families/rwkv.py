"""RWKV-4: the weighted mean as two linear recurrences over the exponential of the largest exponent so far."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from .parts import LanguageModel, Namespace, linear, previous, scan


def wkv(k, v, w, u):
    """Per channel, the mean of v(s) with weight exp(k(s) - (t-1-s) w) for s < t and exp(k(t) + u)."""
    with torch.no_grad():  # the mean does not depend on what the exponents are relative to
        steps = torch.arange(k.shape[1], dtype=k.dtype)[:, None] * w
        most = (k + steps).cummax(1)[0] - steps  # at t, of the exponents of s <= t
    before = F.pad(most, (0, 0, 1, 0), value=-math.inf)[:, :-1]
    decay, own = torch.exp(before - w - most), torch.exp(k - most)
    sums = previous(scan(decay.repeat(1, 1, 2), torch.cat((own * v, own), -1)))
    bonus = k + u
    top = torch.maximum(before, bonus).detach()
    old, new = torch.exp(before - top), torch.exp(bonus - top)
    above, below = sums.chunk(2, -1)
    return (old * above + new * v) / (old * below + new)


def shifted(module, x, names):
    """Of every name, rows mixed with the ones before."""
    before = previous(x)
    return (torch.lerp(before, x, getattr(module, "time_mix_" + name)) for name in names)


def add_shares(module, width, names):
    for name in names:
        setattr(module, "time_mix_" + name, nn.Parameter(torch.linspace(0, 1, width).view(1, 1, -1)))


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner = c["hidden_size"], c.get("attention_hidden_size", c["hidden_size"])
        self.time_decay = nn.Parameter(torch.linspace(-5, 3, inner))
        self.time_first = nn.Parameter(torch.full((inner,), math.log(0.3)))
        add_shares(self, width, ("key", "value", "receptance"))
        self.key, self.value, self.receptance = (linear(width, inner) for _ in range(3))
        self.output = linear(inner, width)

    def forward(self, x):
        for_k, for_v, for_r = shifted(self, x, ("key", "value", "receptance"))
        mean = wkv(self.key(for_k), self.value(for_v), torch.exp(self.time_decay), self.time_first)
        return self.output(torch.sigmoid(self.receptance(for_r)) * mean)


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner = c["hidden_size"], c.get("intermediate_size", 4 * c["hidden_size"])
        add_shares(self, width, ("key", "receptance"))
        self.key, self.receptance, self.value = linear(width, inner), linear(width, width), linear(inner, width)

    def forward(self, x):
        for_k, for_r = shifted(self, x, ("key", "receptance"))
        return torch.sigmoid(self.receptance(for_r)) * self.value(F.relu(self.key(for_k)).square())


class Block(nn.Module):
    def __init__(self, c, first):
        super().__init__()
        width, eps = c["hidden_size"], c.get("layer_norm_epsilon", 1e-5)
        self.pre_ln = nn.LayerNorm(width, eps) if first else None
        self.ln1, self.ln2 = nn.LayerNorm(width, eps), nn.LayerNorm(width, eps)
        self.attention, self.feed_forward = Attention(c), FeedForward(c)

    def forward(self, x):
        if self.pre_ln:
            x = self.pre_ln(x)
        x = x + self.attention(self.ln1(x))
        return x + self.feed_forward(self.ln2(x))


class Rwkv(LanguageModel):
    def __init__(self, c):
        super().__init__()
        width = c["hidden_size"]
        self.rwkv = Namespace(embeddings=nn.Embedding(c["vocab_size"], width),
                              blocks=nn.ModuleList(Block(c, i == 0) for i in range(c["num_hidden_layers"])),
                              ln_out=nn.LayerNorm(width))
        self.head = linear(width, c["vocab_size"])
        if c.get("tie_word_embeddings"):
            self.head.weight = self.rwkv.embeddings.weight

    def hidden(self, ids):
        x = self.rwkv.embeddings(ids)
        for block in self.rwkv.blocks:
            x = block(x)
        return self.rwkv.ln_out(x)

    def head_of(self, x):
        return self.head(x)
