"""Checkmate's integer program (Jain et al. 2020) for training graphs, by HiGHS.

Stage t ends with the first run of op t in the graph's order; before it, forward ops may run again, in the graph's order
and each once a stage. S[t, i]: what op i made is there when stage t begins; F[t, i, k]: it is given up after op k.
"""

import highspy

from order import aligned

UNIT_BYTES = 1 << 12


def plan(graph, budget_bytes, seconds):
    """An order of op names, or None where none was found in time."""
    ops = graph["ops"]
    count = len(ops)
    maker = {o["name"]: i for i, op in enumerate(ops) for o in op["outputs"]}
    reads = [sorted({maker[v] for v in op["inputs"] if v in maker}) for op in ops]
    readers = [[k for k in range(count) if i in reads[k]] for i in range(count)]
    size = [sum(aligned(o["bytes"]) for o in op["outputs"]) / UNIT_BYTES for op in ops]
    room = (budget_bytes - sum(aligned(s["bytes"]) for s in graph["sources"])) / UNIT_BYTES
    scratch = [aligned(op["attributes"].get("workspace_bytes", 0)) / UNIT_BYTES for op in ops]
    again = [op["phase"] == "forward" and op["attributes"].get("recompute", True) for op in ops]
    last = {maker[v] for v in graph["outputs"] if v in maker}

    h = highspy.Highs()
    h.silent()
    h.setOptionValue("time_limit", float(seconds))
    h.setOptionValue("threads", 2)
    runs, kept = {}, {}
    for t in range(count):
        for i in range(t + 1):
            if i == t or again[i]:
                runs[t, i] = h.addVariable(lb=float(i == t), ub=1, obj=ops[i]["attributes"]["seconds"],
                                           type=highspy.HighsVarType.kInteger)
            if i < t:
                kept[t, i] = h.addVariable(lb=float(i in last), ub=1, type=highspy.HighsVarType.kInteger)
    for (t, i), run in runs.items():
        for j in reads[i]:  # what it reads is there
            h.addConstr(run <= kept[t, j] + runs.get((t, j), 0))
    for (t, i), there in kept.items():
        h.addConstr(there <= kept.get((t - 1, i), 0) + runs.get((t - 1, i), 0))
    for t in range(count):
        live = sum(size[i] * kept[t, i] for i in range(t)) + 0
        freed = None
        for k in range(t + 1):
            if (t, k) not in runs:
                continue
            live = live + size[k] * runs[t, k] if freed is None else live - freed + size[k] * runs[t, k]
            level = h.addVariable(lb=0, ub=room)
            h.addConstr(level == live)
            if scratch[k]:
                h.addConstr(level + scratch[k] * runs[t, k] <= room)
            live, freed = level + 0, None
            for i in [*reads[k], k]:
                if i in last:
                    continue
                # Given up only if it runs now, does not go into the next stage, and nobody reads it later in this one.
                gone = h.addBinary()
                h.addConstr(gone <= runs[t, k])
                later = [runs[t, j] for j in readers[i] if j > k and (t, j) in runs]
                if (t + 1, i) in kept:
                    later.append(kept[t + 1, i])
                for other in later:
                    h.addConstr(gone + other <= 1)
                freed = size[i] * gone if freed is None else freed + size[i] * gone
    h.run()
    solution = h.getSolution()
    if not solution.value_valid:
        return None
    return [ops[i]["name"] for t in range(count) for i in range(t + 1)
            if (t, i) in runs and solution.col_value[runs[t, i].index] > 0.5]
