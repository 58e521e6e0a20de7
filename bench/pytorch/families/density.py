"""Autoregressive models of binary images: FVSBN, NADE and MADE."""
import numpy
import torch
import torch.nn.functional as F
from torch import nn

from . import batches

ACTIVATIONS = {"sigmoid": torch.sigmoid, "relu": torch.relu, "tanh": torch.tanh}


class Density(nn.Module):
    """Images in, the mean of -log p in nats out."""

    batch = staticmethod(batches.images)

    def forward(self, x):
        return F.binary_cross_entropy_with_logits(self.logits(x), x, reduction="sum") / len(x)


def order_of(c):
    if "order" in c:
        return numpy.array(c["order"])
    if c.get("ordering", "raster") == "raster":
        return numpy.arange(c["input_dim"])
    return numpy.random.RandomState(c.get("order_seed", 0)).permutation(c["input_dim"])


class Fvsbn(Density):
    def __init__(self, c):
        super().__init__()
        pixels = c["input_dim"]
        place = torch.from_numpy(order_of(c).argsort())
        self.weight, self.bias = nn.Parameter(torch.zeros(pixels, pixels)), nn.Parameter(torch.zeros(pixels))
        self.register_buffer("mask", (place[None, :] < place[:, None]).to(self.bias.dtype), persistent=False)

    def logits(self, x):
        return F.linear(x, self.weight * self.mask, self.bias)


class Nade(Density):
    def __init__(self, c):
        super().__init__()
        pixels, hidden = c["input_dim"], c["hidden_size"]
        self.order, self.activation = order_of(c).tolist(), ACTIVATIONS[c.get("activation", "sigmoid")]
        self.W = nn.Parameter(torch.empty(hidden, pixels).uniform_(-1, 1) / pixels**0.5)
        self.V = None
        if not c.get("tied_weights", False):
            self.V = nn.Parameter(torch.empty(pixels, hidden).uniform_(-1, 1) / hidden**0.5)
        self.b, self.c_bias = nn.Parameter(torch.zeros(pixels)), nn.Parameter(torch.zeros(hidden))

    def logits(self, x):
        order = torch.tensor(self.order)
        place = order.argsort()
        inputs, outputs = self.W.T[order], (self.W.T if self.V is None else self.V)[order]
        a, logits = self.c_bias.expand(len(x), -1), []
        for pixel, w, v in zip(x[:, order].unbind(1), inputs.unbind(0), outputs.unbind(0)):
            logits.append(self.activation(a) @ v)
            a = torch.addcmul(a, pixel[:, None], w)
        return torch.stack(logits, 1)[:, place] + self.b


class Made(Density):
    """Takes the next mask of its ensemble with each batch."""

    def __init__(self, c):
        super().__init__()
        self.sizes = [c["input_dim"], *c["hidden_sizes"], c["input_dim"]]
        self.natural, self.activation = c.get("natural_ordering", False), ACTIVATIONS[c.get("activation", "relu")]
        self.seeds = c.get("mask_seeds") or range(c.get("num_masks", 1))
        layers = []
        for inputs, outputs in zip(self.sizes, self.sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.Identity()]
        self.net = nn.Sequential(*layers[:-1])
        self.direct = nn.Linear(self.sizes[0], self.sizes[0], bias=False) if c.get("direct_connection") else None
        self.draw(0)

    def draw(self, index):
        random, pixels = numpy.random.RandomState(self.seeds[index]), self.sizes[0]
        degrees = [numpy.arange(pixels) if self.natural else random.permutation(pixels)]
        for units in self.sizes[1:-1]:
            least = 0 if len(degrees) == 1 else degrees[-1].min()
            degrees.append(random.randint(least, pixels - 1, units))
        ends = [torch.from_numpy(d) for d in (*degrees, degrees[0])]
        dtype = self.net[0].weight.dtype
        self.masks = [(b[:, None] >= a).to(dtype) for a, b in zip(ends, ends[1:-1])]
        self.masks.append((ends[-1][:, None] > ends[-2]).to(dtype))
        self.direct_mask = (ends[0][:, None] > ends[0]).to(dtype)

    def logits(self, x):
        h = x
        for i, mask in enumerate(self.masks):
            layer = self.net[2 * i]
            h = F.linear(self.activation(h) if i else h, layer.weight * mask, layer.bias)
        return h if self.direct is None else h + F.linear(x, self.direct.weight * self.direct_mask)
