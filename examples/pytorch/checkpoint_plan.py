"""From a plan back to PyTorch: selective checkpointing of the blocks, keeping what the plan keeps."""

import functools
import json

from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts

from calls import call_name


def kept_ops(graph, plan):
    """Names of forward ops of which something first made is still read once the backward pass has begun."""
    order, phases = plan["order"], plan["phases"]
    if "backward" not in phases:
        return set()
    turn = phases.index("backward")
    ops = {op["name"]: op for op in graph["ops"]}
    maker = {output["name"]: name for name, op in ops.items() for output in op["outputs"]}
    seen, remade, kept = set(), set(), set()
    for step, name in enumerate(order):
        if step >= turn:
            kept |= {maker[v] for v in ops[name]["inputs"] if v in maker and maker[v] not in remade}
        if name in seen:
            remade.add(name)
        seen.add(name)
    return {name for name in kept if ops[name]["phase"] == "forward"}


class _Policy:
    """Answers for the calls of one run of a block, in order."""

    def __init__(self, block, kept):
        self.block, self.kept = block, kept
        self.number = {False: 0, True: 0}  # calls so far, by whether the block runs again

    def __call__(self, context, op, *args, **kwargs):
        number = self.number[context.is_recompute]
        self.number[context.is_recompute] += 1
        keep = call_name(self.block, number, op) in self.kept
        return CheckpointPolicy.MUST_SAVE if keep else CheckpointPolicy.PREFER_RECOMPUTE


def _contexts(block, kept):
    """Of one run of the block and, in the backward pass, the other."""
    return create_selective_checkpoint_contexts(_Policy(block, kept))


def apply_plan(module, blocks, graph_path, plan_path):
    """Makes each block's forward a selective checkpoint; returns how many of the blocks' ops are kept."""
    with open(graph_path) as graph, open(plan_path) as plan:
        kept = kept_ops(json.load(graph), json.load(plan))
    for name in blocks:
        block = module.get_submodule(name)
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False,
                                          context_fn=functools.partial(_contexts, name, kept))
    return sum(name.split("/")[0] in blocks for name in kept)
