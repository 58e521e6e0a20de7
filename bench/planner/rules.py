"""What people do without a planner: forward ops that run again, chosen by where they stand and not by a budget.

`per_layer`: nothing but what enters a layer is kept; all of it runs again before its backward (torch's checkpoint
around every layer, without the ops whose results nobody reads again). `selective`: the attention alone runs again
(Korthikanti et al. 2022, "Reducing activation recomputation in large transformer models").
"""

import re


def layer_of(module):
    """"decoder 3" of "transformer.decoder.layers.3.linear1"; None outside layers."""
    number = re.search(r"\.l?(\d+)(?=\.|$)", module)
    return number and ("decoder " if "decoder." in module else "") + number[1]


def _again_before_first_use(graph, group_of):
    """group_of(op name): what runs again together, or None."""
    ops = graph["ops"]
    forward = [op for op in ops if op["phase"] == "forward"]
    maker = {o["name"]: op for op in ops for o in op["outputs"]}
    group = {op["name"]: group_of(op["name"]) for op in forward}
    leaves = set()  # values that other groups read: kept
    for op in forward:
        leaves.update(v for v in op["inputs"] if v in maker and group[maker[v]["name"]] != group[op["name"]])
    order, done = [op["name"] for op in forward], set()
    for op in ops:
        if op["phase"] == "forward":
            continue
        for value in op["inputs"]:
            again = value in maker and group.get(maker[value]["name"])
            if not again or again in done:
                continue
            done.add(again)
            readers = [b for b in ops if b["phase"] == "backward"]
            wanted = {v for b in readers for v in b["inputs"]} - leaves
            runs = []
            for f in reversed([f for f in forward if group[f["name"]] == again]):
                if any(o["name"] in wanted for o in f["outputs"]):
                    runs.append(f["name"])
                    wanted.update(v for v in f["inputs"] if v not in leaves)
            order += reversed(runs)
        order.append(op["name"])
    return order


def per_layer(graph, about):
    layers = {name: layer_of(module) for name, (_, module) in about.items()}
    return _again_before_first_use(graph, layers.get) if any(layers.values()) else None


def selective(graph, about):
    attention = {name: name if kind == "attention" else None for name, (kind, _) in about.items()}
    return _again_before_first_use(graph, attention.get) if any(attention.values()) else None
