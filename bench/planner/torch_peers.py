#!/usr/bin/env python3
"""A table of the planner against PyTorch's own partitioner, `activation_memory_budget`; see README.md."""

import argparse
import copy
import functools
import os
import tempfile

import torch
from torch._functorch import config
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._inductor.custom_graph_pass import CustomRuntimeEstimator

import compare
import order
import torch_graphs


class _GraphSeconds(CustomRuntimeEstimator):
    """The seconds that all methods are judged by."""

    def __init__(self, document):
        self.seconds = {op["name"]: op["attributes"]["seconds"] for op in document["ops"]}

    def __call__(self, node):
        return self.seconds.get(node.name, 0.0)

    def uuid(self):
        return None


def partitions(document, joint, forward_results, steps):
    """Orders after the forward and backward graphs that PyTorch makes of the joint one, at budgets from 0 to 1."""
    ops, found = {op["name"] for op in document["ops"]}, {}
    for estimator in ("flops", _GraphSeconds(document)):
        for step in range(steps + 1):
            # Common subexpressions stay, so that all methods plan the same ops.
            with config.patch(activation_memory_budget=step / steps, cse=False,
                              activation_memory_budget_runtime_estimator=estimator):
                halves = min_cut_rematerialization_partition(copy.deepcopy(joint), None,
                                                             num_fwd_outputs=forward_results)
            names = tuple(n.name for half in halves for n in half.graph.nodes if n.name in ops)
            found[names] = order.judge(document, names)
    return found


def fastest(found, budget):
    """That fits, or the smallest where none does."""
    fitting = [names for names, (_, peak) in found.items() if peak <= budget]
    return min(fitting, key=lambda n: found[n][0]) if fitting else min(found, key=lambda n: found[n][1])


def documents(options):
    for decomposed in (False, True):
        for name in options.modules:
            document, joint, forward_results = torch_graphs.trace(name, decomposed)
            found = partitions(document, joint, forward_results, options.steps)
            yield document, [("torch", functools.partial(fastest, found))]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tidemark", default="build/release/bin/tidemark", help="the command")
    parser.add_argument("--modules", nargs="*", choices=torch_graphs.MODULES, default=list(torch_graphs.MODULES))
    parser.add_argument("--shares", type=float, nargs="*", default=compare.SHARES, help="of the unplanned activations")
    parser.add_argument("--steps", type=int, default=50, help="of activation_memory_budget from 0 to 1")
    options = parser.parse_args()
    print(f"torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as options.folder:
        compare.table(options, documents(options))


if __name__ == "__main__":
    main()
