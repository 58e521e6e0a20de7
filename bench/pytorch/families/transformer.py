"""The encoder-decoder of 2017, of PyTorch's own layers."""
import math

import torch
import torch.nn.functional as F
from torch import nn

from . import batches
from .parts import Namespace


def sinusoids(length, width, like):
    rates = 10000.0 ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.outer(torch.arange(length, dtype=torch.float64), rates)
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width].to(like)


class Transformer(nn.Module):
    batch = staticmethod(batches.pairs)

    def __init__(self, c):
        super().__init__()
        width, eps, first = c["d_model"], c.get("layer_norm_eps", 1e-5), c.get("norm_first", False)

        def layer(kind, side):
            return kind(width, c[side + "_attention_heads"], c[side + "_ffn_dim"], dropout=0.0, activation="relu",
                        layer_norm_eps=eps, batch_first=True, norm_first=first)

        def norm():
            return nn.LayerNorm(width, eps) if c.get("final_layer_norm", first) else None

        self.shared = nn.Embedding(c["vocab_size"], width)
        nn.init.normal_(self.shared.weight, std=width**-0.5)
        self.transformer = Namespace(
            encoder=nn.TransformerEncoder(layer(nn.TransformerEncoderLayer, "encoder"), c["encoder_layers"],
                                          norm=norm(), enable_nested_tensor=False),
            decoder=nn.TransformerDecoder(layer(nn.TransformerDecoderLayer, "decoder"), c["decoder_layers"],
                                          norm=norm()))
        self.scale = math.sqrt(width) if c.get("scale_embedding", True) else 1.0
        self.smoothing = c.get("label_smoothing", 0.0)

    def embed(self, ids):
        x = self.shared(ids) * self.scale
        return x + sinusoids(ids.shape[1], x.shape[-1], x)

    def forward(self, src, src_pad, tgt_in, tgt_out, tgt_pad):
        pad = src_pad if bool(src_pad.any()) else None  # without a mask attention is faster
        memory = self.transformer.encoder(self.embed(src), src_key_padding_mask=pad)
        target = self.embed(tgt_in)
        causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1], target.device, target.dtype)
        out = self.transformer.decoder(target, memory, tgt_mask=causal, tgt_is_causal=True,
                                       memory_key_padding_mask=pad)
        logits = F.linear(out, self.shared.weight)
        return F.cross_entropy(logits.flatten(0, 1), tgt_out.flatten(), label_smoothing=self.smoothing)
