"""How much `rekindle serve` answers, how soon, and whether always rightly; and a FastAPI + ONNX Runtime service in the same run.

    python3 -m venv PEER && PEER/bin/pip install -r benches/serve/requirements.txt      # once, outside the repository
    apt-get install hey
    cargo build --release
    target/release/rekindle train examples/emoji --name serve-bench --set phase2.epochs=1
    PEER/bin/python benches/serve/measure.py target/release/rekindle runs/serve-bench [--seconds 20] [--requests 10000] [--rounds 3]

What it does, and prints as a table and with --json FILE as JSON:

1. `rekindle bench` of the run's backbone, inference alone, at --batch images: images per second on decoded input.
2. hey (Debian) with --connections connections against `rekindle serve`: with pictures that need next to no decoding (a PPM file of the
   network's size: compare with 1) and with JPEG photographs of 640x480; then the first at 80 % of the rate that it had, for the times of
   answers. hey sends the next request when the one before is answered, so times at full load are those of the queue.
3. The same against the peer (peer.py): an image at a time as guides have it, and with batches of its own.
4. --requests requests, good and bad, raw, in forms and in JSON, from 16 threads: each answer is compared with `rekindle predict --json`
   of the same file; lost, wrong and refused ones are counted.

Contenders take turns in each round, so that a machine whose speed drifts is slow for all; figures are medians over the rounds. Memory is
the most that a process held (VmHWM), read after its load. The machine should do nothing else.
"""
import argparse, base64, collections, csv, http.client, io, json, os, pathlib, random, re, statistics, subprocess, sys, tempfile, threading, time

import numpy as np
from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("rekindle")
parser.add_argument("run")
parser.add_argument("--seconds", type=int, default=20)
parser.add_argument("--connections", type=int, default=64)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--requests", type=int, default=10_000)
parser.add_argument("--json")
arguments = parser.parse_args()
rekindle = os.path.abspath(arguments.rekindle)
folder = pathlib.Path(tempfile.mkdtemp(prefix="rekindle-serve-"))
here = pathlib.Path(__file__).parent


class Service:
    """A process that serves, on a port of its own."""

    def __init__(self, command, port):
        self.port = port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr)
        for _ in range(600):
            try:
                if self.ask("GET", "/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(f"{command} does not answer")

    def ask(self, method, path, body=None, headers={}):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        status, text = response.status, response.read()
        connection.close()
        return status, text

    def peak_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) is not None


def load(service, file, seconds, connections, rate=None):
    """By hey: good answers per second, the number of others, and times in ms."""
    command = ["hey", "-z", f"{seconds}s", "-c", str(connections), "-m", "POST", "-T", "application/octet-stream", "-D", str(file), "-t", "60"]
    if rate:
        command += ["-q", str(rate / connections)]
    command += ["-o", "csv", f"http://127.0.0.1:{service.port}/predict"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    took = [float(row["response-time"]) for row in rows]
    good = sum(row["status-code"] == "200" for row in rows)
    total = max(float(row["offset"]) + float(row["response-time"]) for row in rows)
    times = {f"p{share}": 1000 * float(np.percentile(took, share)) for share in (50, 90, 99)}
    return {"images_per_second": good / total, "others": len(rows) - good, **times}


def pictures(size):
    """A picture of the network's own size that needs no decoding, and a photograph."""
    rng = np.random.default_rng(1)
    noise = Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8))
    noise.resize((size, size), Image.BICUBIC).save(folder / "decoded.ppm")
    noise.resize((640, 480), Image.BICUBIC).save(folder / "photo.jpg", quality=90)
    return folder / "decoded.ppm", folder / "photo.jpg"


def same(answer, expected):
    """Whether two predictions say the same; which images are computed together can change the last digit of a number."""
    shares = answer["probabilities"], expected["probabilities"]
    return answer["class"] == expected["class"] and shares[0].keys() == shares[1].keys() and all(abs(shares[0][key] - shares[1][key]) < 1e-5 for key in shares[0])


def mixed(service, count):
    """Good and bad requests from 16 threads: how many were answered rightly, wrongly or not at all."""
    rng = np.random.default_rng(2)
    good = folder / "good"
    good.mkdir()
    for number in range(64):
        small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
        small.resize((200 + number, 260 - number), Image.BICUBIC).save(good / f"{number}.{['jpg', 'png', 'webp', 'bmp'][number % 4]}")
    said = subprocess.run([rekindle, "predict", arguments.run, str(good), "--json"], capture_output=True, text=True, check=True).stdout
    expected = {pathlib.Path(entry.pop("path")).name: entry for entry in json.loads(said)}
    files = {path.name: path.read_bytes() for path in good.iterdir()}
    bad = {"no image": (b"this is no image", 415), "empty": (b"", 422), "cut": (files["0.jpg"][:200], 422), "large": (bytes(33 << 20), 413)}
    names, found, lock = sorted(files), collections.Counter(), threading.Lock()

    def one(draw):
        name = draw.choice(names)
        kind = draw.choices(["raw", "form", "json", "bad"], [5, 2, 2, 1])[0]
        if kind == "bad":
            which = draw.choices(list(bad), [10, 10, 10, 1])[0]
            body, status = bad[which]
            got, text = service.ask("POST", "/predict", body)
            return "refused as it should be" if got == status and json.loads(text)["error"] else f"WRONG: {got} for {which}"
        asked, headers = [name], {}
        if kind == "raw":
            body = files[name]
        elif kind == "json":
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"image": base64.b64encode(files[name]).decode()})
        else:
            asked += draw.choices(names, k=2)
            headers = {"Content-Type": "multipart/form-data; boundary=limit"}
            part = '--limit\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n'
            body = b"".join((part % name).encode() + files[name] + b"\r\n" for name in asked) + b"--limit--\r\n"
        while True:
            got, text = service.ask("POST", "/predict", body, headers)
            if got != 503:
                break
            with lock:
                found["told to come again, and came"] += 1
            time.sleep(0.05)
        answers = json.loads(text).get("predictions", [])
        for answer in answers:
            answer.pop("file", None)
        right = got == 200 and len(answers) == len(asked) and all(same(answer, expected[name]) for answer, name in zip(answers, asked))
        return "right" if right else f"WRONG: {got} {text[:200]}"

    def many(seed):
        draw = random.Random(seed)
        for _ in range(count // 16):
            try:
                result = one(draw)
            except Exception as error:
                result = f"LOST: {error!r}"
            with lock:
                found[result] += 1

    threads = [threading.Thread(target=many, args=(seed,)) for seed in range(16)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return dict(found), time.perf_counter() - began


model = folder / "model.onnx"
subprocess.run([rekindle, "export", arguments.run, "--include-rescale", "-o", str(model)], check=True, stdout=subprocess.DEVNULL)
contenders = {
    "rekindle": lambda port: [rekindle, "serve", arguments.run, "--port", str(port), "--quiet", "--batch-size", str(arguments.batch), "--queue", "1024"],
    "peer": lambda port: [sys.executable, str(here / "peer.py"), str(model), str(port)],
    "peer, batches": lambda port: [sys.executable, str(here / "peer.py"), str(model), str(port), "--batch"],
}
rounds = []
for number in range(arguments.rounds):
    figures = {}
    service = Service(contenders["rekindle"](8100), 8100)
    about = json.loads(service.ask("GET", "/model")[1])
    decoded, photo = pictures(about["input_size"][0])
    service.end()
    bench = [rekindle, "bench", about["architecture"], "--only", "infer", "--batch", str(arguments.batch), "--size", str(about["input_size"][0]), "--json"]
    figures["bench"] = json.loads(subprocess.run(bench, capture_output=True, text=True, check=True).stdout)[0]
    for name, command in contenders.items():
        service = Service(command(8101), 8101)
        load(service, decoded, 3, 8)
        own = {"decoded": load(service, decoded, arguments.seconds, arguments.connections)}
        own["photo"] = load(service, photo, arguments.seconds, arguments.connections)
        own["at 80 %"] = load(service, decoded, arguments.seconds, 16, 0.8 * own["decoded"]["images_per_second"])
        own["peak_mib"] = service.peak_mib()
        service.end()
        figures[name] = own
        print(f"round {number + 1}: {name}: {json.dumps(own)}", file=sys.stderr)
    rounds.append(figures)

service = Service(contenders["rekindle"](8102), 8102)
results, seconds = mixed(service, arguments.requests)
service.end()


def median(*path):
    values = []
    for figures in rounds:
        value = figures
        for key in path:
            value = value[key]
        values.append(value)
    return statistics.median(values)


bench = median("bench", "inference", "images_per_second_median")
print(f"rekindle bench, inference at {arguments.batch}: {bench:.1f} images/s")
print(f"{'service':15} {'decoded/s':>10} {'photos/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'peak MiB':>9}     (times at 80 % of decoded/s)")
for name in contenders:
    row = [median(name, "decoded", "images_per_second"), median(name, "photo", "images_per_second"), median(name, "at 80 %", "p50"), median(name, "at 80 %", "p99"), median(name, "peak_mib")]
    print(f"{name:15} {row[0]:10.1f} {row[1]:10.1f} {row[2]:8.1f} {row[3]:8.1f} {row[4]:9.0f}")
own, best = median("rekindle", "decoded", "images_per_second"), max(median(name, "decoded", "images_per_second") for name in list(contenders)[1:])
print(f"rekindle serve / bench: {own / bench:.2f}     rekindle serve / best peer: {own / best:.2f}")
print(f"{arguments.requests} mixed requests in {seconds:.0f} s: {json.dumps(results, indent=1)}")
wrong = [key for key in results if key.startswith(("WRONG", "LOST"))]
if arguments.json:
    pathlib.Path(arguments.json).write_text(json.dumps({"rounds": rounds, "mixed": results}, indent=1))
sys.exit(f"lost or wrong answers: {wrong}" if wrong else 0)
