"""Holds AMK on a GPU to transformers: logits of every prompt position, and greedy tokens.

    python3 tests/gpu/hf_parity.py                     the golden folders, and a checkpoint of Llama-3.2-1B's shape
    python3 tests/gpu/hf_parity.py FOLDER...           these checkpoints instead
    python3 tests/gpu/hf_parity.py --gpu none          AMK on the CPU: a dry run

Run from the project's root. The other checkpoint is made here, by transformers: random bf16 weights, llama3 rotary
scaling, a tied head (2.5 GB in the temporary folder, removed at the end). `amk generate` computes the one side;
the other is transformers' model of the same folder by from_pretrained in float32, attention eager, no TF32, in one
forward over the prompt and the tokens that AMK chose: where AMK's first k tokens are right, its token k + 1 must be
the best one there, so equal choices mean equal texts.

The last line is `N of M agree`. Exit code: 0 all agree, 1 some do not or could not be compared, 77 skipped: without
torch, without transformers, or without the GPU that was asked for.
"""
import argparse
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile

SKIPPED = 77
GOLDENS = ["llama-mha", "llama-gqa-tied", "llama-head-dim", "llama-odd-sizes", "llama-bf16-sharded", "llama-f16",
           "llama3-rope", "llama-linear-rope", "mistral"]

# config.json of the checkpoints that are made here, as published ones write it.
LLAMA_3_2_1B = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "tie_word_embeddings": True,
    "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192},
    "attention_bias": False, "mlp_bias": False, "bos_token_id": 128000, "eos_token_id": 128001,
    "torch_dtype": "bfloat16",
}
SMALL = dict(LLAMA_3_2_1B, vocab_size=2048, hidden_size=256, intermediate_size=1024, num_hidden_layers=2,
             num_attention_heads=8, num_key_value_heads=2, head_dim=32, bos_token_id=1, eos_token_id=2)
SHAPES = {"llama-3.2-1b": LLAMA_3_2_1B, "small": SMALL}


class Incomparable(Exception):
    """A side that gave nothing to compare; the text says which, and why."""


def skip(why):
    print(f"SKIPPED: hf_parity: {why}")
    sys.exit(SKIPPED)


# Everything is on this machine: transformers is to ask no hub, and to keep its warnings to itself.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
try:
    import torch
except ImportError as problem:
    skip(f"python3 has no torch ({problem})")
try:
    import transformers
    from transformers import AutoConfig, AutoModelForCausalLM
except ImportError as problem:
    skip(f"python3 has no transformers ({problem})")


# ---- files -----------------------------------------------------------------------------------------------------------

def read_tensor(path, name):
    """A float32 or int32 tensor of a .safetensors file."""
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        entry = json.loads(f.read(size))[name]
        begin, end = entry["data_offsets"]
        f.seek(8 + size + begin)
        dtype = {"F32": torch.float32, "I32": torch.int32}[entry["dtype"]]
        return torch.frombuffer(bytearray(f.read(end - begin)), dtype=dtype).reshape(entry["shape"])


def config_of(folder):
    with open(os.path.join(folder, "config.json")) as f:
        return json.load(f)


def dtype_of(config):
    return config.get("dtype") or config.get("torch_dtype") or "float32"


def prompt_of(folder, config, count):
    """The ids that come with a golden folder, else `count` drawn ones."""
    expected = os.path.join(folder, "expected.safetensors")
    if os.path.exists(expected):
        return read_tensor(expected, "input_ids").tolist()
    draw = random.Random(7)
    return [draw.randrange(config["vocab_size"]) for _ in range(count)]


def write_checkpoint(folder, config):
    """Random weights, in bfloat16 on disk: matrices so that logits are about normal, norms between 1/2 and 3/2."""
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.normal_(0.0, 1.0 / math.sqrt(config["hidden_size"]), generator=generator)
    model.to(torch.bfloat16).save_pretrained(folder)


# ---- the two sides ---------------------------------------------------------------------------------------------------

def run_amk(options, arguments):
    """The document of an amk verb."""
    command = [options.amk, *arguments, "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=options.timeout)
    except OSError as problem:
        raise Incomparable(f"cannot run {options.amk}: {problem}") from problem
    except subprocess.TimeoutExpired as problem:
        raise Incomparable(f"amk {arguments[0]} was not done within {options.timeout} s") from problem
    if done.returncode != 0:
        raise Incomparable(f"amk {arguments[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return json.loads(done.stdout)


def ask_amk(options, folder, prompt, count):
    """(device, logits [prompt, vocab], greedy tokens)"""
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "logits.safetensors")
        arguments = ["generate", folder, "--gpu", options.gpu, "--prompt-ids", ",".join(map(str, prompt)),
                     "--max-tokens", str(count), "--ignore-eos", "--logits", path]
        if options.gpu != "none":
            arguments += ["--device", "cuda"]  # rather an error than the CPU's answer
        document = run_amk(options, arguments)
        return document["device"], read_tensor(path, "logits"), document["generated_ids"]


def ask_transformers(folder, ids, device):
    """Logits [ids, vocab] of one forward."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model = model.to(device).eval()
    with torch.no_grad():
        return model(torch.tensor([ids], device=device)).logits[0].float().cpu()


# ---- comparing -------------------------------------------------------------------------------------------------------

def tolerance_of(config, largest_logit):
    """What rounding may do to a logit on its way: both sides add in float32, in other orders, as many numbers as the
    reductions of all layers have; the root of that many roundings. Plain weights are multiplied in float32 by default."""
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    head_dim = config.get("head_dim") or hidden // heads
    layers = config["num_hidden_layers"]
    additions = layers * (2 * hidden + heads * head_dim + config["intermediate_size"] + head_dim) + hidden
    relative = 2.0**-23 * math.sqrt(additions)
    return relative * max(1.0, largest_logit)


def compare(options, name, folder, prompt_tokens, count):
    """Prints a line; whether all agrees."""
    config = config_of(folder)
    prompt = prompt_of(folder, config, prompt_tokens)
    device, ours, tokens = ask_amk(options, folder, prompt, count)
    if len(tokens) != count or ours.shape[0] != len(prompt):
        raise Incomparable(f"expected {count} tokens and {len(prompt)} rows of logits from amk, found {len(tokens)} "
                           f"and {ours.shape[0]}")
    theirs = ask_transformers(folder, prompt + tokens[:-1], options.reference)
    if theirs.shape[1] != ours.shape[1]:
        raise Incomparable(f"expected {theirs.shape[1]} logits a position, found {ours.shape[1]}")
    tolerance = tolerance_of(config, float(theirs.abs().max()))
    difference = float((ours - theirs[:len(prompt)]).abs().max())  # a NaN stays one, and agrees with nothing
    choices = theirs[len(prompt) - 1:]
    chosen = choices[torch.arange(count), torch.tensor(tokens)]
    behind = choices.max(dim=1).values - chosen
    equal, near = int((behind == 0).sum()), int((behind <= 2 * tolerance).sum())
    agrees = difference <= tolerance and near == count
    ties = f" ({near - equal} near ties)" if near > equal else ""
    print(f"{name:20} {dtype_of(config):9} {device:24} {len(prompt):9} {difference:10.2e} {tolerance:10.2e} "
          f"{equal:4} of {count}{ties}  {'agrees' if agrees else 'DIFFERS'}", flush=True)
    return agrees


def attempt(name, check):
    """A comparison that cannot be made is none that agrees."""
    try:
        return check()
    except Exception as problem:  # whatever transformers, torch or the files throw: the others are compared all the same
        print(f"{name:20} NOT COMPARED: {type(problem).__name__}: {problem}", flush=True)
        return False


def compare_made_up(options):
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(folder, SHAPES[options.shape])
        return compare(options, f"random {options.shape}", folder, 48, 64)


def options_of(arguments):
    parser = argparse.ArgumentParser(description="Hold AMK to transformers.")
    parser.add_argument("folders", nargs="*", help="checkpoints; default: the golden folders and one made here")
    parser.add_argument("--amk", default="build/bin/amk", help="the program (default build/bin/amk)")
    parser.add_argument("--gpu", default="auto", help="auto (default), a target of amk, or none: AMK on the CPU")
    parser.add_argument("--reference", default="cuda" if torch.cuda.is_available() else "cpu",
                        help="torch's device for transformers (default: cuda where torch has it)")
    parser.add_argument("--shape", default="llama-3.2-1b", choices=sorted(SHAPES), help="of the checkpoint made here")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that one run of amk may take")
    return parser.parse_args(arguments)


def require_gpu(options):
    try:
        found = run_amk(options, ["doctor"])
    except Incomparable as problem:
        print(f"hf_parity: {problem}")
        sys.exit(1)
    if options.gpu != "none" and not any(gpu["target"] for gpu in found["gpus"]):
        skip(f"no GPU that amk has a target for ({found['cuda']['problem'] or found['gpus']}); --gpu none is a dry run")


def main():
    options = options_of(sys.argv[1:])
    require_gpu(options)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    folders = options.folders or [os.path.join("tests/models", name) for name in GOLDENS]
    print(f"amk generate --gpu {options.gpu} and transformers {transformers.__version__} (torch {torch.__version__}, "
          f"{options.reference}, float32)")
    print(f"{'model':20} {'weights':9} {'device':24} {'positions':>9} {'difference':>10} {'tolerance':>10} tokens")
    results = []
    for folder in folders:
        name = os.path.basename(os.path.normpath(folder))
        results.append(attempt(name, lambda: compare(options, name, folder, 24, 24)))
    if not options.folders:
        results.append(attempt(f"random {options.shape}", lambda: compare_made_up(options)))
    print(f"{sum(results)} of {len(results)} agree")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
