"""The input pipeline of rekindle beside torchvision and Pillow, one core each, in turns in one run: images per second.

    python3 -m venv PEERS && PEERS/bin/pip install torch torchvision      # once, outside the repository
    python3 benches/compare_pipeline.py PEERS/bin/python [--pictures FOLDER] [--seconds 4] [--rounds 3] [--threads 2]

Both decode, take a random resized crop to 224 pixels with torchvision's defaults, flip, and normalise. The files, eight of each kind,
are collages of the pictures of a folder (the sample folder by default), each turned by a random angle, saved by Pillow at quality 90:
JPEG of 12 and of 1 megapixel with colours at half the resolution, WebP of 256 pixels. Each round runs both once; the table has medians
over the rounds and the median of the rounds' ratios. `rekindle, full size` is the same with `data.jpeg_scaling = false`. With
`--threads` each round also runs rekindle on so many threads, beside its own rate on one.
"""
import argparse, glob, io, json, os, platform, random, statistics, subprocess, sys, tempfile, time

KINDS = (("12-megapixel JPEG", 4000, 3000, "JPEG"), ("1-megapixel JPEG", 1200, 900, "JPEG"), ("256-pixel WebP", 256, 256, "WEBP"))
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def make_files(pictures, folder):
    from PIL import Image

    random.seed(0)
    paths = sorted(path for path in glob.glob(os.path.join(pictures, "**", "*"), recursive=True) if os.path.isfile(path))
    paths = [path for path in paths if path.endswith((".webp", ".jpg", ".png"))][:16]
    sources = [Image.open(path).convert("RGB").resize((256, 256)) for path in paths]
    for name, width, height, kind in KINDS:
        os.mkdir(os.path.join(folder, name))
        for number in range(8):
            image = Image.new("RGB", (width, height))
            for y in range(0, height, 256):
                for x in range(0, width, 256):
                    image.paste(random.choice(sources).rotate(random.random() * 360), (x, y))
            image.save(os.path.join(folder, name, f"{number}.{kind.lower()}"), kind, quality=90)


def run_peer(folder, seconds):
    import PIL, torch, torchvision
    import torchvision.transforms as T
    from PIL import Image

    torch.set_num_threads(1)
    torch.manual_seed(0)
    normalise = T.Normalize([0.5] * 3, [0.5] * 3)
    steps = T.Compose([T.RandomResizedCrop(224), T.RandomHorizontalFlip(), T.ToTensor(), normalise])
    rates = dict(versions=f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}")
    for name, *_ in KINDS:
        files = [open(path, "rb").read() for path in sorted(glob.glob(os.path.join(folder, name, "*")))]
        count, start = 0, time.time()
        while time.time() - start < seconds:
            steps(Image.open(io.BytesIO(files[count % 8])).convert("RGB"))
            count += 1
        rates[name] = count / (time.time() - start)
    print(json.dumps(rates))


def run_rekindle(bench, folder, seconds, threads=1):
    output = subprocess.run([bench, folder, str(seconds), str(threads)], capture_output=True, check=True, text=True).stdout
    head, *lines = (line.split(",") for line in output.splitlines())
    return {line[0]: dict(zip(head[1:], map(float, line[1:]))) for line in lines}


def build():
    command = ["cargo", "bench", "-p", "rekindle-augment", "--bench", "pipeline", "--no-run", "--message-format=json"]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    messages = [json.loads(line) for line in output.splitlines()]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "pipeline")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("peer", help="a Python with torch and torchvision")
    parser.add_argument("--pictures", default=os.path.join(ROOT, "examples", "emoji"))
    parser.add_argument("--bench", help="the built benchmark; built where it is left out")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    bench = arguments.bench or build()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([arguments.peer, __file__, "--make", arguments.pictures, folder], check=True)
        ours, peers, threaded = [], [], []
        for _ in range(arguments.rounds):
            command = [arguments.peer, __file__, "--peer", folder, str(arguments.seconds)]
            peers.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))
            ours.append(run_rekindle(bench, folder, arguments.seconds))
            if arguments.threads > 1:
                threaded.append(run_rekindle(bench, folder, arguments.seconds, arguments.threads))
    processor = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "")
    print(f"# {processor or platform.processor()}, 1 thread, {arguments.rounds} rounds of {arguments.seconds:g} s; {peers[0]['versions']}")
    print("| | rekindle | rekindle, full size | torchvision | ratio | ratio at full size |")
    print("|---|---|---|---|---|---|")
    for name, *_ in KINDS:
        reduced, full = ([run[name][key] for run in ours] for key in ("images_per_second", "unscaled_images_per_second"))
        peer = [run[name] for run in peers]
        ratio = lambda rates: statistics.median(a / b for a, b in zip(rates, peer))
        medians = [f"{statistics.median(rates):.1f}" for rates in (reduced, full, peer)]
        print(f"| {name} | {' | '.join(medians)} | **{ratio(reduced):.2f}** | {ratio(full):.2f} |")
    print()
    if threaded:
        print(f"| | rekindle, 1 thread | {arguments.threads} threads | ratio |")
        print("|---|---|---|---|")
        for name, *_ in KINDS:
            one, more = ([run[name]["images_per_second"] for run in runs] for runs in (ours, threaded))
            scaling = statistics.median(b / a for a, b in zip(one, more))
            print(f"| {name} | {statistics.median(one):.1f} | {statistics.median(more):.1f} | **{scaling:.2f}** |")
        print()
    print("| milliseconds an image | decode whole | decode for the crop, and resize | resize of a decoded image | rescale |")
    print("|---|---|---|---|---|")
    keys = ("whole_decode_ms", "region_and_resize_ms", "resize_of_decoded_ms", "rescale_ms")
    for name, *_ in KINDS:
        cells = [f"{statistics.median(run[name][key] for run in ours):.2f}" for key in keys]
        print(f"| {name} | {' | '.join(cells)} |")


if sys.argv[1:2] == ["--make"]:
    make_files(*sys.argv[2:])
elif sys.argv[1:2] == ["--peer"]:
    run_peer(sys.argv[2], float(sys.argv[3]))
else:
    main()
