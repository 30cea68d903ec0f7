"""Reads a run's event files with TensorBoard itself, and compares every value with metrics.csv.

Usage: python read_tensorboard.py RUN [RUN ..]      (tensorboard 2.21.0, numpy 2.4.6)

Checked: every tag has each epoch once, also of a run that was stopped, killed and resumed; values are those of metrics.csv in float32; the
plan is a text, the views are a picture, and the settings are hyperparameters for TensorBoard's plugins. Fails at the first difference. Not part of CI.
"""

import csv
import pathlib
import struct
import sys

import numpy
import tensorboard
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

TAGS = {"train_loss": "train/loss", "gradient_norm": "train/gradient_norm", "lr": "train/learning_rate"}


def check(run):
    run = pathlib.Path(run)
    rows = list(csv.DictReader(open(run / "metrics.csv")))
    folder = str(run / "tensorboard")
    events = event_accumulator.EventAccumulator(folder, size_guidance={event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0})
    events.Reload()
    scalars = events.Tags()["scalars"]
    columns = [name for name in rows[0] if name not in ("phase", "epoch", "best")]
    for column in columns:
        tag = TAGS.get(column, column.replace("validation_", "validation/", 1))
        found = events.Scalars(tag)
        assert [event.step for event in found] == list(range(1, len(rows) + 1)), (tag, [event.step for event in found])
        values = numpy.array([event.value for event in found])
        wanted = numpy.array([float(row[column]) for row in rows])
        assert numpy.allclose(values, wanted, rtol=2e-6, atol=1e-12), (tag, values, wanted)
    assert set(scalars) - {"time/epoch_seconds", "time/waited_share"} == {
        TAGS.get(column, column.replace("validation_", "validation/", 1)) for column in columns
    }, scalars
    # As the dashboards read it.
    all_runs = plugin_event_multiplexer.EventMultiplexer()
    all_runs.AddRunsFromDirectory(str(run.parent))
    all_runs.Reload()
    name = f"{run.name}/tensorboard"
    text = all_runs.Tensors(name, "plan/text_summary")
    plan = text[0].tensor_proto.string_val[0].decode()
    lines = (run / "plan.toml").read_text().splitlines()
    assert [line[4:] for line in plan.splitlines()] == lines, "the plan differs"
    width, height, png = all_runs.Tensors(name, "train/views")[0].tensor_proto.string_val[:3]
    sides = struct.unpack(">II", png[16:24])
    assert png[:4] == b"\x89PNG" and sides == (int(width), int(height)), (width, height, sides)
    assert all_runs.SummaryMetadata(name, "train/views").plugin_data.plugin_name == "images"
    content = all_runs.SummaryMetadata(name, metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    assert start.hparams["seed"].number_value >= 0 and start.hparams["backbone.name"].string_value, start
    assert "phase1.lr" in start.hparams, sorted(start.hparams)
    content = all_runs.SummaryMetadata(name, metadata.SESSION_END_INFO_TAG).plugin_data.content
    end = metadata.parse_session_end_info_plugin_data(content)
    assert end.status == 1, end
    files = sorted(path.name for path in (run / "tensorboard").iterdir())
    print(f"{run}: {len(rows)} epochs, {len(scalars)} tags, {len(start.hparams)} settings, {len(files)} files: as metrics.csv")


print("tensorboard", tensorboard.__version__, "numpy", numpy.__version__)
for run in sys.argv[1:]:
    check(run)
