#!/usr/bin/env python3
"""Compare exported models in ONNX Runtime and timm with `rekindle predict`, on images that need no resizing.

For each backbone a run of two epochs is trained on examples/emoji (random weights, but for the bundled ones), exported, and run on 32
images in the other program. VGG, of half a gigabyte, is not among those by default; nor is GhostNet, whose gates amplify rounding where
weights are random: PyTorch's own float32 features are 4 % of the largest off its float64 there. Printed are the largest differences of
probabilities, in f32 and with weights of 16 bits; for timm also those of features of two stages. Behind the backbones come combinations
of the first two: a mean, also calibrated, a mean of logits, and a stack. ONNX files are checked by onnx.checker with shape inference. Exits with 1 where a probability in f32 differs by more than 1e-5.

Needs numpy, Pillow, onnx and onnxruntime; for --timm torch, timm and safetensors. Last run with Python 3.11, numpy 2.4.6, Pillow 13.0.0,
onnx 1.23.2, onnxruntime 1.32.0, torch 2.15.0, timm 1.0.31.

usage: check_exports.py REKINDLE_BINARY EMOJI_FOLDER [--timm] [--size 64] [BACKBONE ...]
"""
import argparse, json, pathlib, subprocess, tempfile, time

import numpy as np
import onnx, onnxruntime
from PIL import Image

BACKBONES = """tf_efficientnet_lite0 resnet18 resnet26t mobilenetv3_small_050 mobilenetv2_050 efficientnet_b0 tf_efficientnetv2_b0
mnasnet_small mobilenetv4_conv_small_050 regnetx_002 regnety_002 convnext_atto convnextv2_atto densenet121 shufflenet_v2_x0_5
squeezenet1_1 googlenet""".split()

parser = argparse.ArgumentParser()
parser.add_argument("binary")
parser.add_argument("images")
parser.add_argument("--timm", action="store_true", help="timm's format, of heads without taps")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("backbones", nargs="*")
options = parser.parse_intermixed_args()
folder = pathlib.Path(tempfile.mkdtemp(prefix="exports"))


def rekindle(*words):
    done = subprocess.run([options.binary, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"rekindle {' '.join(map(str, words))}\n{done.stdout}{done.stderr}")
    return done.stdout


def small_images():
    for path in sorted(pathlib.Path(options.images).glob("*/*")):
        out = folder / "photos" / path.parent.name / (path.stem + ".png")
        out.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(path).convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        Image.alpha_composite(white, image).convert("RGB").resize((options.size,) * 2).save(out)
    return sorted((folder / "photos").glob("*/*.png"))[::9][:32]


def trained(name):
    run = folder / "runs" / name
    words = ["train", folder / "photos", "--backbone", name, "--runs", run.parent, "--name", name, "-q"]
    words += ["--set", f"input.size={options.size}", "--set", "input.crop_ratio=1.0", "--set", "input.interpolation=bicubic"]
    words += ["--set", "phase1.epochs=1", "--set", "phase2.epochs=1"]
    if options.timm:
        words += ["--set", "features.taps=0", "--set", "features.unit_rms=false"]
    if name != "tf_efficientnet_lite0":
        words += ["--weights", "random"]
    rekindle(*words)
    return run


def predicted(run, images):
    rows = json.loads(rekindle("predict", run, *images, "--json", "--top", 1000))
    names = sorted(rows[0]["probabilities"])
    return np.array([[row["probabilities"][name] for name in names] for row in rows], np.float32)


def probabilities_of_onnx(path, images):
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["classes"]) == sorted(json.loads(said["classes"]))
    pixels = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in images]).astype(np.float32)
    pixels = pixels.transpose(0, 3, 1, 2)
    if said["rescaling"] == "before the graph":
        mean, std = (np.array(json.loads(said[key]), np.float32).reshape(1, 3, 1, 1) for key in ("mean", "std"))
        pixels = (pixels / 255 - mean) / std
    whole = session.run(None, {"images": pixels})[0]
    one = session.run(None, {"images": pixels[:1]})[0]
    assert np.allclose(whole[:1], one, atol=1e-5), "a batch of one says something else"
    return whole


def probabilities_of_timm(path, images):
    import timm, torch
    model = timm.create_model(f"local-dir:{path}", pretrained=True).eval()
    # The other way: an empty model of the architecture, and the file.
    from safetensors.torch import load_file
    config = json.loads((path / "config.json").read_text())
    other = timm.create_model(config["architecture"], num_classes=config["num_classes"]).eval()
    other.load_state_dict(load_file(path / "model.safetensors"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    batch = torch.stack([transform(Image.open(path).convert("RGB")) for path in images])
    with torch.inference_mode():
        logits = model(batch)
        assert torch.equal(logits, other(batch)), "load_state_dict gives another model"
        assert list(model.pretrained_cfg["label_names"]) == sorted(model.pretrained_cfg["label_names"])
        return logits.softmax(1).numpy()


def features_differ(name, run, exported):
    """Of a stage in the middle and the last one: our features of all photos, and the averages of timm's maps."""
    import timm, torch
    model = timm.create_model(f"local-dir:{exported}", pretrained=True).eval()
    summary = json.loads(rekindle("summary", name, "--size", options.size, "--json"))
    stages = [stage["name"] for stage in summary["stages"]]
    known = dict(model.named_modules())
    worst = 0.0
    for stage in [stages[len(stages) // 2], stages[-2]]:
        if stage not in known:
            continue
        out = folder / f"{name}-{stage}.npy"
        rekindle("features", run, folder / "photos", "--stage", stage, "-o", out)
        ours = np.load(out)
        rows = [line.split(",")[0] for line in out.with_suffix(".csv").read_text().splitlines()[1:]]
        kept = []
        hook = known[stage].register_forward_hook(lambda module, inputs, output: kept.append(output.mean((2, 3))))
        transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
        with torch.inference_mode():
            batch = [transform(Image.open(folder / "photos" / row).convert("RGB")) for row in rows[:64]]
            model(torch.stack(batch))
        hook.remove()
        theirs = kept[0].numpy()
        worst = max(worst, float(np.abs(theirs - ours[:64]).max() / np.abs(theirs).max()))
        assert ours.shape == (len(rows), theirs.shape[1]), ours.shape
    return worst


images = small_images()
worst = 0.0
for name in options.backbones or BACKBONES:
    started = time.time()
    run = trained(name)
    ours = predicted(run, images)
    found = []
    for precision in ("f32", "f16"):
        for rescale in ([[]] if options.timm else [[], ["--include-rescale"]]):
            suffix = "" if options.timm else ".onnx"
            out = folder / f"{name}-{precision}{'-pixels' if rescale else ''}{suffix}"
            words = ["--format", "timm"] if options.timm else rescale
            rekindle("export", run, "-o", out, "--precision", precision, *words)
            said = (probabilities_of_timm if options.timm else probabilities_of_onnx)(out, images)
            difference = float(np.abs(said - ours).max())
            size = sum(f.stat().st_size for f in ([out] if out.is_file() else out.iterdir())) / 1e6
            found.append(f"{precision}{' pixels' if rescale else ''} {difference:.1e} ({size:.1f} MB)")
            if options.timm and precision == "f32":
                found.append(f"features {features_differ(name, run, out):.1e} of the largest")
            if precision == "f32":
                worst = max(worst, difference)
    spread = ours.max(1).min(), ours.max()
    print(f"{name:28} {'; '.join(found)}; ours {spread[0]:.2f} to {spread[1]:.2f}; {time.time() - started:.0f} s", flush=True)


def combinations():
    """Files of the first two backbones' runs, by what they are."""
    runs = [folder / "runs" / name for name in (options.backbones or BACKBONES)[:2]]
    if options.timm or len(runs) < 2:
        return
    data = ["--data", folder / "photos"]
    yield "mean", rekindle("ensemble", *runs, "-o", folder / "mean.safetensors")
    yield "logits", rekindle("ensemble", *runs, "--of", "logits", "--weights", "3,1", "-o", folder / "logits.safetensors")
    yield "stack", rekindle("stack", *runs, *data, "-o", folder / "stack.safetensors")
    yield "calibrated", rekindle("calibrate", folder / "mean.safetensors", *data, "-o", folder / "calibrated.safetensors")


for name, _ in combinations():
    model, out = folder / f"{name}.safetensors", folder / f"{name}.onnx"
    rekindle("export", model, "-o", out, "--include-rescale")
    difference = float(np.abs(probabilities_of_onnx(out, images) - predicted(model, images)).max())
    worst = max(worst, difference)
    print(f"{name:28} f32 {difference:.1e}", flush=True)
print(f"largest difference in f32: {worst:.1e}")
raise SystemExit(worst > 1e-5)
