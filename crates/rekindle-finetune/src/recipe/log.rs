//! What a run tells other programs while it goes on.

use serde::{Deserialize, Serialize};

/// What a run tells other programs while it goes on. Both are off by default: metrics.csv and run.json have the same figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogRecipe {
    /// Write event files into the run's folder `tensorboard` for `tensorboard --logdir runs`: the figures of every epoch, the plan,
    /// the settings and a picture of what is trained on. Default off.
    pub tensorboard: bool,
    /// Write events.jsonl into the run: a JSON object for every epoch, with its times. Default off.
    pub json_lines: bool,
}
