"""Writes tests/data/*.pth: small checkpoints of every container that torch.save has, and pickles that ask for code.

    pip install torch==2.15.0 && python crates/rekindle-weights/tests/make_pytorch.py

The values are 0, 1, 2, .. divided by 8, which f16 and bf16 hold exactly. Nothing here runs the hostile ones.
"""
import argparse
import collections
import os
import pathlib
import pickle

import torch

OUT = pathlib.Path(__file__).parent / "data"


def values(*shape, dtype=torch.float32):
    count = 1
    for side in shape:
        count *= side
    return (torch.arange(count, dtype=torch.float32) / 8).reshape(shape).to(dtype)


def state():
    return collections.OrderedDict(
        [
            ("conv.weight", values(2, 3, 1, 1)),
            ("conv.bias", values(2, dtype=torch.float16)),
            ("bn.weight", values(2, dtype=torch.bfloat16)),
            ("bn.running_var", values(2, dtype=torch.float64)),
            ("bn.num_batches_tracked", torch.tensor(7)),
            # A view: transposed, so that its order in the file is not its own.
            ("fc.weight", values(3, 2).t()),
        ]
    )


class Attack:
    def __reduce__(self):
        return (os.system, ("echo ran",))


def main():
    OUT.mkdir(exist_ok=True)
    torch.save(state(), OUT / "zip.pth")
    torch.save(state(), OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    args = argparse.Namespace(lr=0.1)
    optimizer = {"state": {0: {"exp_avg": values(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
    torch.save({"epoch": 3, "args": args, "state_dict": state(), "optimizer": optimizer}, OUT / "checkpoint.pth")
    torch.save({"state_dict": state(), "hook": Attack()}, OUT / "attack.pth")
    torch.save({"state_dict": state(), "hook": Attack()}, OUT / "attack_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"big": torch.zeros(1).expand(1 << 30)}, OUT / "expanded.pth")
    torch.save({"ints": torch.arange(3)}, OUT / "ints.pth")
    (OUT / "attack.pkl").write_bytes(pickle.dumps({"a": Attack()}, protocol=4))
    for file in sorted(OUT.iterdir()):
        print(file.name, file.stat().st_size)


main()
