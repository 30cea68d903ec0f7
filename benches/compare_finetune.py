"""`rekindle train` beside PyTorch and timm on the same pictures, split, weights and cores: accuracy of the best epoch, and time.

    python3 -m venv PEERS && PEERS/bin/pip install torch torchvision timm safetensors pillow      # once, outside the repository
    cargo build --release
    PEERS/bin/python benches/compare_finetune.py target/release/rekindle FOLDER WEIGHTS.safetensors [--seeds 0,1,2] [--mode full]
        [--lr 1e-4,3e-4] [--epochs 10] [--rekindle=--freeze]

FOLDER has a folder of pictures for each class; every fifth picture of each, by name, is held out, and not trained on by either. WEIGHTS are
timm's of --arch. rekindle runs with its defaults and what --rekindle adds. PyTorch has the augmentation of its own tutorials (random
resized crop, flip), AdamW, a cosine over all steps, float32 and channels-last; `full` trains all layers, `head` the last one on a network
in evaluation mode. Contenders take turns for each seed. The machine should do nothing else.
"""
import argparse, csv, json, pathlib, random, statistics, subprocess, tempfile, time

import timm, torch
import torchvision.transforms as T
from PIL import Image
from safetensors.torch import load_file

parser = argparse.ArgumentParser()
parser.add_argument("rekindle")
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("weights")
parser.add_argument("--arch", default="tf_efficientnet_lite0")
parser.add_argument("--seeds", default="0")
parser.add_argument("--mode", choices=["full", "head"], default="full")
parser.add_argument("--lr", default="1e-4")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--workers", type=int, default=2)
parser.add_argument("--rekindle", dest="more", action="append", default=[])
arguments = parser.parse_args()
# The largest picture is the user's own, and rekindle takes it too.
Image.MAX_IMAGE_PIXELS = None

classes = sorted(place.name for place in arguments.folder.iterdir() if place.is_dir())
train, held_out = [], []
for label, name in enumerate(classes):
    for index, file in enumerate(sorted((arguments.folder / name).iterdir())):
        (held_out if index % 5 == 4 else train).append((file, label))


def rgb(path):
    image = Image.open(path)
    if image.mode not in ("RGBA", "LA", "P"):
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


class Pictures(torch.utils.data.Dataset):
    def __init__(self, items, transform):
        self.items, self.transform = items, transform

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        path, label = self.items[index]
        return self.transform(rgb(path)), label


def pytorch(seed, lr):
    """Best and last accuracy."""
    torch.manual_seed(seed)
    random.seed(seed)
    model = timm.create_model(arguments.arch, pretrained=False)
    model.load_state_dict(load_file(arguments.weights), strict=False)
    normalise = [T.ToTensor(), T.Normalize(model.pretrained_cfg["mean"], model.pretrained_cfg["std"])]
    model.reset_classifier(len(classes))
    model = model.to(memory_format=torch.channels_last)
    augment = T.Compose([T.RandomResizedCrop(224, scale=(0.35, 1)), T.RandomHorizontalFlip(), *normalise])
    bicubic = T.InterpolationMode.BICUBIC
    plain = T.Compose([T.Resize(256, interpolation=bicubic), T.CenterCrop(224), *normalise])
    loader = lambda items, transform, shuffle: torch.utils.data.DataLoader(
        Pictures(items, transform), arguments.batch, shuffle=shuffle, num_workers=arguments.workers,
        persistent_workers=arguments.workers > 0)
    training, validation = loader(train, augment, True), loader(held_out, plain, False)
    if arguments.mode == "head":
        for parameter in model.parameters():
            parameter.requires_grad = False
        for parameter in model.get_classifier().parameters():
            parameter.requires_grad = True
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr, weight_decay=0.05 if arguments.mode == "full" else 0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, arguments.epochs * len(training))
    accuracies = []
    for _ in range(arguments.epochs):
        model.train(arguments.mode == "full")
        for images, labels in training:
            loss = torch.nn.functional.cross_entropy(model(images.contiguous(memory_format=torch.channels_last)), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        model.eval()
        with torch.inference_mode():
            right = sum((model(images).argmax(1) == labels).sum().item() for images, labels in validation)
        accuracies.append(right / len(held_out))
    return max(accuracies), accuracies[-1]


def rekindle(seed, place):
    """Accuracy of the best epoch of each phase, and of the model."""
    manifest = place / "list.csv"
    with open(manifest, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label", "split"])
        for items, split in ((train, "train"), (held_out, "val")):
            rows.writerows([path.resolve(), classes[label], split] for path, label in items)
    command = [arguments.rekindle, "train", manifest, "--seed", str(seed), "-q", "--runs", place, "--name", "run", *arguments.more]
    # Nothing is left of a run before.
    subprocess.run([*command, "--set", f"data.cache_directory={place / 'cache'}"], check=True, capture_output=True)
    phases = {}
    for row in csv.DictReader(open(place / "run/metrics.csv")):
        phases.setdefault(row["phase"], []).append(float(row["validation_accuracy"]))
    return {phase: max(values) for phase, values in phases.items()}, json.load(open(place / "run/run.json"))["validation"]["accuracy"]


print(f"# {len(train)} to train on, {len(held_out)} held out, {len(classes)} classes; torch {torch.__version__}, timm {timm.__version__}, "
      f"{torch.get_num_threads()} threads")
found = {}
for seed in map(int, arguments.seeds.split(",")):
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        phases, accuracy = rekindle(seed, pathlib.Path(place))
    told = ", ".join(f"{phase} {100 * best:.1f}" for phase, best in phases.items())
    found.setdefault("rekindle", []).append((accuracy, time.perf_counter() - start))
    print(f"seed {seed}: rekindle {100 * accuracy:.1f} % ({told}) in {found['rekindle'][-1][1]:.0f} s", flush=True)
    for lr in map(float, arguments.lr.split(",")):
        start = time.perf_counter()
        best, last = pytorch(seed, lr)
        name = f"PyTorch {arguments.mode}, {lr:g}"
        found.setdefault(name, []).append((best, time.perf_counter() - start))
        print(f"seed {seed}: {name}: {100 * best:.1f} % (last {100 * last:.1f}) in {found[name][-1][1]:.0f} s", flush=True)
print("| | accuracy, mean (range) | seconds |\n|---|---|---|")
for name, runs in found.items():
    accuracies = [100 * accuracy for accuracy, _ in runs]
    seconds = statistics.median(seconds for _, seconds in runs)
    print(f"| {name} | {statistics.mean(accuracies):.1f} ({min(accuracies):.1f} to {max(accuracies):.1f}) | {seconds:.0f} |")
