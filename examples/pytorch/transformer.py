#!/usr/bin/env python3
"""Plans the memory of a transformer written in plain PyTorch, and shows what selective checkpointing after the
plan saves. See README.md."""

import argparse
import copy
import functools
import json
import os
import subprocess
import tempfile
import time

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from checkpoint_plan import apply_plan
from export_graph import export_graph
from live_bytes import LiveBytes


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2) for t in
                   self.qkv(self.norm1(x)).chunk(3, dim=-1))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))


class LanguageModel(nn.Module):
    """Returns the loss of predicting the next token."""

    def __init__(self, layers, width, heads, vocabulary=256):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, tokens):
        x = self.embedding(tokens[:, :-1])
        for block in self.blocks:
            x = block(x)
        logits = self.head(self.norm(x))
        return nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())


def measured(model, tokens):
    """Bytes that wait for the backward pass, most bytes live at once, gradients."""
    model.zero_grad(set_to_none=True)
    with LiveBytes([*model.parameters(), tokens]) as live:
        loss = model(tokens)
        saved = live.now()
        loss.backward()
    return saved, live.peak, [p.grad for p in model.parameters()]


def seconds(model, tokens, steps=5):
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        model.zero_grad(set_to_none=True)
        model(tokens).backward()
        if tokens.is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return sorted(times)[steps // 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tidemark", default="tidemark", help="the command")
    parser.add_argument("--budget", default="50%", help="bytes, or a share of the unplanned peak")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=256)
    o = parser.parse_args()

    torch.manual_seed(0)
    model = LanguageModel(o.layers, o.width, heads=4).to(o.device)
    tokens = torch.randint(256, (o.batch, o.length + 1), device=o.device)
    blocks = [f"blocks.{i}" for i in range(o.layers)]

    checkpointed, planned = copy.deepcopy(model), copy.deepcopy(model)
    for name in blocks:
        block = checkpointed.get_submodule(name)
        block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)
    with tempfile.TemporaryDirectory() as folder:
        graph, plan = os.path.join(folder, "graph.json"), os.path.join(folder, "plan.json")
        document = export_graph(model, (tokens,), blocks, graph)
        print(f"{len(document['ops'])} ops", flush=True)
        done = subprocess.run([o.tidemark, "plan", "--graph", graph, "--budget", o.budget, "--out", plan, "--json"],
                              stdout=subprocess.PIPE)
        if done.returncode == 2 or not done.stdout:
            raise SystemExit(done.returncode)
        answer = json.loads(done.stdout)
        if not answer["fits"]:
            raise SystemExit(f"no plan fits; the smallest has {answer['smallest_feasible_bytes']} bytes")
        kept = apply_plan(planned, blocks, graph, plan)
    print(f"plan: {answer['strategy']}, keeps {kept} ops of the blocks, peak "
          f"{answer['predicted_peak_bytes'] / 2**20:.1f} of {answer['unplanned_peak_bytes'] / 2**20:.1f} MiB, step "
          f"{answer['predicted_seconds'] / answer['unplanned_seconds'] - 1:+.1%}")

    print(f"{'':24}{'saved':>12}{'peak':>12}{'step':>12}  gradients")
    reference = None
    for label, variant in [("plain", model), ("each block checkpointed", checkpointed), ("planned", planned)]:
        saved, peak, gradients = measured(variant, tokens)
        if o.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        step = seconds(variant, tokens)
        reference = reference or gradients
        same = all(torch.equal(a, b) for a, b in zip(reference, gradients))
        counter = f", {torch.cuda.max_memory_allocated() / 2**20:.1f} MiB by PyTorch's counter" \
            if o.device == "cuda" else ""
        print(f"{label:24}{saved / 2**20:8.1f} MiB{peak / 2**20:8.1f} MiB{step * 1e3:9.1f} ms  "
              f"{'identical' if same else 'DIFFERENT'}{counter}")


if __name__ == "__main__":
    main()
