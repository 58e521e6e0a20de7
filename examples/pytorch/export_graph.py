"""From a PyTorch module's training step to the graph that `tidemark plan --graph` reads.

AOTAutograd traces forward and backward into one graph of ATen ops. Running that graph once on the real inputs
tells which storage each result lies in (views make no bytes) and how long each op takes.
"""

import json
import time

import torch
from torch._functorch.aot_autograd import aot_export_module
from torch.utils._pytree import tree_leaves

from calls import calls_of


class _LossTuple(torch.nn.Module):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def forward(self, *inputs):
        return (self.step(*inputs),)


def _synchronize():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def timed(repeats):
    """What an op costs, as a Recorder asks it: its result, and the fewest seconds of `repeats` more runs."""
    def cost(run, _):
        result = run()
        best = float("inf")
        for _ in range(repeats):
            _synchronize()
            begin = time.perf_counter()
            run()
            _synchronize()
            best = min(best, time.perf_counter() - begin)
        return result, max(best, 1e-9)
    return cost


def _tensors(tree):
    return [t for t in tree_leaves(tree) if isinstance(t, torch.Tensor)]


class Recorder(torch.fx.Interpreter):
    """Runs a joint graph, keeping all results, and writes down its ops as the document has them.

    source_names: of the placeholders, the parameters first; op_names: of nodes that are not called after themselves,
    with whether they may run again; forward: the nodes of that phase; cost(run, tensors read): result and seconds.
    """

    def __init__(self, joint, source_names, parameters, op_names, forward, cost):
        super().__init__(joint, garbage_collect_values=False)
        self.sources, self.ops = [], []
        self._source_names, self._parameters = source_names, parameters
        self._op_names, self._forward, self._cost = op_names, forward, cost
        self._value = {}  # storage's address: name of the value that it is

    def value_of(self, tensor):
        return self._value.get(tensor.untyped_storage()._cdata)

    def run_node(self, node):
        if node.op == "placeholder":
            result = super().run_node(node)
            self._add_source(result)
            return result
        if node.op != "call_function":
            return super().run_node(node)
        reads = [t for a in node.all_input_nodes for t in _tensors(self.env[a])]
        result, seconds = self._cost(lambda: super(Recorder, self).run_node(node), reads)
        self._add_op(node, result, reads, seconds)
        return result

    def document(self, name, results):
        """Of the graph, after it ran; results: what that gave."""
        outputs = list(dict.fromkeys(self.value_of(t) for t in _tensors(results)))
        for op in self.ops:
            for output in op["outputs"]:
                if op["phase"] == "backward" and output["name"] in outputs:
                    output["category"] = "gradient"
        ops = sorted(self.ops, key=lambda op: op["phase"] == "backward")
        return {"tidemark_graph": 1, "name": name, "sources": self.sources, "ops": ops, "outputs": outputs}

    def _add_source(self, tensor):
        index = len(self.sources)
        name = self._source_names[index]
        self._value[tensor.untyped_storage()._cdata] = name
        self.sources.append({"name": name, "bytes": max(1, tensor.untyped_storage().nbytes()),
                             "category": "parameter" if index < self._parameters else "input"})

    def _add_op(self, node, result, reads, seconds):
        name, may_repeat = self._op_names.get(node, (node.name, False))
        outputs = []
        for tensor in _tensors(result):
            if self.value_of(tensor):
                continue  # a view, or part of a tuple that is known already
            value = f"{name}:{len(outputs)}"
            self._value[tensor.untyped_storage()._cdata] = value
            outputs.append({"name": value, "bytes": tensor.untyped_storage().nbytes()})
        if not outputs:
            return
        inputs = list(dict.fromkeys(self.value_of(t) for t in reads))
        random = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        self.ops.append({"op": "opaque", "name": name, "inputs": inputs, "outputs": outputs,
                         "phase": "forward" if node in self._forward else "backward",
                         "attributes": {"seconds": seconds, "recompute": may_repeat and not random}})


def ancestors(node):
    found, todo = {node}, [node]
    while todo:
        for before in todo.pop().all_input_nodes:
            if before not in found:
                found.add(before)
                todo.append(before)
    return found


def _named_after_calls(nodes, calls):
    """Of each forward node, the eager call that it is: the same ops in the same order, some calls left out."""
    names, rest = {}, iter(calls)
    for node in nodes:
        for call in rest:
            if call.op == str(node.target):
                names[node] = (call.name, call.block is not None)
                break
        else:
            raise ValueError(f"the module does not call {node.target} where AOTAutograd does")
    return names


def export_graph(step, inputs, blocks, path, repeats=3):
    """Writes the graph of one training step.

    step(*inputs) returns the scalar loss; blocks names the submodules that checkpointing will wrap, whose ops
    may run again. Times are the fewest seconds of `repeats` runs on the device where the inputs lie.
    """
    joint, signature = aot_export_module(_LossTuple(step), inputs, trace_joint=True, output_loss_index=0)
    loss = next(n for n in joint.graph.nodes if n.op == "output").args[0][0]
    forward = ancestors(loss)
    nodes = [n for n in joint.graph.nodes if isinstance(n.target, torch._ops.OpOverload) and n in forward]
    names = _named_after_calls(nodes, calls_of(step, inputs, blocks))

    state = {f"step.{name}": t for name, t in [*step.named_parameters(), *step.named_buffers()]}
    own = [*signature.parameters, *signature.buffers]
    given = [state[name].detach() for name in own]
    sources = own + [n.name for n in joint.graph.nodes if n.op == "placeholder"][len(own):]
    recorder = Recorder(joint, sources, len(signature.parameters), names, forward, timed(repeats))
    with torch.no_grad():
        results = recorder.run(*given, *inputs)
    document = recorder.document(type(step).__name__, results)
    with open(path, "w") as file:
        json.dump(document, file, indent=1)
    return document
