//! A backbone's stages as a table or JSON: sizes, parameters, multiply-adds and the memory of a training step.

use rekindle_backbone::StageSummary;
use serde_json::{Value, json};

use super::table::Table;

/// What is known of a backbone for images of one size.
pub struct Summary {
    /// Its name.
    pub backbone: &'static str,
    /// Channels, height and width of an image.
    pub image: [usize; 3],
    /// Images of a training step.
    pub batch: usize,
    /// Its stages, and whether each is a tap.
    pub stages: Vec<(StageSummary, bool)>,
}

/// Bytes of a number.
const BYTES: u64 = 4;
/// Numbers kept for each parameter in a training step with AdamW: itself, its gradient and two moments.
const PER_PARAMETER: u64 = 4;

impl Summary {
    fn sum(&self, each: impl Fn(&StageSummary) -> u64) -> u64 {
        self.stages.iter().map(|(stage, _)| each(stage)).sum()
    }

    fn parameters(&self) -> u64 {
        self.sum(|stage| stage.parameters as u64)
    }

    fn multiply_adds(&self) -> u64 {
        self.sum(|stage| stage.multiply_adds)
    }

    /// Bytes of a training step of the whole network: parameters with AdamW's moments, and what operations write for the batch.
    fn training_bytes(&self) -> u64 {
        let activations = self.sum(|stage| stage.activations) * self.batch as u64;
        (PER_PARAMETER * self.parameters() + activations) * BYTES
    }
}

/// The table, and the sums below it.
pub fn table(summary: &Summary) -> String {
    let mut table =
        Table::new(&["stage", "output", "parameters", "multiply-adds", "tap"]).right(&[1, 2, 3]);
    for (stage, tap) in &summary.stages {
        table.row([
            stage.name.clone(),
            format!("{}x{}x{}", stage.channels, stage.height, stage.width),
            stage.parameters.to_string(),
            stage.multiply_adds.to_string(),
            if *tap { "yes" } else { "" }.into(),
        ]);
    }
    let [channels, height, width] = summary.image;
    format!(
        "{} for an image of {channels}x{height}x{width}\n\n{}\n{:.2} M parameters and {:.3} G multiply-adds without a classifier\n\
         about {:.0} MB for a training step of {} images, all stages unfrozen, with AdamW\n",
        summary.backbone,
        table.text(),
        summary.parameters() as f64 / 1e6,
        summary.multiply_adds() as f64 / 1e9,
        summary.training_bytes() as f64 / 1e6,
        summary.batch,
    )
}

/// The same as a JSON object.
///
/// # Errors
///
/// None that this program knows of.
pub fn json(summary: &Summary) -> serde_json::Result<String> {
    let stage = |(stage, tap): &(StageSummary, bool)| -> Value {
        json!({
            "name": stage.name,
            "output": [stage.channels, stage.height, stage.width],
            "parameters": stage.parameters,
            "multiply_adds": stage.multiply_adds,
            "tap": tap,
        })
    };
    let stages: Vec<Value> = summary.stages.iter().map(stage).collect();
    serde_json::to_string_pretty(&json!({
        "backbone": summary.backbone,
        "image": summary.image,
        "stages": stages,
        "parameters": summary.parameters(),
        "multiply_adds": summary.multiply_adds(),
        "training_batch": summary.batch,
        "training_bytes": summary.training_bytes(),
    }))
}
