"""S4 and S4D: convolutions by FFT with the kernel of a state-space model per channel.

Kernels are products of two short lists, C A^(ij) times A^k B with j as many as k. What the published code does, all
powers at once (S4D) or a Cauchy kernel (S4), takes longer.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

from . import batches


def powers(a, x, n):
    """x, A x, ..., A^(n-1) x as columns, and A^n; n is a power of two."""
    x = x[..., None]
    while x.shape[-1] < n:
        x = torch.cat((x, a @ x), -1)
        a = a @ a
    return x, a


def diagonal_kernel(dt, a, c, length, zoh):
    """2 Re of the sum over states of C B A^l for l < length, B = 1 discretised."""
    step = dt[:, None] * a
    if zoh:
        log_a, gain = step, (step.exp() - 1) / a
    else:
        log_a, gain = torch.log((1 + step / 2) / (1 - step / 2)), dt[:, None] / (1 - step / 2)
    n = math.ceil(math.sqrt(length))
    short = torch.arange(n, dtype=dt.dtype)
    left = torch.exp(log_a[:, None] * (short * n)[:, None]) * (c * gain)[:, None]
    return 2 * (left @ torch.exp(log_a[..., None] * short)).real.flatten(1)[:, :length]


def low_rank_kernel(dt, a, c, b, p, length):
    """Of A = diag(a) - P P^* in its real form, the parts of the states one above the other."""
    real, imaginary = torch.diag_embed(a.real), torch.diag_embed(a.imag)
    matrix = torch.cat((torch.cat((real, -imaginary), -1), torch.cat((imaginary, real), -1)), -2)
    column = torch.cat((p.real, p.imag), -1)
    half = dt[:, None, None] / 2 * (matrix - 2 * column[..., None] * column[:, None])
    eye = torch.eye(half.shape[-1], dtype=dt.dtype)
    both = torch.linalg.solve(eye - half, torch.cat((eye + half, (dt[:, None] * torch.cat((b.real, b.imag), -1))[..., None]), -1))
    step, gain = both[..., :-1], both[..., -1]
    n = 1 << math.ceil(math.log2(math.sqrt(length)))
    right, leap = powers(step, gain, n)
    left, _ = powers(leap.mT, 2 * torch.cat((c.real, -c.imag), -1), n)
    return (left.mT @ right).flatten(1)[:, :length]


class Kernel(nn.Module):
    def __init__(self, c):
        super().__init__()
        channels, pairs = c["d_model"], c.get("d_state", 64) // 2
        low, high = math.log(c.get("dt_min", 0.001)), math.log(c.get("dt_max", 0.1))
        self.low_rank, self.zoh = c["model_type"] == "s4", c.get("discretization", "zoh") == "zoh"
        self.log_dt = nn.Parameter(low + (high - low) * torch.rand(channels))
        rates = nn.Parameter(torch.full((channels, pairs), math.log(0.5)))
        if self.low_rank:
            self.inv_A_real = rates
            self.B = nn.Parameter(torch.randn(channels, pairs, 2))
            self.P = nn.Parameter(torch.randn(channels, pairs, 2))
        else:
            self.log_A_real = rates
        self.A_imag = nn.Parameter((math.pi * torch.arange(pairs)).repeat(channels, 1))
        self.C = nn.Parameter(math.sqrt(0.5) * torch.randn(channels, pairs, 2))

    def forward(self, length):
        dt, c = self.log_dt.exp(), torch.view_as_complex(self.C)
        a = torch.complex(-torch.exp(self.inv_A_real if self.low_rank else self.log_A_real), self.A_imag)
        if self.low_rank:
            return low_rank_kernel(dt, a, c, torch.view_as_complex(self.B), torch.view_as_complex(self.P), length)
        return diagonal_kernel(dt, a, c, length, self.zoh)


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["d_model"]
        self.kernel, self.D = Kernel(c), nn.Parameter(torch.randn(width))
        self.output_linear = nn.Sequential(nn.Conv1d(width, 2 * width, 1))

    def forward(self, u):
        length = u.shape[1]
        u = u.transpose(1, 2)
        spectrum = torch.fft.rfft(u, 2 * length) * torch.fft.rfft(self.kernel(length), 2 * length)
        y = F.gelu(torch.fft.irfft(spectrum, 2 * length)[..., :length] + self.D[:, None] * u)
        return F.glu(self.output_linear(y), 1).transpose(1, 2)


def pool(x, lengths, mode):
    """The mean or the last of each sequence's steps."""
    if mode == "none":
        return x
    steps = torch.arange(x.shape[1])[None, :]
    weight = steps < lengths[:, None] if mode == "mean" else steps == lengths[:, None] - 1
    weight = weight.to(x) / (lengths[:, None] if mode == "mean" else 1)
    return (weight[:, None] @ x)[:, 0]


class S4(nn.Module):
    batch = staticmethod(batches.numbers)

    def __init__(self, c):
        super().__init__()
        width, layers = c["d_model"], c["n_layers"]
        self.prenorm, self.pooling = c.get("prenorm", False), c.get("pooling", "mean")
        self.encoder = nn.Linear(c["d_input"], width)
        self.s4_layers = nn.ModuleList(Layer(c) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.decoder = nn.Linear(width, c["d_output"])

    def forward(self, x, labels, lengths):
        x = self.encoder(x)
        for layer, norm in zip(self.s4_layers, self.norms):
            x = x + layer(norm(x)) if self.prenorm else norm(x + layer(x))
        logits = self.decoder(pool(x, lengths, self.pooling))
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())
