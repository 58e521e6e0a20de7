"""Records kineto.json.gz: two training steps of a small network under PyTorch's profiler, on the CPU."""

import sys

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        return x + self.down(nn.functional.gelu(self.up(self.norm(x))))


class Net(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.block = Block(width)
        self.head = nn.Linear(width, 256, bias=False)

    def forward(self, ids):
        return self.head(self.block(self.embed(ids)))


def main(path):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters())
    ids = torch.randint(0, 256, (4, 33))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, with_stack=True) as recorder:
        for _ in range(2):
            logits = net(ids[:, :-1])
            nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()).backward()
            optimizer.step()
            optimizer.zero_grad()
    recorder.export_chrome_trace(path)


main(sys.argv[1])
