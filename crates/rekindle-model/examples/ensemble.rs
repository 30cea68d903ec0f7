//! Several model files as one, and what it says of images.
//!
//! ```text
//! cargo run --release -p rekindle-model --example ensemble -- OUT.safetensors MODEL.. -- IMAGE..
//! ```

use std::error::Error;
use std::path::PathBuf;

use rekindle_model::ensemble::{MeanOf, ModelParts, Rule, TestTime, join};
use rekindle_model::{Predictor, device_from_name};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let mut lists = words.split(|word| word.as_os_str() == "--");
    let (Some([output, models @ ..]), Some(images)) = (lists.next(), lists.next()) else {
        return Err("expected OUT.safetensors MODEL.. -- IMAGE..".into());
    };
    let members: Vec<ModelParts> = models
        .iter()
        .map(|path| ModelParts::load(path))
        .collect::<Result<_, _>>()?;
    let rule = Rule::Mean {
        of: MeanOf::Probabilities,
        weights: vec![1.0 / members.len() as f64; members.len()],
    };
    // Each picture is seen as it is and mirrored.
    let views = TestTime {
        flip: true,
        scales: Vec::new(),
    };
    join(members, rule, views)?.save(output)?;

    let model = Predictor::load(output, &device_from_name("cpu")?)?;
    for image in images {
        let probabilities = model.predict_bytes(&std::fs::read(image)?)?;
        println!("{}", image.display());
        for (class, probability) in model.info().classes.iter().zip(probabilities) {
            println!("  {class} {probability:.3}");
        }
    }
    Ok(())
}
