//! Trains a head on feature maps made up on the spot: no images, no backbone, no download.
//!
//! ```text
//! cargo run --release -p rekindle-head --example head_on_features
//! ```
//!
//! Every class has its own channel that is raised a little above the noise; the head has to find it.

use burn::module::Module;
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use rekindle_head::random::HostRng;
use rekindle_head::{HeadConfig, HeadError, LossConfig, Pooling, one_hot};

const CHANNELS: usize = 32;
const CLASSES: usize = 4;
const BATCH: usize = 16;

fn main() -> Result<(), HeadError> {
    let device = Device::default().autodiff();
    let config = HeadConfig {
        pool: Pooling::Gem,
        hidden: vec![16],
        ..HeadConfig::default()
    };
    config.check()?;
    let loss = LossConfig::default();
    loss.check(CLASSES)?;

    let mut head = config.init(CHANNELS, CLASSES, 42, &device);
    let mut optimizer = AdamConfig::new().init();
    for step in 0..100 {
        head.seed_dropout(step);
        let (features, targets) = batch(step, &device)?;
        let value = loss.forward(head.forward(features), targets);
        let gradients = GradientsParams::from_grads(value.backward(), &head);
        head = optimizer.step(3e-3, head, gradients);
        if step % 20 == 19 {
            println!(
                "step {:3}  loss {:.3}",
                step + 1,
                value.into_scalar::<f32>()
            );
        }
    }

    let (features, targets) = batch(1_000, &Device::default())?;
    let agree = head
        .valid()
        .forward(features)
        .argmax(1)
        .equal(targets.argmax(1));
    println!(
        "accuracy on a new batch: {:.0} %",
        100.0 * agree.float().mean().into_scalar::<f32>()
    );
    Ok(())
}

/// One batch of feature maps `[BATCH, CHANNELS, 5, 5]` and its one-hot targets.
fn batch(number: u64, device: &Device) -> Result<(Tensor<4>, Tensor<2>), HeadError> {
    let mut rng = HostRng::new(7, number);
    let labels: Vec<usize> = (0..BATCH).map(|sample| sample % CLASSES).collect();
    let mut values = Vec::with_capacity(BATCH * CHANNELS * 25);
    for label in &labels {
        for channel in 0..CHANNELS {
            let raised = if channel == *label { 0.5 } else { 0.0 };
            values.extend((0..25).map(|_| (rng.normal().abs() + raised) as f32));
        }
    }
    let features = Tensor::from_data(TensorData::new(values, [BATCH, CHANNELS, 5, 5]), device);
    Ok((features, one_hot(&labels, CLASSES, device)?))
}
