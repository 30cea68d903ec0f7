#!/usr/bin/env bash
# webdataset 1.0.2 reads the first of several tar files that were joined with `cat`, and no word is said of the rest.
#
# `cat a.tar b.tar > joined.tar` is how shards are joined by hand; GNU tar lists all of it with --ignore-zeros, and warns of a lone zero
# block without. webdataset opens shards with Python's tarfile, which takes the first end mark for the end. Half of the samples below are
# not there, the exit status is 0 and nothing is printed. Whom it hurts: everybody who joins shards to have fewer files and trains on a
# fraction of them without knowing. rekindle reads joined archives to the end and says so.
#
# Installs webdataset 1.0.2 into a temporary folder, makes two shards of two samples each, and counts what is read. Fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet --disable-pip-version-check webdataset==1.0.2 braceexpand==0.1.7 numpy==2.4.6 PyYAML==6.0.4
venv/bin/python - <<'PYTHON'
import io
import tarfile

import webdataset


def shard(name, keys):
    with tarfile.open(name, "w") as tar:
        for key in keys:
            for extension in ("txt", "cls"):
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(key)
                tar.addfile(member, io.BytesIO(key.encode()))


shard("a.tar", ["a1", "a2"])
shard("b.tar", ["b1", "b2"])
with open("joined.tar", "wb") as joined:
    for part in ("a.tar", "b.tar"):
        with open(part, "rb") as file:
            joined.write(file.read())

def keys(shards):
    return [sample["__key__"] for sample in webdataset.WebDataset(shards, shardshuffle=False)]


apart, joined = keys(["a.tar", "b.tar"]), keys("joined.tar")
with tarfile.open("joined.tar", ignore_zeros=True) as tar:
    members = tar.getnames()
print(f"webdataset {webdataset.__version__}: apart {apart}, joined {joined}; members of the joined file: {len(members)}")
assert apart == ["a1", "a2", "b1", "b2"], apart
assert len(members) == 8, members
assert joined == ["a1", "a2"], joined
PYTHON
# Seen on 2026-11-29 with Python 3.11.7:
# webdataset 1.0.2: apart ['a1', 'a2', 'b1', 'b2'], joined ['a1', 'a2']; members of the joined file: 8
