"""Random training graphs for `tidemark plan --graph`: a forward DAG and, op by op, its backward.

Sizes and times spread over two orders of magnitude, as those of real networks do. All graphs are functions of
their seed.
"""

import random

MIB = 1 << 20


def _training_graph(name, reads, rng):
    """reads[i]: forward ops, all before i, of which op i reads the results; none: the network's input."""
    n = len(reads)
    size = [int(MIB * 2 ** rng.uniform(-3, 3)) for _ in range(n)]
    seconds = [1e-3 * 2 ** rng.uniform(-3, 3) for _ in range(n)]
    readers = [[] for _ in range(n)]
    for i, inputs in enumerate(reads):
        for j in inputs:
            readers[j].append(i)

    def op(name, phase, inputs, outputs, seconds):
        return {"op": "opaque", "name": name, "phase": phase, "inputs": list(dict.fromkeys(inputs)),
                "outputs": [{"name": v, "bytes": b, "category": c} for v, b, c in outputs],
                "attributes": {"seconds": seconds}}

    ops = [op(f"f{i}", "forward", [f"y{j}" for j in reads[i]] or ["x"], [(f"y{i}", size[i], "activation")],
              seconds[i]) for i in range(n)]
    for i in reversed(range(n)):
        # The gradient of what op i made: one part from the backward of each reader. Half of all ops' backward
        # needs the op's result (softmax, tanh), the others its inputs (products).
        gradients = [f"g{k}.{i}" for k in readers[i]]
        saved = [f"y{i}"] if rng.random() < 0.5 else [f"y{j}" for j in reads[i]] or ["x"]
        if not gradients:
            saved.append(f"y{i}")  # the loss is here
        outputs = [(f"g{i}.{j}", size[j], "gradient") for j in dict.fromkeys(reads[i])]
        ops.append(op(f"b{i}", "backward", gradients + saved, outputs, 2 * seconds[i]))
    return {"tidemark_graph": 1, "name": name, "sources": [{"name": "x", "bytes": MIB, "category": "input"}],
            "ops": ops, "outputs": []}


def layered(nodes, seed=0):
    """Layers of about sqrt(nodes) / 2 ops that read one to three results of the layer before; one op in ten also
    reads one of any earlier layer (Gagrani et al. 2022, appendix A)."""
    rng = random.Random(f"layered {nodes} {seed}")
    width = max(2, int(nodes ** 0.5 / 2))
    reads, before, current = [], [], []
    for i in range(nodes // 2):
        if len(current) == width:
            before, current = current, []
        inputs = rng.sample(before, min(len(before), rng.randint(1, 3)))
        if before and rng.random() < 0.1:
            inputs.append(rng.randrange(before[0] + 1))
        reads.append(list(dict.fromkeys(inputs)))
        current.append(i)
    return _training_graph(f"layered-{nodes}", reads, rng)


def unet(nodes, seed=0):
    """A chain down and up again; on the way up every fourth op also reads its mirror image on the way down."""
    rng = random.Random(f"unet {nodes} {seed}")
    n = nodes // 2
    reads = [[i - 1] if i else [] for i in range(n)]
    for i in range(n // 2 + 1, n):
        if i % 4 == 0 and n - 1 - i < i - 1:
            reads[i].append(n - 1 - i)
    return _training_graph(f"unet-{nodes}", reads, rng)


def densenet(nodes, seed=0):
    """Blocks of eight ops of which each reads all before it in its block."""
    rng = random.Random(f"densenet {nodes} {seed}")
    reads = [list(range(max(0, i - 1 - i % 8), i)) for i in range(nodes // 2)]
    return _training_graph(f"densenet-{nodes}", reads, rng)


FAMILIES = {"layered": layered, "unet": unet, "densenet": densenet}
