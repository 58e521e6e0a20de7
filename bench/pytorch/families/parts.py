"""What several families share."""
import torch
import torch.nn.functional as F
from torch import nn

from . import batches


class LanguageModel(nn.Module):
    """Token ids in, the mean cross-entropy of the targets out."""

    batch = staticmethod(batches.tokens)

    def forward(self, input_ids, targets):
        logits = self.head_of(self.hidden(input_ids))
        return F.cross_entropy(logits.flatten(0, -2), targets.flatten())


class Namespace(nn.Module):
    """Only a level in the names of parameters."""

    def __init__(self, **modules):
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)


def linear(inputs, outputs, bias=False):
    return nn.Linear(inputs, outputs, bias=bias)


def chunked(x, rows, value=0.0):
    """[B, T, ...] as [B, chunks, rows, ...], the last chunk padded with `value`."""
    batch, length, *rest = x.shape
    missing = -length % rows
    if missing:
        x = torch.cat((x, x.new_full((batch, missing, *rest), value)), 1)
    return x.view(batch, -1, rows, *rest)


def scan(decay, drive, rows=16):
    """h(t) = decay(t) h(t-1) + drive(t) along dimension 1 from h = 0: in every chunk at once, then from chunk to chunk."""
    length = drive.shape[1]
    decay, drive = (chunked(x, rows, value).unbind(2) for x, value in ((decay, 1.0), (drive, 0.0)))
    h, product = [drive[0]], [decay[0]]
    for a, x in zip(decay[1:], drive[1:]):
        h.append(torch.addcmul(x, a, h[-1]))
        product.append(product[-1] * a)
    before = [torch.zeros_like(h[0][:, 0])]
    for a, x in zip(product[-1].unbind(1)[:-1], h[-1].unbind(1)):
        before.append(torch.addcmul(x, a, before[-1]))
    h = torch.addcmul(torch.stack(h, 2), torch.stack(product, 2), torch.stack(before, 1)[:, :, None])
    return h.flatten(1, 2)[:, :length]


def previous(x):
    """Each row's predecessor, zero before the first."""
    return F.pad(x, (0, 0, 1, -1))


def causal_conv(x, conv):
    """A depthwise convolution over [B, T, C]."""
    y = F.conv1d(x.transpose(1, 2), conv.weight, conv.bias, padding=conv.weight.shape[-1] - 1, groups=x.shape[-1])
    return y[..., : x.shape[1]].transpose(1, 2)
