"""Model families in plain PyTorch: without custom kernels, in the form of each that was the fastest on a CPU of those
tried.

A family is built from its config.json and has the published names of parameters. Called with the tensors that
batches.py makes, it returns the loss.
"""
import importlib

MODELS = {
    "deepseek_v3": "deepseek_v3.DeepseekV3",
    "fvsbn": "density.Fvsbn",
    "gru": "recurrent.Recurrent",
    "llama": "llama.Llama",
    "lru": "lru.Lru",
    "lstm": "recurrent.Recurrent",
    "made": "density.Made",
    "mamba": "mamba.Mamba",
    "mamba2": "mamba2.Mamba2",
    "nade": "density.Nade",
    "qwen2": "llama.Llama",
    "retnet": "retnet.RetNet",
    "rnn": "recurrent.Recurrent",
    "rwkv": "rwkv.Rwkv",
    "rwkv7": "rwkv7.Rwkv7",
    "s4": "s4.S4",
    "s4d": "s4.S4",
    "transformer": "transformer.Transformer",
}


def model_class(config):
    """Imported when it is asked for: only images need numpy."""
    module, name = MODELS[config["model_type"]].split(".")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def build(config):
    return model_class(config)(config)


def random_batch(config, lengths):
    """Sequences of these lengths, or as many images, padded on the right to the longest."""
    return model_class(config).batch(config, lengths)


def parameter_count(model):
    return sum(p.numel() for p in model.parameters())
