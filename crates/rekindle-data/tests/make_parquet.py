"""Small Parquet files of pictures, as `datasets` and pyarrow write them, and what both read of them.

usage: make_parquet.py        writes data_parquet/ beside this file
Made with pyarrow 26.0.1, datasets 5.2.0, Pillow 13.0.0 (the versions that ran are in expected.json).
"""

import hashlib
import io
import json
import os

import datasets
import PIL
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data_parquet")
os.makedirs(out, exist_ok=True)


def picture(number):
    image = Image.new("RGB", (4, 3), (40 * number % 256, 10 * number, 200 - 9 * number))
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def cell(number, path=None):
    return {"bytes": picture(number), "path": path}


def hub(name, names, rows, compression=None, label="label"):
    """As `push_to_hub` writes it: rows are pairs of a picture's cell and the name of its class, or None."""
    features = datasets.Features({"image": datasets.Image(), label: datasets.ClassLabel(names=names)})
    numbers = [None if row[1] is None else names.index(row[1]) if row[1] in names else -1 for row in rows]
    data = datasets.Dataset.from_dict({"image": [row[0] for row in rows], label: numbers}, features=features)
    data.to_parquet(os.path.join(out, name))
    if compression:
        # The same, packed by another program's choice.
        pq.write_table(pq.read_table(os.path.join(out, name)), os.path.join(out, name), compression=compression)


os.makedirs(os.path.join(out, "splits", "data"), exist_ok=True)
two = ["cat", "dog"]
hub("hub.parquet", ["cat", "dog", "bird"],
    [(cell(1, "a.png"), "dog"), (cell(2, "b.png"), "cat"), (cell(3), "bird"), (cell(4, "a.png"), "dog"), (cell(5), "cat"),
     (cell(6), "bird"), (cell(7), None), (cell(8), "nothing"), (None, "cat")], "zstd")
hub("splits/data/train-00000-of-00002.parquet", two, [(cell(n), two[n % 2]) for n in range(4)])
hub("splits/data/train-00001-of-00002.parquet", two, [(cell(n), two[n % 2]) for n in range(4, 8)], "gzip")
hub("splits/data/validation-00000-of-00001.parquet", two[::-1], [(cell(n), two[n % 2]) for n in range(8, 10)], "lz4")
hub("splits/data/test-00000-of-00001.parquet", two, [(cell(n), two[n % 2]) for n in range(10, 12)], "none")
hub("fine.parquet", two, [(cell(n), two[n % 2]) for n in range(4)], label="fine_label")
# Saved without the pictures, as `to_parquet` of an older version did: what `datasets` says of the columns, and paths of another machine.
told = pq.read_schema(os.path.join(out, "splits/data/test-00000-of-00001.parquet"))
far = pa.table({"image": [{"bytes": None, "path": "/far/a.png"}, {"bytes": None, "path": "/far/b.png"}], "label": [0, 1]}, schema=told)
pq.write_table(far, os.path.join(out, "paths.parquet"))

features = datasets.Features({"image": datasets.Image(), "tags": datasets.List(datasets.ClassLabel(names=["red", "round", "big"]))})
data = datasets.Dataset.from_dict({"image": [cell(n) for n in range(5)], "tags": [[0], [0, 1], [], [2, 1], [2]]}, features=features)
data.to_parquet(os.path.join(out, "tags.parquet"))


def plain(name, columns, **options):
    pq.write_table(pa.table(columns), os.path.join(out, name), **options)


numbers = [10, 2, 0, 1, 10, 2, 0, 1]
pictures = [picture(n) for n in range(8)]
plain("numbers.parquet", {"image": pa.array(pictures, pa.binary()), "label": pa.array(numbers, pa.int64())}, row_group_size=3)
plain("large.parquet", {"image": pa.array(pictures, pa.large_binary()), "label": pa.array([f"c{n}" for n in numbers], pa.large_string())})
plain("view.parquet", {"image": pa.array(pictures, pa.binary_view()), "label": pa.array([f"c{n}" for n in numbers], pa.string_view())})
plain("mixed_one.parquet", {"image": pa.array(pictures, pa.binary()), "label": pa.array(numbers, pa.int32()),
                            "image_id": pa.array([f"x{n}" for n in range(8)])}, use_dictionary=False)
plain("table.parquet", {"file_name": pa.array(["a.png", "b.png", "c.png", "d.png"]), "label": pa.array(["x", "y", "x", "y"]),
                        "split": pa.array(["train", "train", "val", "val"])})

expected = {"made_with": {"pyarrow": pa.__version__, "datasets": datasets.__version__, "pillow": PIL.__version__}, "files": {}}
for folder, _, files in sorted(os.walk(out)):
    for file in sorted(files):
        if not file.endswith(".parquet"):
            continue
        table = pq.read_table(os.path.join(folder, file))
        told = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        rows = []
        for row in table.to_pylist():
            image = row.pop("image", None)
            data = image if isinstance(image, bytes) else (image or {}).get("bytes")
            for column, feature in told.items():
                if feature["_type"] == "ClassLabel" and row[column] is not None:
                    row[column] = None if row[column] == -1 else feature["names"][row[column]]
                elif feature["_type"] == "List":
                    row[column] = [feature["feature"]["names"][number] for number in row[column]]
            rows.append({"picture": data and hashlib.sha256(data).hexdigest()[:16], **row})
        expected["files"][os.path.relpath(os.path.join(folder, file), out)] = rows
with open(os.path.join(out, "expected.json"), "w") as file:
    json.dump(expected, file, indent=1, sort_keys=True)
    file.write("\n")
