#!/usr/bin/env python3
"""Tidemark's training step against eager PyTorch's: same shapes, dtype, threads and optimizer, in turns.

Prints, per model, the median of the rounds' step times and the peak bytes of both, and their ratios. The
turns alternate so that a noisy machine is noisy to both. Ours run with a plan where keeping everything would
take more than `--bytes` of PyTorch's peak. Both have as many parameters, which is checked; that they compute the
same is what tests/parity/generate checks. Needs a Python with torch and numpy, which `--python` names; nothing else
of Tidemark does.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKED = [16 + 48 * i // 31 for i in range(32)]  # lengths of sequences
TEXT = [256] * 4
STEPS = [784] * 8  # an image, pixel by pixel
IMAGES = [784] * 100
WORKLOADS = {
    "rnn-small": PACKED, "lstm-small": PACKED, "gru-small": PACKED, "transformer-small": [64] * 16,
    "llama-mini": TEXT, "moonlight-mini": TEXT, "mamba-small": TEXT, "mamba2-small": TEXT, "rwkv-small": TEXT,
    "rwkv7-small": TEXT, "retnet-small": TEXT, "s4-small": STEPS, "s4d-small": STEPS, "lru-small": STEPS,
    "fvsbn-mnist": IMAGES, "nade-mnist": IMAGES, "made-mnist-1hl": IMAGES,
}


def line(command):
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def commands(name, lengths, args):
    """Ours and PyTorch's."""
    config = str(ROOT / "models" / "presets" / f"{name}.json")
    shape = ["--lengths", ",".join(map(str, lengths))]
    if len(set(lengths)) == 1:
        shape = ["--batch", str(len(lengths)), "--length", str(lengths[0])]
    common = [config, *shape, "--steps", str(args.steps), "--threads", str(args.threads)]
    ours = [str(args.build / "bin" / "training_step"), *common]
    return ours, [args.python, str(ROOT / "bench" / "pytorch" / "reference.py"), *common]


def torch_peak(theirs):
    return line([*theirs, "--memory"])["peak_bytes"]


def compare(name, lengths, args):
    ours, theirs = commands(name, lengths, args)
    bytes_theirs = torch_peak(theirs)
    ours += ["--budget", str(int(args.bytes * bytes_theirs))]
    rounds = [(line(ours), line(theirs)) for _ in range(args.rounds)]
    counts = [side["parameters"] for side in rounds[0]]
    if counts[0] != counts[1]:
        sys.exit(f"{name}: {counts[0]:,} parameters, PyTorch's has {counts[1]:,}")
    seconds = [statistics.median(r[side]["step_seconds_median"] for r in rounds) for side in (0, 1)]
    ratios = sorted(a["step_seconds_median"] / b["step_seconds_median"] for a, b in rounds)
    bytes_ours = rounds[0][0]["measured_peak_bytes"]
    return {
        "model": name, "tokens": sum(lengths), "parameters": counts[0], "strategy": rounds[0][0]["strategy"],
        "isa": rounds[0][0]["isa"], "torch": rounds[0][1]["torch"], "seconds": seconds[0], "torch_seconds": seconds[1],
        "time_ratio": statistics.median(ratios), "time_ratio_range": [ratios[0], ratios[-1]],
        "peak_bytes": bytes_ours, "torch_peak_bytes": bytes_theirs, "bytes_ratio": bytes_ours / bytes_theirs,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="a Python that has torch")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="a turn; the first two do not count")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bytes", type=float, default=0.6, help="our budget, as a share of PyTorch's peak")
    parser.add_argument("--models", nargs="*", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = [compare(name, WORKLOADS[name], args) for name in args.models]
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{args.threads} threads, f32, {rows[0]['isa']}; torch {rows[0]['torch']}; {args.rounds} rounds in turns")
    print(f"{'model':<17} {'ours':>9} {'torch':>9} {'ratio':>6} {'(range)':>13} {'peak':>9} {'torch':>9} {'ratio':>6}  plan")
    for r in rows:
        low, high = r["time_ratio_range"]
        print(f"{r['model']:<17} {1e3 * r['seconds']:>6.0f} ms {1e3 * r['torch_seconds']:>6.0f} ms "
              f"{r['time_ratio']:>6.2f} {f'({low:.2f}-{high:.2f})':>13} {r['peak_bytes'] / 2**20:>5.0f} MiB "
              f"{r['torch_peak_bytes'] / 2**20:>5.0f} MiB {r['bytes_ratio']:>6.2f}  {r['strategy']}")


if __name__ == "__main__":
    main()
