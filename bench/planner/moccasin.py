"""Moccasin's constraint program (Gagrani et al. 2023) for training graphs, by OR-tools' CP-SAT.

Every op runs first where the graph has it; stage k ends with the first run of op k, and may run forward ops before k
again in front of it, each op at most COPIES times in all. A run of an op keeps its results for an interval; each
interval says what it holds, all of them together stay within the budget, and every run lies in an interval of each
op that it reads.
"""

from ortools.sat.python import cp_model

from order import aligned

COPIES = 2
UNIT_BYTES = 1 << 12
UNIT_SECONDS = 1e-6


def plan(graph, budget_bytes, seconds):
    """An order of op names, or None where none was found in time."""
    ops = graph["ops"]
    count = len(ops)
    maker = {o["name"]: i for i, op in enumerate(ops) for o in op["outputs"]}
    reads = [sorted({maker[v] for v in op["inputs"] if v in maker}) for op in ops]
    size = [-(-sum(aligned(o["bytes"]) for o in op["outputs"]) // UNIT_BYTES) for op in ops]
    scratch = [-(-aligned(op["attributes"].get("workspace_bytes", 0)) // UNIT_BYTES) for op in ops]
    room = (budget_bytes - sum(aligned(s["bytes"]) for s in graph["sources"])) // UNIT_BYTES
    # Time k (k + 1) / 2 + i is op i's in stage k.
    begin = [k * (k + 1) // 2 for k in range(count + 1)]
    horizon = begin[count]

    model = cp_model.CpModel()
    runs = []  # of each op: (start, end, present)
    intervals, demands, costs = [], [], []
    for i, op in enumerate(ops):
        again = op["phase"] == "forward" and op["attributes"].get("recompute", True)
        copies = []
        for c in range(COPIES if again else 1):
            if c == 0:
                start, present = model.new_constant(begin[i] + i), model.new_constant(1)
            else:
                places = [begin[k] + i for k in range(i + 1, count)]
                start = model.new_int_var_from_domain(cp_model.Domain.from_values(places), "")
                present = model.new_bool_var("")
                model.add(start > copies[-1][1]).only_enforce_if(present)
                costs.append(present * max(1, round(op["attributes"]["seconds"] / UNIT_SECONDS)))
            end = model.new_int_var(0, horizon, "")
            length = model.new_int_var(1, horizon, "")
            model.add(end >= start).only_enforce_if(present)
            intervals.append(model.new_optional_interval_var(start, length, end + 1, present, ""))
            demands.append(size[i])
            if scratch[i]:
                intervals.append(model.new_optional_interval_var(start, 1, start + 1, present, ""))
                demands.append(scratch[i])
            copies.append((start, end, present))
        runs.append(copies)
    for i in range(count):
        for start, _, present in runs[i]:
            for j in reads[i]:
                inside = []
                for other_start, other_end, other_present in runs[j]:
                    held = model.new_bool_var("")
                    model.add_implication(held, other_present)
                    model.add(other_start < start).only_enforce_if(held)
                    model.add(start <= other_end).only_enforce_if(held)
                    inside.append(held)
                model.add_bool_or(inside).only_enforce_if(present)
    last = {maker[v] for v in graph["outputs"] if v in maker}
    for i in last:
        model.add(runs[i][0][1] >= horizon - 1)
    model.add_cumulative(intervals, demands, room)
    model.minimize(sum(costs))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 2
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    placed = sorted((solver.value(start), i) for i, copies in enumerate(runs) for start, _, present in copies
                    if solver.value(present))
    return [ops[i]["name"] for _, i in placed]
