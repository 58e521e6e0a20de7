#!/usr/bin/env python3
"""Predicted step times against measured ones, for small presets of every family and several budgets.

Both cost models are asked: the device file of `tidemark calibrate`, and a profile of the step that keeps
everything (`tidemark plan --device` and `--profile`). Each round calibrates, profiles, plans and runs anew. A step is
measured twice, by the clock and as the sum of its ops' medians. What others on the machine do never makes a step
shorter, so a row compares the least of all rounds, on both sides; the range is that of the single rounds. `--kinds`
says which kinds of ops the calibrated model gets most wrong.

The host of a virtual machine may move its processors from one last-level cache into two and back, and ops bound by
memory then take up to 1.7 times as long. `tidemark doctor` shows it; a run that began or ended with the processors
further apart than at their nearest is repeated, `--tries` times at most, and the rows say where that was not enough.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TEXT = ["--batch", "8", "--length", "256"]
IMAGES = ["--batch", "32"]
MODELS = {
    "llama-mini": TEXT, "llama-10m": TEXT, "rnn-small": TEXT, "lstm-small": TEXT, "gru-small": TEXT, "s4-small": TEXT,
    "s4d-small": TEXT, "lru-small": TEXT, "retnet-tiny": TEXT, "rwkv-small": TEXT, "mamba-small": TEXT,
    "mamba2-small": TEXT, "made-mnist-1hl": IMAGES, "nade-mnist": IMAGES, "fvsbn-mnist": IMAGES,
}
BUDGETS = (100, 60, 40)
COST_MODELS = ("calibrated", "profile")
SAME_PLACE = 2  # times the shortest way of a line of the cache from one processor to another


class Bench:
    def __init__(self, args, folder):
        self.args, self.folder = args, pathlib.Path(folder)
        self.nearest = float("inf")

    def path(self, name):
        return str(self.folder / name)

    def tidemark(self, *arguments, **expected):
        done = subprocess.run([str(self.args.tidemark), *map(str, arguments)], stdout=subprocess.PIPE, text=True)
        if done.returncode not in expected.get("codes", (0,)):
            raise SystemExit(f"'tidemark {' '.join(map(str, arguments))}' failed")
        return json.loads(done.stdout)

    def model(self, name):
        return ["--model", name, *MODELS[name], "--threads", self.args.threads]

    def near(self):
        """Whether the processors are as near to one another as they were at any time."""
        found = self.tidemark("doctor", "--json")["checks"][0]["found"]
        distance = max(map(float, re.findall(r"(\d+) ns", found)), default=0)
        self.nearest = min(self.nearest, distance)
        return distance <= SAME_PLACE * self.nearest

    def while_near(self, measure):
        """What `measure` returns, and whether processors were near to one another before and after it."""
        for _ in range(self.args.tries):
            if self.near():
                answer = measure()
                if self.near():
                    return answer, True
            time.sleep(5)
        return measure(), False

    def calibrate(self):
        self.tidemark("calibrate", "--threads", self.args.threads, "--out", self.path("device.json"), "--json")

    def run(self, name, plan, trace, steps):
        """The report of some steps under a plan (arguments)."""
        return self.tidemark("profile", *self.model(name), *plan, "--steps", steps, "--out", self.path(trace), "--json")

    def steps(self, name):
        """As many as take `--seconds`; the first of a run does not count."""
        step = self.run(name, [], "trial.tide", 3)["step_seconds"]
        return 1 + max(5, min(200, round(self.args.seconds / step)))

    def plan(self, name, budget, cost_model):
        """The plan's document, or None where nothing fits."""
        times = ["--device", self.path("device.json")] if cost_model == "calibrated" else ["--profile",
                                                                                           self.path("run.tide")]
        answer = self.tidemark("plan", *self.model(name), "--budget", f"{budget}%", *times, "--out",
                               self.path("plan.json"), "--json", codes=(0, 1))
        return json.loads((self.folder / "plan.json").read_text()) if answer["fits"] else None

    def compare(self, name, kinds):
        """Yields budget, cost model, and seconds: predicted, of the ops that ran, of the whole step; then whether
        all that was measured for them was measured with processors near to one another."""
        steps = self.steps(name)
        _, profile_near = self.while_near(lambda: self.run(name, [], "run.tide", steps))
        for budget in BUDGETS:
            for cost_model in COST_MODELS:
                plan = self.plan(name, budget, cost_model)
                if plan is None:
                    continue
                report, near = self.while_near(
                    lambda: self.run(name, ["--plan", self.path("plan.json")], "planned.tide", steps))
                if cost_model == "calibrated":
                    self.count_kinds(name, budget, plan, report, kinds)
                ops = sum(kind["seconds"] for kind in report["ops"])
                near = near and (cost_model != "profile" or profile_near)
                yield budget, cost_model, plan["predicted_seconds"], ops, report["step_seconds"], near

    def count_kinds(self, name, budget, plan, report, kinds):
        graph = self.tidemark("graph", *self.model(name)[:-2], "--format", "json")
        kind = {op["name"]: op["op"] for op in graph["ops"]}
        predicted = collections.Counter()
        for op, seconds in zip(plan["order"], plan["step_seconds"]):
            predicted[kind[op]] += seconds
        total = sum(op["seconds"] for op in report["ops"])
        for op in report["ops"]:
            kinds[name, budget, op["kind"]].append((predicted[op["kind"]], op["seconds"], total))


def print_rows(rows):
    print(f"{'model':16} {'budget':>6}  {'times':10} {'predicted':>10} {'ops':>10} {'step':>10}  of ops  of step (range)")
    ratios = collections.defaultdict(list)
    for (name, budget, cost_model), runs in rows.items():
        predicted, ops, step = (min(side) for side in list(zip(*runs))[:3])
        of_step = sorted(p / s for p, _, s, _ in runs)
        apart = "" if any(near for *_, near in runs) else "  processors apart"
        ratios[cost_model].append((predicted / ops, predicted / step))
        print(f"{name:16} {budget:4} %  {cost_model:10} {1e3 * predicted:7.1f} ms {1e3 * ops:7.1f} ms {1e3 * step:7.1f} ms"
              f"  {predicted / ops:6.2f}  {predicted / step:7.2f} ({of_step[0]:.2f}-{of_step[-1]:.2f}){apart}")
    for cost_model, both in ratios.items():
        for what, each in zip(("ops", "step"), zip(*both)):
            within = sum(abs(r - 1) <= 0.1 for r in each)
            print(f"{cost_model}: {within} of {len(each)} within 10 % of the {what}, the worst "
                  f"{max(abs(r - 1) for r in each):.0%} off")


def print_kinds(kinds):
    """By the share of the step by which the kind is wrong."""
    rows = []
    for (name, budget, kind), samples in kinds.items():
        predicted, measured, step = (min(side) for side in zip(*samples))
        if measured > 0:
            rows.append(((predicted - measured) / step, name, budget, kind, predicted / measured))
    rows.sort(key=lambda row: -abs(row[0]))
    print(f"\n{'calibrated':16} {'budget':>6}  {'kind of op':28} {'of the step':>11} {'ratio':>6}")
    for wrong, name, budget, kind, ratio in rows[:25]:
        print(f"{name:16} {budget:4} %  {kind:28} {wrong:+11.1%} {ratio:6.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidemark", type=pathlib.Path, default=ROOT / "build/release/bin/tidemark", help="the command")
    parser.add_argument("--models", nargs="*", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2, help="that the steps of one run take, five steps at least")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tries", type=int, default=5, help="of a run, until processors are near to one another")
    parser.add_argument("--kinds", action="store_true", help="also print what kinds of ops are predicted worst")
    args = parser.parse_args()
    rows, kinds = collections.defaultdict(list), collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(args, folder)
        for _ in range(args.rounds):
            bench.calibrate()
            for name in args.models:
                for budget, cost_model, *run in bench.compare(name, kinds):
                    rows[name, budget, cost_model].append(run)
                    print(f"  {name}, {budget} %, {cost_model}: {run}", file=sys.stderr)
    print_rows(rows)
    if args.kinds:
        print_kinds(kinds)


if __name__ == "__main__":
    main()
