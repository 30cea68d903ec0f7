"""Networks that timm does not have, from torchvision, with what make_fixture.py and make_variants.py ask of timm's.

Their keys are torchvision's own. `taps` are the modules behind which the size of the map changes, and the ratio of the image's side to the
map's there. SqueezeNet's classifier, a convolution with ReLU behind it and then the mean, is replaced by what stands behind every other
network, a linear layer behind the mean, under the same key.
"""
from collections import OrderedDict

import torch, torchvision

TAPS = {
    "alexnet": [("features.1", 4), ("features.4", 8), ("features.11", 16), ("features.12", 32)],
    "squeezenet1_0": [("features.1", 2), ("features.5", 4), ("features.10", 8), ("features.12", 16)],
    "squeezenet1_1": [("features.1", 2), ("features.4", 4), ("features.7", 8), ("features.12", 16)],
    "googlenet": [("conv1", 2), ("conv3", 4), ("inception3b", 8), ("inception4e", 16), ("inception5b", 32)],
    **{f"shufflenet_v2_{width}": [("conv1", 2), ("maxpool", 4), ("stage2", 8), ("stage3", 16), ("conv5", 32)]
       for width in ("x0_5", "x1_0", "x1_5", "x2_0")},
}
CLASSIFIER = {"alexnet": "classifier.6", "squeezenet1_0": "classifier.1", "squeezenet1_1": "classifier.1"}
SETTINGS = {
    "alexnet": dict(dropout=0.0),
    "squeezenet1_0": dict(dropout=0.0),
    "squeezenet1_1": dict(dropout=0.0),
    "googlenet": dict(dropout=0.0, aux_logits=False, init_weights=False),
}


def create(arch):
    """The network without dropout, with `pretrained_cfg`, `forward_features` and `forward_head` as timm's have them."""
    net = getattr(torchvision.models, arch)(weights=None, **SETTINGS.get(arch, {}))
    net.pretrained_cfg = dict(classifier=CLASSIFIER.get(arch, "fc"), num_classes=1000)
    pool = lambda x: x.mean((2, 3))
    if arch.startswith("squeezenet"):
        net.classifier = torch.nn.Sequential(OrderedDict([("1", torch.nn.Linear(512, 1000))]))
        net.forward = lambda x: net.classifier(pool(net.features(x)))
    if arch == "alexnet":
        # Not the module itself, which would be registered a second time.
        net.forward_features = lambda x: net.features(x)
        net.forward_head = lambda x, pre_logits: net.classifier[:-1](torch.flatten(net.avgpool(x), 1))
    else:
        last = TAPS[arch][-1][0]
        net.forward_features = lambda x: tapped(net, x, [last])[0]
        net.forward_head = lambda x, pre_logits: pool(x)
    return net


def tapped(net, x, names):
    """What modules make of images."""
    got = {}
    hooks = [net.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: got.update({name: out.clone()}))
             for name in names]
    net(x)
    for hook in hooks:
        hook.remove()
    return [got[name] for name in names]


def taps(arch):
    """`[reduction, channels]` of each tap, by running a small image."""
    net = create(arch).eval()
    with torch.no_grad():
        maps = tapped(net, torch.zeros(1, 3, 64, 64), [name for name, _ in TAPS[arch]])
    return [[reduction, made.shape[1]] for (_, reduction), made in zip(TAPS[arch], maps)]
