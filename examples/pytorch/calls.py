"""The ATen calls of a module's forward as eager PyTorch makes them, numbered within each block.

A selective-checkpoint policy sees just these calls, so their names tie a plan's ops to what runs.
"""

from dataclasses import dataclass

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import SAC_IGNORED_OPS


def call_name(block, number, op):
    return f"{block or ''}/{number}/{op}"


@dataclass
class Call:
    op: str
    block: str  # name of the submodule; None outside all blocks
    number: int  # of the call within the block

    @property
    def name(self):
        return call_name(self.block, self.number, self.op)


class _CallRecorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls, self.block, self._counts = [], None, {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func not in SAC_IGNORED_OPS:
            number = self._counts.get(self.block, 0)
            self._counts[self.block] = number + 1
            self.calls.append(Call(str(func), self.block, number))
        return func(*args, **(kwargs or {}))


def calls_of(module, inputs, blocks):
    """In the order in which module(*inputs) makes them; each block must run once."""
    recorder, hooks = _CallRecorder(), []

    def enter(name):
        def hook(*_):
            recorder.block = name
        return hook

    for name in blocks:
        block = module.get_submodule(name)
        hooks.append(block.register_forward_pre_hook(enter(name)))
        hooks.append(block.register_forward_hook(enter(None)))
    try:
        with recorder:
            module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return recorder.calls
