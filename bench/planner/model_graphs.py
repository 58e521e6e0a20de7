"""The forward and backward ops of a model of Tidemark's as a graph of opaque ops, which every method can plan.

Times are the analytic ones, workspaces those of the CPU kernels. What ops may overwrite is left out, since the peers
know of no such thing; so are the optimizer's ops: the gradients live to the end. What is made of inputs alone (tables
of rotary angles) counts as an input: a value that all layers read would hide the chain from those who look for one.
"""

import json
import math
import os

# One of each family.
MODELS = {
    "llama-mini": ["--batch", "8", "--length", "512"], "transformer-small": ["--batch", "8", "--length", "256"],
    "rnn-small": ["--batch", "32"], "lstm-small": ["--batch", "32"], "gru-small": ["--batch", "32"],
    "s4-small": ["--batch", "8"], "lru-small": ["--batch", "8"], "retnet-small": ["--batch", "8", "--length", "512"],
    "rwkv-small": ["--batch", "8", "--length", "512"], "mamba-small": ["--batch", "8", "--length", "512"],
    "mamba2-small": ["--batch", "8", "--length", "512"], "made-mnist-1hl": ["--batch", "64"],
}
ITEM_BYTES = {"f32": 4, "i32": 4, "bf16": 2, "u8": 1}


def size(value):
    return math.prod(value["type"]["shape"]) * ITEM_BYTES[value["type"]["dtype"]]


def model_graph(tidemark, model, folder):
    """The document, and the kind and module of each op by its name. tidemark: runs the command."""
    arguments = ["--model", model, *MODELS[model]]
    graph = json.loads(tidemark("graph", *arguments, "--format", "json"))
    path = os.path.join(folder, "unplanned.json")
    tidemark("plan", *arguments, "--strategy", "keep-all", "--out", path, "--json")
    with open(path) as file:
        plan = json.load(file)
    seconds = dict(zip(plan["order"], plan["step_seconds"]))
    workspace = {plan["order"][b["first_step"]]: b["bytes"] for b in plan["buffers"] if not b["values"]}
    sources = {s["name"]: s for s in graph["sources"]}
    kept = []
    for op in graph["ops"]:
        if op["phase"] == "prepare" or all(sources.get(v, {}).get("category") == "input" for v in op["inputs"] if v):
            sources.update((o["name"], {**o, "category": "input"}) for o in op["outputs"] if o)
        elif op["phase"] != "optimizer":
            kept.append(op)
    made = {o["name"]: o for op in kept for o in op["outputs"] if o}
    used = {v for op in kept for v in op["inputs"] if v}
    later = {v for op in graph["ops"] if op["phase"] == "optimizer" for v in op["inputs"]} | set(graph["outputs"])
    ops = [{"op": "opaque", "name": op["name"], "phase": op["phase"], "module": op["module"],
            "inputs": list(dict.fromkeys(v for v in op["inputs"] if v)),
            "outputs": [{"name": o["name"], "bytes": size(o), "category": o["category"]} for o in op["outputs"] if o],
            "attributes": {"seconds": seconds[op["name"]], "workspace_bytes": workspace.get(op["name"], 0)},
            **({"source": op["source"]} if "source" in op else {})}
           for op in kept]
    document = {"tidemark_graph": 1, "name": model, "ops": ops,
                "sources": [{"name": n, "bytes": size(s), "category": s["category"]} for n, s in sources.items() if n in used],
                "outputs": [v for v in made if v in later]}
    return document, {op["name"]: (op["op"], op["module"]) for op in kept}
