"""Random inputs of each kind of model. What is padded is not predicted (-100)."""
import torch

IGNORED = -100


def padding(lengths):
    """1 where a row [max(lengths)] is padded."""
    return torch.arange(max(lengths))[None, :] >= torch.tensor(lengths)[:, None]


def tokens(config, lengths):
    """Of causal language models: each token's target is the next one, of the last a random one."""
    ids = torch.randint(config["vocab_size"], (len(lengths), max(lengths) + 1))
    targets = ids[:, 1:].masked_fill(padding(lengths), IGNORED)
    return {"input_ids": ids[:, :-1].contiguous(), "targets": targets}


def packed_tokens(config, lengths):
    return {**tokens(config, lengths), "lengths": torch.tensor(lengths)}


def pairs(config, lengths):
    """Sources and targets of the same lengths."""
    def ids():
        return torch.randint(config["vocab_size"], (len(lengths), max(lengths)))

    pad = padding(lengths)
    return {"src": ids(), "src_pad": pad, "tgt_in": ids(), "tgt_out": ids().masked_fill(pad, IGNORED), "tgt_pad": pad}


def numbers(config, lengths):
    """A label for each sequence or, without pooling, for each step."""
    shape = (len(lengths), max(lengths))
    if config.get("pooling", "mean") == "none":
        labels = torch.randint(config["d_output"], shape).masked_fill(padding(lengths), IGNORED)
    else:
        labels = torch.randint(config["d_output"], shape[:1])
    return {"x": torch.randn(*shape, config["d_input"]), "labels": labels, "lengths": torch.tensor(lengths)}


def images(config, lengths):
    return {"x": torch.randint(2, (len(lengths), config["input_dim"])).to(torch.get_default_dtype())}
