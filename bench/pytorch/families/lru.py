"""The linear recurrent unit, as a convolution with the powers of each state's eigenvalue by FFT."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from . import batches
from .s4 import pool


class Recurrence(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, states = c["d_model"], c["d_hidden"]
        low, high = c.get("r_min", 0.0), c.get("r_max", 1.0)
        squared = low**2 + (high**2 - low**2) * torch.rand(states)
        self.nu_log = nn.Parameter(torch.log(-0.5 * torch.log(squared)))
        self.theta_log = nn.Parameter(torch.log(c.get("max_phase", 6.28) * torch.rand(states)))
        self.gamma_log = nn.Parameter(0.5 * torch.log1p(-squared))
        self.B_re = nn.Parameter(torch.randn(states, width) / math.sqrt(2 * width))
        self.B_im = nn.Parameter(torch.randn(states, width) / math.sqrt(2 * width))
        self.C_re = nn.Parameter(torch.randn(width, states) / math.sqrt(states))
        self.C_im = nn.Parameter(torch.randn(width, states) / math.sqrt(states))
        self.D = nn.Parameter(torch.randn(width))

    def forward(self, u):
        length = u.shape[1]
        gain = self.gamma_log.exp()[:, None]
        x = torch.complex(F.linear(u, self.B_re * gain), F.linear(u, self.B_im * gain))
        log_lambda = torch.complex(-self.nu_log.exp(), self.theta_log.exp())
        kernel = torch.exp(torch.arange(length, dtype=u.dtype)[:, None] * log_lambda)
        spectrum = torch.fft.fft(x, 2 * length, dim=1) * torch.fft.fft(kernel, 2 * length, dim=0)
        h = torch.fft.ifft(spectrum, dim=1)[:, :length]
        y = F.linear(h.real, self.C_re) - F.linear(h.imag, self.C_im)
        return F.gelu(y + self.D * u, approximate="tanh")


class BatchNorm(nn.Module):
    """Over the steps that are not padding."""

    def __init__(self, width):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x, real):
        y = torch.zeros_like(x)
        y[real] = F.batch_norm(x[real], None, None, self.weight, self.bias, training=True)
        return y


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        width = c["d_model"]
        self.batch_norm = c.get("norm", "layer") == "batch"
        self.normalization = BatchNorm(width) if self.batch_norm else nn.LayerNorm(width, 1e-6)
        self.seq = Recurrence(c)
        self.out1, self.out2 = nn.Linear(width, width), nn.Linear(width, width)

    def norm(self, x, real):
        return self.normalization(x, real) if self.batch_norm else self.normalization(x)

    def mix(self, x):
        y = self.seq(x)
        return self.out1(y) * torch.sigmoid(self.out2(y))


class Lru(nn.Module):
    batch = staticmethod(batches.numbers)

    def __init__(self, c):
        super().__init__()
        width = c["d_model"]
        self.prenorm, self.pooling = c.get("prenorm", True), c.get("pooling", "mean")
        self.encoder = nn.Linear(c["d_input"], width)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["n_layers"]))
        self.decoder = nn.Linear(width, c["d_output"])

    def forward(self, x, labels, lengths):
        real = torch.arange(x.shape[1])[None, :] < lengths[:, None]
        x = self.encoder(x)
        for layer in self.layers:
            x = x + layer.mix(layer.norm(x, real)) if self.prenorm else layer.norm(x + layer.mix(x), real)
        logits = self.decoder(pool(x, lengths, self.pooling))
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten())
