//! Prints every architecture with its sizes as a table in Markdown: `cargo run -p rekindle-backbone --example table [SIDE]`, 224 pixels
//! where no side is given. No weights are made, so that it takes seconds.

use burn::tensor::Device;
use rekindle_backbone::Architecture;

fn main() {
    let side = std::env::args().nth(1).and_then(|side| side.parse().ok());
    let side = side.unwrap_or(224);
    let device = Device::flex();
    println!(
        "| architecture | million parameters | million multiply-adds | stages | taps | channels |"
    );
    println!("|---|---|---|---|---|---|");
    for architecture in Architecture::all() {
        let backbone = architecture.init(&device);
        let summary = backbone.summary(side, side);
        let parameters: usize = summary.iter().map(|stage| stage.parameters).sum();
        let multiply_adds: u64 = summary.iter().map(|stage| stage.multiply_adds).sum();
        println!(
            "| `{}` | {:.2} | {:.0} | {} | {} | {} |",
            architecture.name,
            parameters as f64 / 1e6,
            multiply_adds as f64 / 1e6,
            summary.len(),
            backbone
                .stages()
                .iter()
                .filter(|stage| stage.is_tap())
                .count(),
            backbone.channels(),
        );
    }
}
