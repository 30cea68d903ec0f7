//! What a run trains on as a picture for TensorBoard: a few training images, a row each, as they are and augmented.

use std::io::Cursor;

use image::{ImageFormat, RgbImage, imageops};
use rekindle_augment::{Pipeline, SampleRng, shown};
use rekindle_data::epoch_order;

use crate::{Plan, training_views};

/// Rows, and augmented views beside each image.
const IMAGES: usize = 4;
const VIEWS: usize = 3;

/// A picture's height and width in pixels, and the picture as PNG.
#[derive(Debug)]
pub struct Picture {
    pub height: u32,
    pub width: u32,
    pub png: Vec<u8>,
}

/// The first images of the first epoch: the evaluation view, then the first augmented views, with the random numbers of training. None
/// where an image cannot be read, which training will tell.
pub fn picture(plan: &Plan) -> Option<Picture> {
    let evaluation = Pipeline::evaluation(&plan.preprocessing);
    let training = plan.training_pipeline().ok()?;
    let seed = plan.recipe.seed;
    let train = &plan.split.train;
    let views = training_views(plan).take(VIEWS).map(|view| view.epoch);
    let views: Vec<u64> = views.collect();
    let draw = |sample: usize, pipeline: &Pipeline, epoch: u64| {
        let mut rng = SampleRng::new(seed, epoch, sample as u64);
        let view = plan.dataset.view(sample, pipeline, &mut rng).ok()?;
        Some(shown(&view, plan.preprocessing.channels()).into_owned())
    };
    let order = epoch_order(train.len(), seed, 0).into_iter().take(IMAGES);
    let mut rows: Vec<Vec<RgbImage>> = Vec::new();
    for place in order {
        let sample = train[place];
        let mut row = vec![draw(sample, &evaluation, 0)?];
        for &epoch in &views {
            row.push(draw(sample, &training, epoch)?);
        }
        rows.push(row);
    }
    let [tile_height, tile_width] = plan.preprocessing.input_size.map(|side| side as u32);
    let (width, height) = (
        tile_width * (views.len() as u32 + 1),
        tile_height * rows.len() as u32,
    );
    let mut whole = RgbImage::new(width, height);
    for (row, y) in rows.iter().zip(0..) {
        for (tile, x) in row.iter().zip(0..) {
            let (x, y): (i64, i64) = (x, y);
            imageops::replace(
                &mut whole,
                tile,
                x * i64::from(tile_width),
                y * i64::from(tile_height),
            );
        }
    }
    let mut png = Cursor::new(Vec::new());
    whole.write_to(&mut png, ImageFormat::Png).ok()?;
    Some(Picture {
        height,
        width,
        png: png.into_inner(),
    })
}
