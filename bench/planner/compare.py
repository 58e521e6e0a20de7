#!/usr/bin/env python3
"""A table of the planner against others; see README.md."""

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import tempfile
import time

import graphs
import model_graphs
import order
import rules

SHARES = (0.2, 0.3, 0.5, 0.7)
OWN = ("auto", "chain-dp", "sqrt")
RULES = {"per-layer": rules.per_layer, "selective": rules.selective}  # of the models' graphs
PEERS = {"checkmate": "highspy", "moccasin": "ortools"}  # and the package that each needs
MOST_BEATEN = 1e-3  # by a peer, of the step's seconds


def tidemark(options, *arguments):
    done = subprocess.run([options.tidemark, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode > 1:
        raise SystemExit(f"'tidemark {' '.join(arguments)}' failed")
    return done.stdout


def documents(options):
    """Each graph, and what its ops are where it is a model's."""
    for nodes in options.nodes:
        for family in options.families:
            yield graphs.FAMILIES[family](nodes), None
    for model in options.models:
        yield model_graphs.model_graph(lambda *arguments: tidemark(options, *arguments), model, options.folder)


def own_answer(options, path, budget, strategy):
    """What the command prints; the plan's order, None where nothing fits; seconds of planning."""
    plan = os.path.join(options.folder, "plan.json")
    begin = time.perf_counter()
    answer = json.loads(tidemark(options, "plan", "--graph", path, "--budget", str(budget), "--strategy", strategy,
                                 "--json", "--out", plan))
    spent = time.perf_counter() - begin
    if not answer["fits"]:
        return answer, None, spent
    with open(plan) as file:
        steps = json.load(file)["order"]
    return answer, steps, spent


def row(graph, share, method, over, gap, spent):
    print(f"{graph['name']:20.20} {len(graph['ops']):6} {share:6.0%}  {method:10} {over:>11} {gap:>9} {spent:8.1f}",
          flush=True)


def peers(options, graph, about):
    """Name and function from a budget to an order, which need not fit if a rule made it; None where nothing is found."""
    for name, rule in RULES.items():
        found = rule(graph, about) if about else None
        if found:
            yield name, lambda budget, found=found: found
    for name in options.peers:
        if len(graph["ops"]) <= options.largest:
            module = importlib.import_module(name)
            yield name, lambda budget, module=module: module.plan(graph, budget, options.seconds)


def compare(options, graph, path, share, unplanned, others):
    """Prints a row for each method; returns where one of the others is faster than auto."""
    standing = sum(order.aligned(s["bytes"]) for s in graph["sources"])
    whole = unplanned["predicted_peak_bytes"] - standing
    budget = standing + int(share * whole)
    beaten, own = [], None
    for strategy in OWN:
        answer, found, spent = own_answer(options, path, budget, strategy)
        if found is None:
            row(graph, share, strategy, f"needs {(answer['smallest_feasible_bytes'] - standing) / whole:.0%}", "", spent)
            continue
        if strategy == "auto":
            own = answer["predicted_seconds"]
        seconds, peak = order.judge(graph, found)  # an independent opinion
        if peak > budget or abs(seconds / answer["predicted_seconds"] - 1) > 1e-9:
            raise SystemExit(f"{graph['name']}: the plan says {answer['predicted_seconds']} s within {budget} bytes, "
                             f"its order takes {seconds} s and {peak} bytes")
        row(graph, share, strategy, f"{answer['predicted_seconds'] / answer['unplanned_seconds'] - 1:.2%}",
            f"{answer['gap']:.2%}", spent)
    for peer, plan in others:
        begin = time.perf_counter()
        found = plan(budget)
        spent = time.perf_counter() - begin
        seconds, peak = order.judge(graph, found) if found else (None, 0)
        if peak > budget and peer in PEERS:
            raise SystemExit(f"{graph['name']}: {peer}'s order needs {peak} bytes, more than {budget}")
        if peak > budget:
            row(graph, share, peer, f"needs {(peak - standing) / whole:.0%}", "", spent)
            continue
        over = f"{seconds / unplanned['predicted_seconds'] - 1:.2%}" if found else "none found"
        row(graph, share, peer, over, "", spent)
        if found and (own is None or seconds < own * (1 - MOST_BEATEN)):
            beaten.append(f"{graph['name']} at {share:.0%}: {peer} takes {seconds:.6g} s, auto "
                          + (f"{own:.6g} s" if own else "finds nothing"))
    return beaten


def table(options, documents):
    """Of graphs and the others that plan them; fails where auto is beaten."""
    beaten = []
    path = os.path.join(options.folder, "graph.json")
    print(f"{'graph':20} {'ops':>6} {'budget':>6}  {'method':10} {'over':>11} {'gap':>9} {'planning':>8}")
    for graph, others in documents:
        with open(path, "w") as file:
            json.dump(graph, file)
        unplanned = json.loads(tidemark(options, "plan", "--graph", path, "--strategy", "keep-all", "--json"))
        for share in options.shares:
            beaten += compare(options, graph, path, share, unplanned, others)
    if beaten:
        raise SystemExit("beaten by more than {:.1%}:\n".format(MOST_BEATEN) + "\n".join(beaten))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tidemark", default="build/release/bin/tidemark", help="the command")
    parser.add_argument("--nodes", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--families", nargs="*", choices=graphs.FAMILIES, default=list(graphs.FAMILIES))
    parser.add_argument("--models", nargs="*", choices=model_graphs.MODELS,
                        default=list(model_graphs.MODELS))
    parser.add_argument("--shares", type=float, nargs="*", default=SHARES, help="of the unplanned activations")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=[], help="also run these")
    parser.add_argument("--largest", type=int, default=100, help="graph in ops that these peers are given")
    parser.add_argument("--seconds", type=float, default=30, help="that a peer may take")
    options = parser.parse_args()
    for peer in options.peers:
        if not importlib.util.find_spec(PEERS[peer]):
            raise SystemExit(f"{peer} needs {PEERS[peer]}; install it into a virtual environment, "
                             f"'pip install {PEERS[peer]}', and run this with that environment's python")
    with tempfile.TemporaryDirectory() as options.folder:
        table(options, ((graph, list(peers(options, graph, about))) for graph, about in documents(options)))


if __name__ == "__main__":
    main()
