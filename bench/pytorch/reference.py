#!/usr/bin/env python3
"""Training steps in PyTorch, eager or --compile, for comparison: the same shapes, dtype and threads as ours.

Prints one JSON line: median step seconds, tokens per step and, with --memory or on CUDA, the allocator's peak
bytes (every tensor's storage, from the model's construction on; not the process, whose imports alone take
0.7 GB). bf16 is autocast over f32 parameters, which are what our master weights are.
"""
import argparse
import json
import statistics
import time

import torch
from torch import nn

import families


def lengths_of(args):
    return [int(n) for n in args.lengths.split(",")] if args.lengths else [args.length] * args.batch


def build(config, args):
    torch.manual_seed(0)
    return families.build(config), families.random_batch(config, lengths_of(args))


def train(config, args, steps):
    model, batch = build(config, args)
    model, batch = model.to(args.device), {name: tensor.to(args.device) for name, tensor in batch.items()}
    if args.compile:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        with torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bf16"):
            loss = model(**batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(loss.detach())
        seconds.append(time.perf_counter() - begin)
    return seconds, families.parameter_count(model)


def peak_bytes(config, args):
    """The highest running total of the CPU allocator's own events."""
    with torch.profiler.profile(profile_memory=True, activities=[torch.profiler.ProfilerActivity.CPU]) as p:
        train(config, args, 2)
    live = peak = 0
    events = [e for e in p.profiler.kineto_results.events() if e.name() == "[memory]"]
    for e in sorted(events, key=lambda e: e.start_ns()):
        live += e.nbytes()
        peak = max(peak, live)
    return peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--batch", type=int, default=1, help="sequences, or images")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--lengths", default="", help="of sequences of several lengths, comma-separated")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with open(args.config) as file:
        config = json.load(file)
    result = {"torch": torch.__version__, "tokens": sum(lengths_of(args))}
    if args.memory:
        result["peak_bytes"] = peak_bytes(config, args)
    else:
        seconds, result["parameters"] = train(config, args, args.steps)
        result["step_seconds_median"] = statistics.median(seconds[2:])
    if args.device == "cuda":
        result["peak_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
