//! Where the time of a training step goes: forward and backward through a backbone, by operation.
//!
//!     cargo run --release -p rekindle-backbone --example layer_times resnet50 [BATCH] [layers] [bf16] [inference | training]

use std::collections::BTreeMap;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use rekindle_backbone::{Architecture, Precision};
use rekindle_kernels::profile::{self, Entry};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("resnet18", String::as_str);
    let batch = arguments.get(1).map_or(Ok(16), |batch| batch.parse())?;
    let says = |word: &str| arguments.iter().skip(2).any(|said| said == word);
    let by_layer = says("layers");
    let precision = match says("bf16") {
        true => Precision::Bf16,
        false => Precision::F32,
    };
    if !precision.is_available() {
        return Err("this processor has no products in bf16".into());
    }
    let device = Device::flex();
    let backbone = Architecture::from_name(name)?
        .init(&device)
        .with_precision(precision);
    let images = Tensor::<4>::random(
        [batch, 3, 224, 224],
        Distribution::Normal(0.0, 1.0),
        &device,
    );

    if !says("training") {
        let folded = backbone.fold_norms();
        report("inference", by_layer, || {
            folded.forward(images.clone()).into_data();
        });
    }
    if !says("inference") {
        let training = backbone.train().freeze_before(0, true);
        let images = Tensor::from_inner(images);
        report("training", by_layer, || {
            training.forward(images.clone()).mean().backward();
        });
    }
    Ok(())
}

/// The time of the fastest of ten runs and what it was spent on.
fn report(what: &str, by_layer: bool, work: impl Fn()) {
    work();
    work();
    let runs = (0..10).map(|_| {
        profile::start();
        let start = Instant::now();
        work();
        (start.elapsed().as_secs_f64(), profile::stop())
    });
    let (total, entries) = runs
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("there were ten runs");
    let mut groups: BTreeMap<String, Entry> = BTreeMap::new();
    for (name, entry) in entries {
        let words = if by_layer { usize::MAX } else { 3 };
        let group: Vec<&str> = name
            .split(' ')
            .filter(|word| by_layer || !word.contains('x'))
            .take(words)
            .collect();
        let sum = groups.entry(group.join(" ")).or_default();
        sum.calls += entry.calls;
        sum.seconds += entry.seconds;
        sum.flop += entry.flop;
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| b.1.seconds.total_cmp(&a.1.seconds));
    let counted: f64 = groups.iter().map(|(_, entry)| entry.seconds).sum();
    println!(
        "{what}: {:.1} ms, of which {:.1} ms in the operations below",
        total * 1e3,
        counted * 1e3
    );
    for (name, entry) in groups {
        let rate = entry.flop / entry.seconds / 1e9;
        println!(
            "{:>9.2} ms {:>5} calls {:>6.0} GFLOP/s  {name}",
            entry.seconds * 1e3,
            entry.calls,
            rate
        );
    }
}
