"""RNN, LSTM and GRU language models over packed sequences."""
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from . import batches

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Recurrent(nn.Module):
    batch = staticmethod(batches.packed_tokens)

    def __init__(self, c):
        super().__init__()
        columns = c.get("embedding_dim", c.get("input_size"))
        more = {"nonlinearity": c.get("nonlinearity", "tanh")} if c["model_type"] == "rnn" else {}
        both = c.get("bidirectional", False)
        self.encoder = nn.Embedding(c["vocab_size"], columns)
        self.rnn = KINDS[c["model_type"]](columns, c["hidden_size"], c.get("num_layers", 1), bias=c.get("bias", True),
                                          bidirectional=both, batch_first=True, **more)
        self.decoder = nn.Linear(c["hidden_size"] * (2 if both else 1), c["vocab_size"])
        if c.get("tie_word_embeddings"):
            self.decoder.weight = self.encoder.weight

    def forward(self, input_ids, targets, lengths):
        def packed(x):
            return pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)

        hidden = self.rnn(packed(self.encoder(input_ids)))[0]
        return F.cross_entropy(self.decoder(hidden.data), packed(targets).data)
