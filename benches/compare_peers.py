"""rekindle beside PyTorch and ONNX Runtime on the same cores in one run: training step and inference, images per second.

    python3 -m venv PEERS && PEERS/bin/pip install torch timm onnx onnxruntime      # once, outside the repository
    cargo build --release
    PEERS/bin/python benches/compare_peers.py target/release/rekindle [--batch 16] [--rounds 3] ARCH...

Each round times every contender once (two steps that do not count, the median of three that do), so that a machine whose speed drifts
is slow for all; the table has the median over the rounds, and ratios to the fastest peer. PyTorch runs channels-last in float32, eager
and compiled (torch.compile needs a C++ compiler); ONNX Runtime runs inference only. COMPILE=0 leaves torch.compile out.
"""
import argparse, json, os, platform, statistics, subprocess, tempfile, time, warnings

import timm, torch

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


def pytorch(arch, batch, compiled):
    """(training step, inference) of one model."""
    model = timm.create_model(arch, num_classes=10).to(memory_format=torch.channels_last)
    images = torch.randn(batch, 3, 224, 224).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.long)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    call = torch.compile(model) if compiled else model

    def train():
        model.train()
        loss = torch.nn.functional.cross_entropy(call(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def infer():
        model.eval()
        with torch.inference_mode():
            call(images)

    return train, infer


def onnxruntime_infer(arch, batch):
    import onnxruntime

    path = os.path.join(tempfile.gettempdir(), f"compare_{arch}.onnx")
    model = timm.create_model(arch, num_classes=10, exportable=True).eval()
    torch.onnx.export(model, torch.randn(batch, 3, 224, 224), path, dynamo=False, input_names=["images"])
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = torch.randn(batch, 3, 224, 224).numpy()
    return lambda: session.run(None, {"images": images})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rekindle")
    parser.add_argument("archs", nargs="+")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    batch = arguments.batch
    print(f"# {platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, timm {timm.__version__}")
    print("| | training: rekindle | PyTorch eager | compiled | ratio | inference: rekindle | PyTorch eager | compiled | ONNX Runtime | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for arch in arguments.archs:
        torch._dynamo.reset()
        trains, infers = {}, {}
        for name, compiled in (("eager", False), ("compile", True)):
            if compiled and os.environ.get("COMPILE") == "0":
                continue
            trains[name], infers[name] = pytorch(arch, batch, compiled)
        infers["onnx"] = onnxruntime_infer(arch, batch)
        rates = {}
        for _ in range(arguments.rounds):
            for kind, works in (("train", trains), ("infer", infers)):
                for name, work in works.items():
                    rates.setdefault((kind, name), []).append(median_rate(work, batch))
            command = [arguments.rekindle, "bench", arch, "--batch", str(batch), "--runs", "3", "--json"]
            report = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)[0]
            rates.setdefault(("train", "rekindle"), []).append(report["training"]["images_per_second_median"])
            rates.setdefault(("infer", "rekindle"), []).append(report["inference"]["images_per_second_median"])
        medians = {key: statistics.median(values) for key, values in rates.items()}

        def ratio(kind):
            ours = rates[kind, "rekindle"]
            best = [max(values[r] for (k, name), values in rates.items() if k == kind and name != "rekindle") for r in range(arguments.rounds)]
            return statistics.median(a / b for a, b in zip(ours, best))

        cell = lambda kind, name: f"{medians[kind, name]:.1f}" if (kind, name) in medians else "-"
        print(
            f"| {arch} | {cell('train', 'rekindle')} | {cell('train', 'eager')} | {cell('train', 'compile')} | **{ratio('train'):.2f}** "
            f"| {cell('infer', 'rekindle')} | {cell('infer', 'eager')} | {cell('infer', 'compile')} | {cell('infer', 'onnx')} | **{ratio('infer'):.2f}** |",
            flush=True,
        )


main()
