#!/usr/bin/env python3
"""Random models of every family against PyTorch in float64, by `tidemark verify`.

The models are those of bench/pytorch. A case fails where a gradient is off by more than --tolerance and by more than ten
times what PyTorch's own float32 is; it is kept in --out. --published takes transformers' models. --presets checks the
workloads of bench/compare.py instead: both sides of it compute the same. --save NAME FAMILY SEED writes one case to
tests/data/parity, with --adamw also five steps of torch.optim.AdamW from there.
"""
import argparse
import contextlib
import json
import pathlib
import random
import subprocess
import sys

import torch
from safetensors.torch import save_file

import configs

ROOT = pathlib.Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "parity"
sys.path += [str(ROOT / "bench" / "pytorch"), str(ROOT / "bench")]
import compare  # noqa: E402
import families  # noqa: E402
from families.batches import IGNORED, padding  # noqa: E402
from families.density import Made  # noqa: E402

EXACT = 1e-6  # an error that says nothing
PUBLISHED = ("deepseek_v3", "llama", "mamba", "mamba2", "qwen2", "rwkv")  # by transformers
# PyTorch's own error of a gradient that is zero but for rounding, such as that of a gate where each token takes one expert.
NOISE = 0.5
# Parameters that their authors' training code gives a higher learning rate.
RATES = {"attention.time_decay": 2, "attention.time_first": 3, "w_lora.lora.2.bias": 2}


def shifted(config):
    """Whether the published code is given labels that are shifted by one already."""
    return config["model_type"] in ("retnet", "rnn", "lstm", "gru")


def disturbed(config, spread):
    """A model none of whose parameters is what it starts as, of numbers that float32 has."""
    model = families.build(config)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p + spread * torch.randn_like(p)).float())
        for name, b in model.named_buffers():  # what files have and is not trained
            if name.endswith("bias"):
                b.copy_((b + spread * torch.randn_like(b)).float())
    return model


def weights_of(model):
    biases = {name: b for name, b in model.named_buffers() if name.endswith("bias")}
    return {name: p.detach() for name, p in {**dict(model.named_parameters()), **biases}.items()}


def disturbed_batch(config, lengths):
    batch = families.random_batch(config, lengths)
    if "targets" in batch:  # some are not to be predicted
        batch["targets"][torch.rand(batch["targets"].shape) < 0.1] = IGNORED
        if not shifted(config):  # the last one's label would stand after the end
            batch["targets"][range(len(lengths)), [n - 1 for n in lengths]] = IGNORED
    if "x" in batch:
        batch["x"] = batch["x"].float().to(batch["x"])
    return batch


def inputs_of(config, batch, lengths):
    """As the reference files have them."""
    out = {name: tensor.to(torch.uint8) if tensor.dtype == torch.bool else tensor for name, tensor in batch.items()}
    if "targets" in out:
        targets = out.pop("targets")
        if "lengths" in out:
            return {"x": out["input_ids"], "labels": targets, "lengths": out["lengths"]}
        if not shifted(config):
            targets = torch.cat((torch.full_like(targets[:, :1], IGNORED), targets[:, :-1]), 1)
        out["labels"] = targets
        if len(set(lengths)) > 1:
            out["attention_mask"] = (~padding(lengths)).long()
    return out


def loss_of(model, batch):
    """Of an ensemble, the mean over its masks."""
    if not isinstance(model, Made):
        return model(**batch)
    total = 0
    for index in range(len(model.seeds)):
        model.draw(index)
        total = total + model(**batch) / len(model.seeds)
    return total


def gradients(model, batch):
    model.zero_grad(set_to_none=True)
    loss = loss_of(model, batch)
    loss.backward()
    grads = {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in model.named_parameters()}
    return float(loss.detach()), grads


def model_and_batch(config, lengths, spread, seed):
    torch.manual_seed(seed)
    return disturbed(config, spread), disturbed_batch(config, lengths)


@contextlib.contextmanager
def in_float32(config, model, batch):
    """The same in float32, for as long as the context is."""
    torch.set_default_dtype(torch.float32)
    single = families.build(config)
    single.load_state_dict(weights_of(model), strict=False)
    yield single, {k: v.float() if v.is_floating_point() else v for k, v in batch.items()}
    torch.set_default_dtype(torch.float64)


def make(config, lengths, spread, seed):
    """What reference files hold, and float32's own errors of the loss and of every gradient."""
    model, batch = model_and_batch(config, lengths, spread, seed)
    if bool((batch.get("targets", torch.zeros(1)) == IGNORED).all()):
        return None
    loss, grads = gradients(model, batch)
    weights = weights_of(model)
    with in_float32(config, model, batch) as single:
        own_loss, own = gradients(*single)
    own_errors = {name: error(own[name], grads[name]) for name in grads}
    tensors = {f"input/{k}": v for k, v in inputs_of(config, batch, lengths).items()}
    tensors |= {f"weight/{k}": v for k, v in weights.items()} | {f"grad/{k}": v for k, v in grads.items()}
    tensors["output/loss"] = torch.tensor([loss])
    stored = {k: (v.float() if v.is_floating_point() else v).contiguous().clone() for k, v in tensors.items()}
    return stored, abs(own_loss - loss) / abs(loss), own_errors


def error(a, b):
    return float((a.double() - b).norm() / b.norm()) if bool(b.any()) else float(a.norm())


def write(folder, name, config, tensors, more):
    description = {"case": name, "config": config, "tied": {}, "no_grad": [], "torch": torch.__version__, **more}
    (folder / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n")
    save_file(tensors, folder / f"{name}.safetensors")


def verify(args, name):
    command = [args.tidemark, "verify", args.out / f"{name}.json", args.out / f"{name}.safetensors", "--json",
               "--tolerance", str(args.tolerance), "--threads", str(args.threads)]
    run = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    return json.loads(run.stdout) if run.stdout else {"passed": False, "message": run.stderr.strip()}


def check(args, name, config, lengths, spread, seed):
    """The error that is the worst beside float32's own, that, and where; nothing where nothing is predicted."""
    case = make(config, lengths, spread, seed)
    return case and compare_case(args, name, config, lengths, *case)


def check_published(args, name, config, lengths, spread, seed):
    """As check, by transformers."""
    import published

    r = random.Random(f"{name} published")
    torch.manual_seed(seed)
    case = published.make(published.adapted(config, r), lengths, spread, r)
    return case and compare_case(args, name, case[0], lengths, *case[1:])


def compare_case(args, name, config, lengths, tensors, own_loss, own):
    write(args.out, name, config, tensors, {})
    result = verify(args, name)
    if "message" in result:
        print(f"{name}: {result['message']}\n  {json.dumps(config)} {lengths}")
        return False
    errors = {"loss": result["loss_error"], **result["gradient_errors"]}
    own["loss"] = own_loss
    failed = [n for n in errors if errors[n] is None or own[n] < NOISE and errors[n] > max(args.tolerance, 10 * own[n])]
    if failed:
        print(f"{name}: " + ", ".join(f"{n} {errors[n]:.1e} (float32's own {own[n]:.1e})" for n in failed) +
              f"\n  {json.dumps(config)} {lengths}")
        return False
    for suffix in (".json", ".safetensors"):
        (args.out / (name + suffix)).unlink()
    worst = max(errors, key=lambda n: errors[n] / max(own[n], EXACT))
    return errors[worst], own[worst], name, worst


def drawn(family, seed):
    """A config, lengths of sequences, and how far parameters are from where they start."""
    r = random.Random(f"{family} {seed}")
    config = configs.CONFIGS[family](r)
    return config, configs.lengths(r, config), r.choice([0.03, 0.1, 0.3])


def sweep(args):
    failed = False
    for family in args.families:
        results = []
        for seed in range(args.first, args.first + args.seeds):
            config, *more = drawn(family, seed)
            config |= configs.variants(random.Random(f"{family} {seed} variants"), config)
            results.append((check_published if args.published else check)(args, f"{family}-{seed}", config, *more, seed))
        passed = [result for result in results if result]
        failed |= False in results
        worst = max(passed, key=lambda result: result[0] / max(result[1], EXACT), default=(0, 0, "", ""))
        print(f"{family:<12} {len(passed)} of {len(results) - results.count(None)} passed; the worst beside float32's own: "
              f"{worst[0]:.1e}, that {worst[1]:.1e} ({worst[2]}, {worst[3]})", flush=True)
    return failed


def check_presets(args):
    failed = False
    for name, lengths in compare.WORKLOADS.items():
        config = json.loads((ROOT / "models" / "presets" / f"{name}.json").read_text())
        if config["model_type"] not in args.families:
            continue
        if "num_masks" in config:
            config["num_masks"] = 1
        result = check(args, name, config, lengths[:4], 0.02, 0)
        failed |= not result
        if result:
            print(f"{name:<18} the worst beside float32's own: {result[0]:.1e}, that {result[1]:.1e} ({result[3]})",
                  flush=True)
    return failed


def rate_scale(name):
    return next((scale for end, scale in RATES.items() if name.endswith(end)), 1)


def five_steps(model, batch, options):
    """Losses and gradient norms of the steps, and the parameters after them."""
    groups = [{"params": p, "lr": options["lr"] * rate_scale(name)}
              for name, p in model.named_parameters()]
    optimizer, losses, norms = torch.optim.AdamW(groups, **options), [], []
    for _ in range(5):
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        losses.append(float(loss.detach()))
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
    return losses, norms, weights_of(model)


def adamw(config, lengths, spread, seed):
    """Facts and weights of five steps, and where float32's own weights differ by more than rounding: Adam makes steps of
    gradients that are zero but for it, such as those of a bias of attention's keys."""
    model, batch = model_and_batch(config, lengths, spread, seed)
    options = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
    with in_float32(config, model, batch) as single:
        own_final = five_steps(*single, options)[2]
    losses, norms, final = five_steps(model, batch, options)
    own = {name: error(p, final[name]) for name, p in own_final.items()}
    facts = {**options, "clip_grad_norm": 1.0, "decay_applies_to": "all parameters", "loss_before_step": losses,
             "grad_norm_before_clip": norms, "float32_errors": {name: e for name, e in own.items() if e > 1e-5}}
    return facts, {f"final/{name}": p.float().contiguous() for name, p in final.items()}


def save(args):
    name, family, seed = args.save
    case = (*drawn(family, seed), int(seed))
    tensors, _, own = make(*case)
    write(DATA, name, case[0], tensors, {"made_by": f"tests/parity/generate: {family} {seed}, in float64",
                                         "lengths": case[1], "float32_worst_error": max(own.values())})
    if args.adamw:
        facts, final = adamw(*case)
        (DATA / f"{name}.adamw.json").write_text(json.dumps(facts, indent=1) + "\n")
        save_file(final, DATA / f"{name}.adamw.safetensors")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidemark", type=pathlib.Path, default=ROOT / "build" / "release" / "bin" / "tidemark")
    parser.add_argument("--families", nargs="*", choices=configs.CONFIGS, default=list(configs.CONFIGS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2, help="of both sides")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("parity-failures"))
    parser.add_argument("--presets", action="store_true")
    parser.add_argument("--published", action="store_true", help="transformers' models, of the families that it has")
    parser.add_argument("--save", nargs=3, metavar=("NAME", "FAMILY", "SEED"))
    parser.add_argument("--adamw", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_default_dtype(torch.float64)
    if args.save:
        return save(args)
    if args.published:
        args.families = [family for family in args.families if family in PUBLISHED]
    args.out.mkdir(parents=True, exist_ok=True)
    return check_presets(args) if args.presets else sweep(args)


if __name__ == "__main__":
    sys.exit(main())
