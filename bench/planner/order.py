"""What an order of ops, some of which stand again, needs: seconds, and most bytes live at once."""

ALIGNMENT = 64


def aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def judge(graph, order):
    """graph: a document of opaque ops, of which none may choose to overwrite; order: names. Returns seconds and bytes;
    raises ValueError where an op reads what is not there, or where one is missing."""
    ops = {op["name"]: op for op in graph["ops"]}
    if set(order) != set(ops):
        raise ValueError("not every op is in the order")
    standing = {s["name"] for s in graph["sources"]}
    size = {o["name"]: aligned(o["bytes"]) for op in ops.values() for o in op["outputs"]}
    # An instance of a value lives from the step that makes it to the last that reads it.
    latest, last_read, made = {}, {}, {}
    for step, name in enumerate(order):
        for value in ops[name]["inputs"]:
            if value in standing:
                continue
            if value not in latest:
                raise ValueError(f"{name} reads {value} before it is made")
            last_read[latest[value]] = step
        for output in ops[name]["outputs"]:
            if "updates" in output:  # the same bytes live on
                latest[output["name"]] = latest.pop(output["updates"])
                continue
            instance = (output["name"], step)
            latest[output["name"]] = instance
            made[instance], last_read[instance] = step, step
    for value in graph["outputs"]:
        if value in latest:
            last_read[latest[value]] = len(order) - 1
    change = [0] * (len(order) + 1)
    for instance, step in made.items():
        change[step] += size[instance[0]]
        change[last_read[instance] + 1] -= size[instance[0]]
    peak = live = 0
    for step, name in enumerate(order):
        live += change[step]
        peak = max(peak, live + aligned(ops[name]["attributes"].get("workspace_bytes", 0)))
    return (sum(ops[name]["attributes"]["seconds"] for name in order),
            peak + sum(aligned(s["bytes"]) for s in graph["sources"]))
