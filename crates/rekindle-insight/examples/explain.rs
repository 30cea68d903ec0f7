//! What in a picture decided, from a program of one's own: the map's values, and a picture with the map over it.
//!
//! `cargo run --example explain -p rekindle-insight -- runs/photos-1/model.safetensors cat.jpg cat-explained.png`

use std::path::PathBuf;

use rekindle_augment::{DecodeLimits, SampleRng};
use rekindle_data::read_image;
use rekindle_insight::explain::{ExplainOptions, Explainer, Method, drawing};
use rekindle_model::{Predictor, device_from_name};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, picture, to] = paths.as_slice() else {
        return Err("give a model, a picture and the PNG to write".into());
    };
    let model = Predictor::load(model, &device_from_name("cpu")?)?;
    let options = ExplainOptions {
        methods: vec![Method::GradCam, Method::Occlusion],
        ..ExplainOptions::default()
    };
    let explainer = Explainer::new(model, options)?;
    let picture = read_image(picture, &DecodeLimits::default())?.image;
    // As prediction sees it: resized and cut to the network's input.
    let pipeline = explainer.model().pipeline();
    let view = pipeline.apply(&picture, &mut SampleRng::new(0, 0, 0));
    let found = explainer.explain(&view)?;
    println!(
        "{} {:.3}, score {:.3}",
        found.name, found.value, found.score
    );
    for map in &found.maps {
        let [height, width] = map.map.size();
        println!(
            "{}: {height}x{width}, at most {:.4}",
            map.method,
            map.map.greatest()
        );
    }
    drawing(&view, &found, explainer.model().info().task)?.save(to)?;
    Ok(())
}
