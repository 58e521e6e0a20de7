"""Mamba-2: the state-space dual form, matrix products within chunks and states between them."""
import torch
import torch.nn.functional as F
from torch import nn

from .mamba import Stack, inner_columns, time_step_bias
from .parts import causal_conv, chunked, linear

ROWS = 64  # of a chunk: what is fastest on a CPU


def ssd(x, log_decay, b, c):
    """y(t) = C(t) h(t), h(t) = exp(log_decay(t)) h(t-1) + B(t) x(t)^T of x [B,T,H,P], b and c [B,T,H,N]."""
    length = x.shape[1]
    rows = min(ROWS, length)
    x, b, c = (chunked(v, rows).transpose(2, 3) for v in (x, b, c))  # [batch, chunk, head, row, column]
    total = chunked(log_decay, rows).transpose(2, 3).cumsum(-1)
    pairs = (total[..., :, None] - total[..., None, :]).masked_fill(
        torch.ones(rows, rows, dtype=torch.bool).triu(1), -torch.inf)
    y = ((c @ b.mT) * pairs.exp()) @ x
    own = (b * (total[..., -1:] - total).exp()[..., None]).mT @ x
    before = [torch.zeros_like(own[:, 0])]
    for last, x in zip(total[..., -1].exp()[..., None, None].unbind(1)[:-1], own.unbind(1)):
        before.append(torch.addcmul(x, last, before[-1]))
    y = y + (c * total.exp()[..., None]) @ torch.stack(before, 1)
    return y.transpose(2, 3).flatten(1, 2)[:, :length]


class Mixer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, inner, bias = c["hidden_size"], inner_columns(c), c.get("use_bias", False)
        self.states, self.groups = c.get("state_size", 128), c.get("n_groups", 8)
        self.columns = c.get("head_dim", 64)
        self.heads = c.get("num_heads", inner // self.columns)
        self.eps = c.get("layer_norm_epsilon", 1e-5)
        self.limits = [float(v) for v in c.get("time_step_limit", (0.0, "inf"))]
        both = inner + 2 * self.groups * self.states
        self.parts = (inner, both, self.heads)
        self.in_proj = linear(width, sum(self.parts), bias)
        self.conv1d = nn.Conv1d(both, both, c.get("conv_kernel", 4), groups=both, bias=c.get("use_conv_bias", True))
        self.dt_bias = nn.Parameter(time_step_bias(c, self.heads))
        self.A_log = nn.Parameter(torch.arange(1.0, self.heads + 1).log())
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = nn.Module()
        self.norm.weight = nn.Parameter(torch.ones(inner))
        self.out_proj = linear(inner, width, bias)

    def forward(self, x):
        z, xbc, dt = self.in_proj(x).split(self.parts, -1)
        grouped = self.groups * self.states
        x, b, c = F.silu(causal_conv(xbc, self.conv1d)).split((self.parts[0], grouped, grouped), -1)
        x = x.unflatten(-1, (self.heads, self.columns))
        per_head = self.heads // self.groups
        b, c = (v.unflatten(-1, (self.groups, self.states)).repeat_interleave(per_head, 2) for v in (b, c))
        dt = F.softplus(dt + self.dt_bias).clamp(*self.limits)
        y = ssd(x * dt[..., None], dt * -torch.exp(self.A_log), b, c) + self.D[:, None] * x
        y = (y.flatten(2) * F.silu(z)).unflatten(-1, (self.groups, -1))
        return self.out_proj(F.rms_norm(y, y.shape[-1:], eps=self.eps).flatten(2) * self.norm.weight)


class Mamba2(Stack):
    def __init__(self, c):
        super().__init__(c, Mixer, tied=False)
