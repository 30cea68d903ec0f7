#!/usr/bin/env python3
"""Trains for some minutes and tells whether memory stays flat and the speed stays what it was. Not part of CI: it takes as long as it is told.

    cargo build --release && tests/stress/long_run.py MINUTES [--program PROGRAM] [--out FILE.csv] [--set KEY=VALUE ..]

The run trains the last four stages on examples/emoji at 96 pixels, with views that are new in every epoch, until the time is over; then
it is told to stop. From its own files come the images a second of each epoch, from the system the memory that its process holds, at the
epoch's end. The first quarter of the epochs is left to warm up: caches fill. Of the others the growth of memory an hour and the change
of speed from their first to their last half are told; it fails where memory grows by more than 5 % or speed falls by more than 10 %.
Needs Linux, for /proc, and Python alone.
"""

import argparse
import csv
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def resident(process):
    """MiB that the process holds."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def slope(points):
    """The least-squares slope through (x, y)."""
    mean_x, mean_y = (statistics.fmean(values) for values in zip(*points))
    over = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return over / (sum((x - mean_x) ** 2 for x, _ in points) or 1.0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("--program", default=ROOT / "target/release/rekindle", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--set", action="append", default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        run = pathlib.Path(place) / "run"
        settings = ["phase1.epochs=1", "phase2.epochs=100000", "phase2.stopping.patience=100000", "input.size=96", *arguments.set]
        command = [arguments.program.resolve(), "train", ROOT / "examples/emoji", "--quiet", "--out", run]
        command += [word for setting in settings for word in ("--set", setting)]
        environment = {**os.environ, "XDG_CACHE_HOME": place}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60 * arguments.minutes
        rows = []
        metrics = run / "metrics.csv"
        began = before = time.monotonic()
        while time.monotonic() < end and process.poll() is None:
            time.sleep(0.2)
            lines = metrics.read_text().count("\n") - 1 if metrics.exists() else 0
            now = time.monotonic()
            for epoch in range(len(rows) + 1, lines + 1):
                rows.append([epoch, now - began, now - before, resident(process.pid)])
                before = now
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        if process.wait() not in (0, 143):
            sys.exit(f"the run ended with {process.returncode}")
        split = json.loads((run / "split.json").read_text())
        images = len(split["train"]) + len(split["validation"])
    if len(rows) < 12:
        sys.exit(f"{len(rows)} epochs in that time, expected at least 12: give it more minutes, or fewer pixels")
    table = [[epoch, round(at, 1), round(images / seconds, 1), round(memory, 1)] for epoch, at, seconds, memory in rows if seconds > 0]
    if arguments.out:
        with arguments.out.open("w", newline="") as file:
            csv.writer(file).writerows([["epoch", "seconds", "images_per_second", "resident_mib"], *table])
    warm = table[len(table) // 4 :]
    half = len(warm) // 2
    speed = [statistics.median(row[2] for row in part) for part in (warm[:half], warm[half:])]
    memory = [statistics.median(row[3] for row in part) for part in (warm[:half], warm[half:])]
    an_hour = 3600 * slope([(row[1], row[3]) for row in warm])
    print(f"{len(table)} epochs of {images} images in {table[-1][1] / 60:.1f} minutes")
    print(f"memory: {memory[0]:.0f} MiB, then {memory[1]:.0f} MiB ({an_hour:+.1f} MiB an hour)")
    print(f"speed: {speed[0]:.1f} images/s, then {speed[1]:.1f} ({100 * (speed[1] / speed[0] - 1):+.1f} %)")
    if memory[1] > 1.05 * memory[0] or speed[1] < 0.9 * speed[0]:
        sys.exit("it is not flat")


main()
