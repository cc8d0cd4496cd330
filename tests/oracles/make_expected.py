"""Makes the expected values of the 16-bit checkpoints with transformers, by from_pretrained in float32.

The files that came with the checkpoints were computed after model.to(dtype).float(), which rounds the rotary
frequencies to 16 bits: a buffer that from_pretrained keeps in float32, whatever dtype is asked for
(docs/decisions/0005-rope-frequencies.md). Run from the project's root with torch and transformers 5:

    python3 tests/oracles/make_expected.py OUT

writes OUT/<folder>.expected_float32.safetensors for the golden folders and OUT/shakespeare.expected_float32.json.
"""
import json
import struct
import sys

import torch
from transformers import AutoModelForCausalLM


def read_ids(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        entry = json.loads(f.read(size))["input_ids"]
        f.seek(8 + size + entry["data_offsets"][0])
        return torch.frombuffer(bytearray(f.read(entry["data_offsets"][1] - entry["data_offsets"][0])), dtype=torch.int32)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, tensor) in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def open_model(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0]


def greedy(model, ids, count):
    ids, tokens, margins = list(ids), [], []
    for _ in range(count):
        last = logits_of(model, ids)[-1]
        top = last.topk(2).values
        tokens.append(int(last.argmax()))
        margins.append(float(top[0] - top[1]))
        ids.append(tokens[-1])
    return tokens, margins


out = sys.argv[1]
for folder in ["llama-bf16-sharded", "llama-f16"]:
    directory = f"tests/models/{folder}"
    model, ids = open_model(directory), read_ids(f"{directory}/expected.safetensors")
    tokens, margins = greedy(model, ids.tolist(), 24)
    write_safetensors(f"{out}/{folder}.expected_float32.safetensors", {
        "logits": ("F32", logits_of(model, ids.tolist())),
        "top2_margin": ("F32", torch.tensor(margins)),
        "generated_ids": ("I32", torch.tensor(tokens, dtype=torch.int32)),
        "input_ids": ("I32", ids),
    })

directory = "models/shakespeare-llama-3m"
model = open_model(directory)
given = json.load(open(f"{directory}/expected.json"))
ids = given["perplexity"]["ids"]
nll = torch.nn.functional.cross_entropy(logits_of(model, ids)[:-1].double(), torch.tensor(ids[1:]))
cases = []
for case in given["cases"]:
    tokens, margins = greedy(model, case["prompt_ids"], 64)
    cases.append({"prompt": case["prompt"], "prompt_ids": case["prompt_ids"], "generated_ids": tokens,
                  "min_top2_margin": min(margins), "as_given": tokens == case["generated_ids"]})
json.dump({"cases": cases, "perplexity": {"nll_mean": float(nll), "ppl": float(nll.exp())}},
          open(f"{out}/shakespeare.expected_float32.json", "w"), indent=1)
print(json.dumps({"ppl": float(nll.exp()), "as_given": [c["as_given"] for c in cases], "margins": [c["min_top2_margin"] for c in cases]}))
