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
import torch.nn.functional as F
from torch import nn


class RMSNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


def rotate(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.dim = c["hidden_size"] // self.heads
        width, inner = c["hidden_size"], c["intermediate_size"]
        self.norm1, self.norm2 = RMSNorm(width), RMSNorm(width)
        self.q = nn.Linear(width, self.heads * self.dim, bias=False)
        self.k = nn.Linear(width, self.kv_heads * self.dim, bias=False)
        self.v = nn.Linear(width, self.kv_heads * self.dim, bias=False)
        self.o = nn.Linear(self.heads * self.dim, width, bias=False)
        self.gate = nn.Linear(width, inner, bias=False)
        self.up = nn.Linear(width, inner, bias=False)
        self.down = nn.Linear(inner, width, bias=False)

    def forward(self, x, cos, sin):
        batch, length, _ = x.shape
        h = self.norm1(x)
        split = lambda t, n: t.view(batch, length, n, self.dim).transpose(1, 2)
        q, k, v = split(self.q(h), self.heads), split(self.k(h), self.kv_heads), split(self.v(h), self.kv_heads)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.heads != self.kv_heads)
        x = x + self.o(a.transpose(1, 2).reshape(batch, length, -1))
        h = self.norm2(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Llama(nn.Module):
    def __init__(self, c, length):
        super().__init__()
        self.embed = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"])
        self.head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        if c.get("tie_word_embeddings"):
            self.head.weight = self.embed.weight
        dim = c["hidden_size"] // c["num_attention_heads"]
        angles = torch.outer(torch.arange(length).float(), 10000.0 ** (-torch.arange(0, dim, 2).float() / dim))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, ids, labels):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


class RecurrentLM(nn.Module):
    def __init__(self, c):
        super().__init__()
        kinds = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
        self.encoder = nn.Embedding(c["vocab_size"], c["input_size"])
        self.rnn = kinds[c["model_type"]](c["input_size"], c["hidden_size"], c["num_layers"], batch_first=True)
        self.decoder = nn.Linear(c["hidden_size"], c["vocab_size"])

    def forward(self, ids, labels, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.encoder(ids), lengths.cpu(), batch_first=True,
                                                   enforce_sorted=False)
        target = nn.utils.rnn.pack_padded_sequence(labels, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return F.cross_entropy(self.decoder(self.rnn(packed)[0].data), target.data)


def build(config, args):
    torch.manual_seed(0)
    vocabulary = config["vocab_size"]
    if config["model_type"] == "llama":
        model = Llama(config, args.length)
        ids = torch.randint(vocabulary, (args.batch, args.length + 1))
        return model, (ids[:, :-1], ids[:, 1:]), args.batch * args.length
    model = RecurrentLM(config)
    lengths = torch.tensor([int(n) for n in args.lengths.split(",")])
    ids = torch.randint(vocabulary, (len(lengths), int(lengths.max()) + 1))
    return model, (ids[:, :-1].contiguous(), ids[:, 1:].contiguous(), lengths), int(lengths.sum())


def train(config, args, steps):
    model, batch, tokens = build(config, args)
    model, batch = model.to(args.device), tuple(tensor.to(args.device) for tensor in batch)
    if args.compile:
        model = torch.compile(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    seconds = []
    for _ in range(steps):
        begin = time.perf_counter()
        with torch.autocast(args.device, torch.bfloat16, enabled=args.dtype == "bf16"):
            loss = model(*batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        float(loss.detach())
        seconds.append(time.perf_counter() - begin)
    return seconds, tokens


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
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--lengths", default="", help="of the packed sequences, comma-separated")
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
    result = {"torch": torch.__version__}
    if args.memory:
        result["peak_bytes"] = peak_bytes(config, args)
    else:
        seconds, tokens = train(config, args, args.steps)
        result |= {"step_seconds_median": statistics.median(seconds[2:]), "tokens": tokens}
    if args.device == "cuda":
        result["peak_bytes"] = torch.cuda.max_memory_allocated()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
