"""rekindle beside PyTorch and ONNX Runtime on the same cores in one run: training step and inference, images per second.

    python3 -m venv PEERS && PEERS/bin/pip install torch torchvision timm onnx onnxruntime      # once, outside the repository
    cargo build --release
    PEERS/bin/python benches/compare_peers.py target/release/rekindle [--batch 16] [--rounds 3] ARCH...

Each round times every contender once (two steps that do not count, the median of three that do), so that a machine whose speed drifts
is slow for all; the table has the median over the rounds, and ratios to the fastest peer. PyTorch runs channels-last in float32, eager
and compiled (torch.compile needs a C++ compiler); ONNX Runtime runs inference only. COMPILE=0 leaves torch.compile out. A network that
timm does not have (AlexNet, SqueezeNet, GoogLeNet, ShuffleNetV2) is torchvision's.

With --precision bf16, rekindle computes its products in bf16 and PyTorch under autocast to bfloat16. Training is compared with PyTorch's
bf16, inference with the fastest of all peers in any precision. `peak` is the most memory that a process of PyTorch's, or rekindle's,
held while it trained (float32 or bf16, eager).
"""
import argparse, json, os, platform, statistics, subprocess, sys, tempfile, time, warnings

import timm, torch, torchvision

warnings.filterwarnings("ignore")


def median_rate(work, batch):
    for _ in range(2):
        work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds)


def create(arch, **options):
    """timm's model, or torchvision's where timm has none; ours, too, leaves out GoogLeNet's auxiliary classifiers."""
    if timm.is_model(arch):
        return timm.create_model(arch, num_classes=10, **options)
    if arch == "googlenet":
        return torchvision.models.get_model(arch, num_classes=10, aux_logits=False, init_weights=True)
    return torchvision.models.get_model(arch, num_classes=10)


def pytorch(arch, batch, compiled, bf16=False):
    """(training step, inference) of one model."""
    autocast = lambda: torch.autocast("cpu", torch.bfloat16, enabled=bf16)
    model = create(arch).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.long)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    call = torch.compile(model) if compiled else model

    def train():
        model.train()
        with autocast():
            loss = torch.nn.functional.cross_entropy(call(images).float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def infer():
        model.eval()
        with torch.inference_mode(), autocast():
            call(images)

    return train, infer


def onnxruntime_infer(arch, batch):
    import onnxruntime

    path = os.path.join(tempfile.gettempdir(), f"compare_{arch}.onnx")
    model = create(arch, exportable=True).eval()
    torch.onnx.export(model, torch.randn(batch, 3, 224, 224), path, dynamo=False, input_names=["images"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = torch.randn(batch, 3, 224, 224).numpy()
    return lambda: session.run(None, {"images": images})


PEAK = """
import sys; sys.path.insert(0, {folder!r})
import compare_peers
train, _ = compare_peers.pytorch({arch!r}, {batch}, False, {bf16})
for _ in range(3): train()
# Not getrusage: its mark is inherited from the parent.
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def pytorch_peak(arch, batch, bf16):
    """Bytes that a process of its own holds at most while it trains."""
    code = PEAK.format(folder=os.path.dirname(os.path.abspath(__file__)), arch=arch, batch=batch, bf16=bf16)
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rekindle")
    parser.add_argument("archs", nargs="+")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    batch, bf16 = arguments.batch, arguments.precision == "bf16"
    print(f"# {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, timm {timm.__version__}, torchvision {torchvision.__version__}")
    print(f"# {arguments.precision}, batch {batch}, {arguments.rounds} rounds")
    bf16_columns = " eager bf16 | compiled bf16 |" if bf16 else ""
    print(f"| | training: rekindle | PyTorch eager | compiled | ratio | peak GB | PyTorch's | inference: rekindle | PyTorch eager | compiled |{bf16_columns} ONNX Runtime | ratio |")
    print("|---" * (13 if bf16 else 11) + "|")
    for arch in arguments.archs:
        torch._dynamo.reset()
        trains, infers = {}, {}
        for name, compiled in (("eager", False), ("compile", True)):
            if compiled and os.environ.get("COMPILE") == "0":
                continue
            trains[name], infers[name] = pytorch(arch, batch, compiled, bf16)
            if bf16:
                infers[name + "-bf16"] = infers[name]
                infers[name] = pytorch(arch, batch, compiled)[1]
        infers["onnx"] = onnxruntime_infer(arch, batch)
        rates = {}
        for _ in range(arguments.rounds):
            for kind, works in (("train", trains), ("infer", infers)):
                for name, work in works.items():
                    rates.setdefault((kind, name), []).append(median_rate(work, batch))
            command = [arguments.rekindle, "bench", arch, "--batch", str(batch), "--runs", "3", "--precision", arguments.precision, "--json"]
            report = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)[0]
            rates.setdefault(("train", "rekindle"), []).append(report["training"]["images_per_second_median"])
            rates.setdefault(("infer", "rekindle"), []).append(report["inference"]["images_per_second_median"])
        medians = {key: statistics.median(values) for key, values in rates.items()}

        def ratio(kind):
            ours = rates[kind, "rekindle"]
            best = [max(values[r] for (k, name), values in rates.items() if k == kind and name != "rekindle") for r in range(arguments.rounds)]
            return statistics.median(a / b for a, b in zip(ours, best))

        cell = lambda kind, name: f"{medians[kind, name]:.1f}" if (kind, name) in medians else "-"
        peaks = [report["training_peak_memory_bytes"], pytorch_peak(arch, batch, bf16)]
        columns = ["eager", "compile"] + (["eager-bf16", "compile-bf16"] if bf16 else []) + ["onnx"]
        cells = [cell("train", name) for name in ("rekindle", "eager", "compile")] + [f"**{ratio('train'):.2f}**"]
        cells += [f"{peak / 1e9:.2f}" for peak in peaks]
        cells += [cell("infer", name) for name in ["rekindle"] + columns] + [f"**{ratio('infer'):.2f}**"]
        print(f"| {arch} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
