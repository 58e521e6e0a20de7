#!/usr/bin/env python3
"""A table of the planner against Rockmate and HiRemate, on the graphs that their rkgb makes of modules; see README.md.

They measure and run modules on a GPU only. Here their planners alone run: rkgb's inspection is given a counter of live
bytes and a clock by roofline, and nothing of what they plan is executed.
"""

import argparse
import sys
import tempfile

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import compare
import torch_graphs  # first: it finds the modules of the example
from live_bytes import LiveBytes
from rkgb.lowlevel import measure
from rkgb.rkgb import Result
from rockmate import frontend, op_schedule, rockmate


class _LiveBytesTracker(measure.MemoryTracker):
    live = LiveBytes()

    def __init__(self):
        super().__init__(torch.device("cpu"))

    def current(self):
        return self.live.now()

    def maximum(self):
        return self.live.peak

    def reset_max(self):
        self.live.peak = self.live.now()


class _RooflineMode(TorchDispatchMode):
    seconds = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        reads = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        result, seconds = torch_graphs.roofline(lambda: func(*args, **(kwargs or {})), reads)
        there = {t.untyped_storage()._cdata for t in reads}
        view = all(t.untyped_storage()._cdata in there for t in tree_leaves(result) if isinstance(t, torch.Tensor))
        if not view or func._schema.is_mutable:
            self.seconds += seconds
        return result


class _RooflineClock(measure.Timer):
    def robust_measure(self, func, reset_func=None):
        with _RooflineMode() as mode:
            func()
        return mode.seconds


def without_gpu():
    """Stand-ins for what Rockmate asks of a GPU; none matters to plans without offload."""
    measure.MemoryTrackerCPU, measure.TimerCPU = _LiveBytesTracker, _RooflineClock
    optimizer = {"optimizer_states_factor": 2, "optimizer_overhead": 0, "cpu_optimize_speed": 1, "gpu_optimize_speed": 1}
    rockmate.get_Timer = lambda device: None
    rockmate.get_optimize_metrics = lambda *_, **__: optimizer
    rockmate.measure_bandwidth = lambda: 1
    rockmate.make_gd = lambda *_, **__: {"optimize_metrics": optimizer}


class Trunk(torch_graphs.LanguageModel):
    """Without the loss: Rockmate leaves out ops that have "loss" in their name."""

    def forward(self, tokens):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)).square().mean()


MODULES = {  # sizes that a CPU can inspect
    "gpt": lambda layers: (Trunk(layers, 512, 8), (torch.randint(256, (4, 512)),)),
    "unet": lambda _: (torch_graphs.UNet(32), (torch.randn(4, 3, 64, 64),)),
    "skip-chain": lambda layers: (torch_graphs.SkipChain(2 * layers, 512), (torch.randn(2048, 512),)),
}


def inspected(module, inputs, config):
    partitioners = [frontend._make_partitioner(n, c) for n, c in config.partitioner.items()]
    return Result(module, inputs, partitioners=partitioners or [frontend.partitioned.Partitioner()],
                  inspection_device=torch.device("cpu"))


def document(name, graph):
    """Of rkgb's graph. Gradients that several ops add to are updated in place, in the order of the graph."""
    ops, latest = [], {}

    def value(node):
        return latest.get(node.name, node.name)

    for node in graph.computation_nodes:
        forward = node.is_fwd and node is not graph.loss_cnode
        reads = [value(a) for a in node.deps_real if a.mem and a is not graph.source_data_anode]
        outputs = []
        for made in sorted(node.users, key=lambda a: a.name):
            if not made.mem:
                continue
            if made.allocation_type == "grad" and len(made.deps) > 1 and made.name in latest:
                before = latest[made.name]
                latest[made.name] = f"{made.name} after {node.name}"
                reads.append(before)
                outputs.append({"name": latest[made.name], "bytes": int(made.mem), "updates": before})
            else:
                latest[made.name] = made.name
                outputs.append({"name": made.name, "bytes": int(made.mem)})
        ops.append({"op": "opaque", "name": node.name, "phase": "forward" if forward else "backward",
                    "inputs": list(dict.fromkeys(reads)), "outputs": outputs,
                    "attributes": {"seconds": float(node.time), "workspace_bytes": int(node.mem_overhead)}})
    return {"tidemark_graph": 1, "name": name, "sources": [], "ops": ops, "outputs": []}


def names(graph, schedule):
    loss = graph.loss_cnode.name
    return [op.target.name for op in schedule.op_list if isinstance(op, op_schedule.ComputeOp)
            and (not op.disabled or op.target.name == loss)]


def solver(module, inputs, config, result):
    """From a budget to an order; what earlier budgets gave is remembered, and the fastest that fits is the answer."""
    planner = frontend.from_config(module, inputs, config=config, rkgb_res=result, solve_sched=False)
    graph, recursive, found = result.forward_and_backward_graph, [True], []

    def plan(budget):
        planner.op_sched = None
        planner.solve_sched(budget, recursive=recursive.pop() if recursive else False)
        if planner.op_sched:
            found.append((sum(planner.op_sched.time), planner.op_sched.peak_mem, names(graph, planner.op_sched)))
        fitting = [(seconds, steps) for seconds, peak, steps in found if peak <= budget]
        return min(fitting)[1] if fitting else None

    return plan


def documents(options):
    for name in options.modules:
        module, inputs = MODULES[name](options.layers)
        others, graph = [], None
        for method in options.methods:
            config = frontend.generate_config(method)
            for hilp in [c for level in config.solver.values() for n, c in level.items() if n == "hilp"]:
                hilp.time_limit = options.seconds
            result = inspected(module, inputs, config)
            graph = result.forward_and_backward_graph
            others.append((method, solver(module, inputs, config, result)))
        yield document(name, graph), others


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tidemark", default="build/release/bin/tidemark", help="the command")
    parser.add_argument("--modules", nargs="*", choices=MODULES, default=list(MODULES))
    parser.add_argument("--methods", nargs="*", choices=["rotor", "rockmate", "checkmate", "hilp"],
                        default=["rotor", "rockmate", "hilp"], help="as Rockmate's configurations are called")
    parser.add_argument("--shares", type=float, nargs="*", default=compare.SHARES, help="of the unplanned activations")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60, help="that each of its integer programs may take")
    options = parser.parse_args()
    sys.setrecursionlimit(30000)  # rkgb follows long chains of gradient functions
    without_gpu()
    with _LiveBytesTracker.live, tempfile.TemporaryDirectory() as options.folder:
        compare.table(options, documents(options))


if __name__ == "__main__":
    main()
