#!/usr/bin/env python3
"""How far rounding alone can move a training step: the step of make_fixture.py in float64, with what every convolution and batch norm gives
moved at random by a few units of float32's last place, beside PyTorch's own float32.

A network amplifies what it is given: a batch norm over few values divides by their deviation, and where that is small so is the sense of
its input. What float32 must be allowed is at least what such noise does.

usage: rounding.py ARCH:HxW [SEEDS]
"""
import sys
import torch, timm
import torchvision_networks as others
from make_fixture import fill

# Half a unit is what rounding a single number may do; a sum of many is off by several.
UNITS = (0.5, 2.0)
LAST_PLACE = 2.0**-23

def step(arch, size, dtype, noise=0.0, seed=0):
    """Norms of all gradients, and the logits after a step of SGD."""
    network = timm.create_model(arch, pretrained=False, drop_rate=0.0) if timm.is_model(arch) else others.create(arch)
    state = {key: value if key.endswith("num_batches_tracked") else torch.from_numpy(fill(key, tuple(value.shape)))
             for key, value in network.state_dict().items()}
    network.load_state_dict(state)
    network = network.to(dtype).train()
    random = torch.Generator().manual_seed(seed)

    def moved(module, inputs, output):
        return output * (1 + noise * LAST_PLACE * (2 * torch.rand(output.shape, generator=random, dtype=dtype) - 1))

    hooks = [module.register_forward_hook(moved) for module in network.modules()
             if noise and isinstance(module, (torch.nn.Conv2d, torch.nn.BatchNorm2d))]
    images = torch.from_numpy(fill("input.image", (2, 3, *size))).to(dtype)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    torch.nn.functional.cross_entropy(network(images), torch.tensor([1, 3])).backward()
    norms = {key: float(parameter.grad.double().norm()) for key, parameter in network.named_parameters()}
    optimizer.step()
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        return norms, network.eval()(images).double()

def main():
    arch, size = sys.argv[1].split(":")
    size = [int(side) for side in size.split("x")]
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    norms, logits = step(arch, size, torch.float64)
    # Those that a fixture has.
    picked = list(norms)[:2] + list(norms)[-2:]

    def off(found):
        of_norms = max(abs(found[0][key] - norms[key]) / norms[key] for key in picked)
        return of_norms, float((found[1] - logits).abs().max() / logits.std())

    print(f"{arch} at {size[0]} by {size[1]}, torch {torch.__version__}, timm {timm.__version__}: gradients (relative), logits after (deviations)")
    print("  float32            %.1e %.1e" % off(step(arch, size, torch.float32)))
    for units in UNITS:
        found = sorted(off(step(arch, size, torch.float64, units, seed)) for seed in range(seeds))
        for name, at in (("median", len(found) // 2), ("most", -1)):
            print("  %3.1f units, %-6s  %.1e %.1e" % (units, name, *(sorted(column)[at] for column in zip(*found))))

if __name__ == "__main__":
    main()
