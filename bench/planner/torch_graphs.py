"""Training steps of PyTorch modules as AOTAutograd traces them, and as graphs of opaque ops.

No tensor holds data, so the modules have the sizes that people train. Seconds are a roofline's, by an H100's figures.
"""

import functools
import json
import os
import sys

import torch
from torch import nn
from torch._functorch.aot_autograd import aot_function
from torch._functorch.partitioners import default_partition
from torch._inductor.decomposition import select_decomp_table
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "examples", "pytorch"))
from export_graph import Recorder, ancestors  # noqa: E402
from transformer import LanguageModel  # noqa: E402


class UNet(nn.Module):
    """Three levels down and up again, with skip connections; returns the mean square of what it makes."""

    def __init__(self, width):
        super().__init__()
        widths = [width, 2 * width, 4 * width]
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(self.stage(a, b) for a, b in zip([width, *widths], widths))
        self.up = nn.ModuleList(self.stage(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1]))
        self.last = nn.Conv2d(width, 3, 1)

    @staticmethod
    def stage(before, after):
        return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU(),
                             nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(8, after), nn.SiLU())

    def forward(self, image):
        x, skips = self.first(image), []
        for stage in self.down:
            x = stage(x)
            skips.append(x)
            if len(skips) < len(self.down):
                x = nn.functional.avg_pool2d(x, 2)
        for stage, skip in zip(self.up, skips[-2::-1]):
            x = stage(torch.cat([nn.functional.interpolate(x, scale_factor=2), skip], dim=1))
        return (self.last(x) ** 2).mean()


class SkipChain(nn.Module):
    """Layers of which each reads the one before and the one three before."""

    def __init__(self, layers, width):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))

    def forward(self, x):
        made = [x]
        for layer in self.layers:
            made.append(torch.tanh(layer(made[-1]) + made[max(0, len(made) - 3)]))
        return made[-1].square().mean()


MODULES = {  # module and inputs, made where tensors hold no data
    "gpt": lambda: (LanguageModel(6, 768, 12, vocabulary=8192), (torch.randint(8192, (8, 1025)),)),
    "unet": lambda: (UNet(64), (torch.randn(16, 3, 128, 128),)),
    "skip-chain": lambda: (SkipChain(24, 1024), (torch.randn(8192, 1024),)),
}


class _Traced(Exception):
    pass


def _joint_graph(step, inputs, decompositions):
    """The joint graph, and how many of its results are the forward's."""
    parameters = dict(step.named_parameters())

    def partition(joint, _, *, num_fwd_outputs, **others):
        raise _Traced(joint, num_fwd_outputs)

    def run(parameters, *inputs):
        return torch.func.functional_call(step, parameters, inputs)

    try:
        aot_function(run, fw_compiler=lambda graph, _: graph, partition_fn=partition,
                     decompositions=decompositions)(parameters, *inputs)
    except _Traced as traced:
        return traced.args


@functools.cache
def _device():
    with open(os.path.join(ROOT, "planner", "cost", "devices", "h100.json")) as file:
        return json.load(file)


def roofline(run, reads):
    """What run() gives, and the seconds that it takes; reads: tensors."""
    device = _device()
    with FlopCounterMode(display=False) as counter:
        result = run()
    made = [t for t in (result if isinstance(result, (tuple, list)) else [result]) if isinstance(t, torch.Tensor)]
    moved = sum(min(t.numel() * t.itemsize, t.untyped_storage().nbytes()) for t in [*reads, *made])
    return result, device["seconds_per_op"] + max(counter.get_total_flops() / device["flops_per_second"],
                                                  moved / device["bytes_per_second"])


def trace(name, decomposed):
    """The document, the joint graph and how many of its results are the forward's."""
    with FakeTensorMode():
        step, inputs = MODULES[name]()
        joint, forward_results = _joint_graph(step, inputs, select_decomp_table() if decomposed else None)
        joint.graph.eliminate_dead_code()
        nodes = list(joint.graph.nodes)
        forward = ancestors(nodes[-1].args[0][0])
        sources = [n for n in nodes if n.op == "placeholder"]
        recorder = Recorder(joint, [n.name for n in sources], sum(1 for _ in step.parameters()),
                            {n: (n.name, True) for n in nodes}, forward, roofline)
        with torch.no_grad(), sources[0].meta["val"].fake_mode:
            results = recorder.run(*(n.meta["val"] for n in sources))
    return recorder.document(name + ("-decomposed" if decomposed else ""), results), joint, forward_results
