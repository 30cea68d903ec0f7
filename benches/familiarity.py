#!/usr/bin/env python3
"""How well `familiarity` tells pictures of another set from those of a model's own, beside the probability of the answer.

Each folder of classes is divided: 7 of 10 pictures to train on and to hold out in training, 3 of 10 that nothing sees before they are
measured. AUROC: how often a picture of another set is less familiar than one of the model's own set. Pictures of more than 3000 pixels
a side are left out, and of large sets the first 600 drawn are taken.

    python3 benches/familiarity.py target/release/rekindle FOLDER FOLDER FOLDER    # needs Pillow, numpy and scikit-learn
"""
import json, os, random, shutil, subprocess, sys, tempfile, time
import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

Image.MAX_IMAGE_PIXELS = None
rekindle, *sources = sys.argv[1:]
rekindle, root = os.path.abspath(rekindle), tempfile.mkdtemp(prefix="rekindle-familiarity-")
names = [os.path.basename(os.path.normpath(source)) for source in sources]


def lay_out(source, name):
    folders = [folder for folder in sorted(os.listdir(source)) if os.path.isdir(f"{source}/{folder}")]
    files = [(folder, file) for folder in folders for file in sorted(os.listdir(f"{source}/{folder}"))]
    random.Random(3).shuffle(files)
    fits = lambda pair: max(Image.open(f"{source}/{pair[0]}/{pair[1]}").size) < 3000
    files = [pair for pair in files[:1000] if fits(pair)][:600]
    for at, (folder, file) in enumerate(files):
        place = f"{root}/{name}/{'train' if at < 0.7 * len(files) else 'new'}/{folder}"
        os.makedirs(place, exist_ok=True)
        shutil.copy(f"{source}/{folder}/{file}", place)


def run(*words):
    done = subprocess.run([rekindle, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def said(model, folder):
    images = json.loads(run("predict", model, folder, "--json"))
    return [np.array([image[key] for image in images]) for key in ("familiarity", "probability")]


for source, name in zip(sources, names):
    lay_out(source, name)
print("| model of | trained | kept, KB | fitting, s | new pictures of | AUROC | by probability | below 0.05 |\n|---|---|---|---|---|---|---|---|")
for name in names:
    for how in (["--freeze"], []):
        began = f"{name}{'-head' if how else ''}"
        run("train", f"{root}/{name}/train", "--name", began, "--runs", f"{root}/runs", "-q", *how)
        model, start = f"{root}/{began}.safetensors", time.time()
        told = json.loads(run("familiarity", f"{root}/runs/{began}", "-o", model, "--json"))
        seconds = time.time() - start
        own, own_sure = said(model, f"{root}/{name}/new")
        for other in names:
            if other == name:
                aurocs, strange = ["", ""], own
            else:
                strange, sure = said(model, f"{root}/{other}/new")
                truth = np.r_[np.zeros(len(own)), np.ones(len(strange))]
                pairs = [(own, strange), (own_sure, sure)]
                aurocs = [f"{roc_auc_score(truth, -np.concatenate(pair)):.3f}" for pair in pairs]
            print(
                f"| {name} | {'head' if how else 'both phases'} | {told['kept']}, {told['bytes'] // 1000} | {seconds:.1f} | {other} "
                f"| {aurocs[0]} | {aurocs[1]} | {(strange < 0.05).mean():.3f} |",
                flush=True,
            )
shutil.rmtree(root)
