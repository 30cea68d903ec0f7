//! What training sees of a few images, as a picture.
//!
//! Owns: which images are shown in which views. The pixels are those of training: the plan's own pipelines, with the same keys of
//! randomness.

use std::collections::BTreeMap;

use rekindle_augment::{Pipeline, RgbImage, SampleRng, shown};
use rekindle_data::{TargetKind, epoch_order};
use rekindle_finetune::{Plan, TrainingView, training_views};

use crate::InsightError;
use crate::sheet::{Sheet, Tile};

/// What a preview shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Training images, a row each. Default 8.
    pub images: usize,
    /// Augmented views of each. Default 5.
    pub views: usize,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        Self {
            images: 8,
            views: 5,
        }
    }
}

/// A drawn preview.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The picture.
    pub sheet: RgbImage,
    /// Images shown; fewer than asked for where there are no more.
    pub images: usize,
    /// Augmented views of each; fewer than asked for where training makes no more, 0 where it makes none.
    pub views: usize,
}

/// An augmented view, and where training meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct View {
    caption: Vec<String>,
    /// The epoch of its random numbers.
    epoch: u64,
}

/// Draws the evaluation view and augmented views of some training images, exactly as the plan would train on them.
///
/// Images are taken from the classes in turn (all are one class where they have labels or numbers, which are written over them), in an order that the recipe's seed decides. First come the views of the feature cache
/// (`augment.views`, of which the evaluation view is number 0), then those of phase 2's epochs, which are new each time where the
/// features of phase 2 are not kept. A view is `Pipeline::apply` with `SampleRng::new(seed, epoch, sample)`, as in
/// [`Loader`](rekindle_data::Loader).
///
/// # Errors
///
/// An image cannot be read.
pub fn preview(plan: &Plan, options: &PreviewOptions) -> Result<Preview, InsightError> {
    let recipe = &plan.recipe;
    let evaluation = Pipeline::evaluation(&plan.preprocessing);
    let training = plan.training_pipeline()?;
    let views = views(plan, options.views);
    let [height, width] = plan.preprocessing.input_size;
    let mut sheet = Sheet::new(views.len() + 1);
    sheet.heading(format!("seed {}, {width}x{height} pixels", recipe.seed));
    sheet.note("left: evaluation view");
    let samples = &plan.dataset.folder().samples;
    let chosen = chosen(plan, options.images);
    for &sample in &chosen {
        // As the loader makes it.
        let draw = |pipeline: &Pipeline, epoch: u64| {
            let mut rng = SampleRng::new(recipe.seed, epoch, sample as u64);
            let view = plan.dataset.view(sample, pipeline, &mut rng)?;
            Ok::<_, InsightError>(shown(&view, plan.preprocessing.channels()).into_owned())
        };
        let mut tiles = vec![Tile::new(&draw(&evaluation, 0)?, ["evaluation".to_owned()])];
        for view in &views {
            tiles.push(Tile::new(
                &draw(&training, view.epoch)?,
                view.caption.clone(),
            ));
        }
        let sample = &samples[sample];
        let words = sample.target.words(&plan.facts.classes);
        sheet.note(match plan.facts.task.targets() {
            TargetKind::Class => sample.key(),
            TargetKind::Labels | TargetKind::Numbers => format!("{}: {words}", sample.key()),
        });
        sheet.tiles(tiles);
    }
    Ok(Preview {
        sheet: sheet.draw(),
        images: chosen.len(),
        views: views.len(),
    })
}

/// The first augmented views that training makes, at most so many.
fn views(plan: &Plan, most: usize) -> Vec<View> {
    let view = |view: TrainingView| View {
        caption: match view.seen {
            None => vec![format!("view {}", view.epoch)],
            Some((phase, epoch)) => vec![phase, format!("epoch {epoch}")],
        },
        epoch: view.epoch,
    };
    training_views(plan).map(view).take(most).collect()
}

/// Training samples, from the classes in turn.
fn chosen(plan: &Plan, count: usize) -> Vec<usize> {
    let train = &plan.split.train;
    let folder = plan.dataset.folder();
    let mut classes: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for place in epoch_order(train.len(), plan.recipe.seed, 0) {
        let sample = train[place];
        classes
            .entry(folder.samples[sample].class())
            .or_default()
            .push(sample);
    }
    let most = classes.values().map(Vec::len).max().unwrap_or(0);
    (0..most)
        .flat_map(|turn| {
            classes
                .values()
                .filter_map(move |samples| samples.get(turn))
        })
        .copied()
        .take(count)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sheet::TILE_PIXELS;
    use rekindle_data::{Loader, LoaderOptions};
    use rekindle_finetune::Recipe;

    fn plan(settings: &[&str]) -> (tempfile::TempDir, Plan) {
        let folder = tempfile::tempdir().unwrap();
        for class in 0..3u32 {
            let directory = folder.path().join(format!("class{class}"));
            std::fs::create_dir(&directory).unwrap();
            for number in 0..5 {
                let image = RgbImage::from_fn(50, 40, |x, y| {
                    let value = [x * 5, y * 6, (x * y + number * 40) % 256];
                    image::Rgb(value.map(|value| value as u8))
                });
                image.save(directory.join(format!("{number}.png"))).unwrap();
            }
        }
        let mut all = vec!["backbone.weights=random".to_owned()];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let plan = Plan::new(Recipe::load(None, &all).unwrap(), folder.path()).unwrap();
        (folder, plan)
    }

    #[test]
    fn classes_take_turns_and_no_validation_image_is_shown() {
        let (_folder, plan) = plan(&[]);
        let shown = chosen(&plan, 100);
        assert_eq!(shown.len(), plan.split.train.len());
        let class = |sample: &usize| plan.dataset.folder().samples[*sample].class();
        let first: Vec<usize> = shown.iter().take(6).filter_map(class).collect();
        assert_eq!(first, [0, 1, 2, 0, 1, 2]);
        assert!(shown.iter().all(|sample| plan.split.train.contains(sample)));
    }

    #[test]
    fn views_are_those_of_the_cache_and_then_those_of_phase_2() {
        let (_folder, plan) = plan(&["augment.views=3", "phase2.epochs=2"]);
        let epochs: Vec<u64> = views(&plan, 10).iter().map(|view| view.epoch).collect();
        assert_eq!(epochs, [1, 2, 2 << 32, (2 << 32) + 1]);
        assert_eq!(views(&plan, 1).len(), 1);
    }

    #[test]
    fn what_is_shown_is_what_the_loader_gives_to_training() {
        let side = TILE_PIXELS as usize;
        let size = format!("input.size=[{side},{side}]");
        let (_folder, plan) = plan(&[&size, "seed=9", "augment.views=4"]);
        let options = PreviewOptions {
            images: 2,
            views: 3,
        };
        let sheet = preview(&plan, &options).unwrap().sheet;
        let pipeline = Arc::new(
            Pipeline::training(&plan.preprocessing, &plan.recipe.augment.transforms).unwrap(),
        );
        let samples = chosen(&plan, 2);
        for epoch in 1..4u64 {
            let mut loader = Loader::new(
                plan.dataset.clone(),
                pipeline.clone(),
                vec![samples.clone()],
                plan.recipe.seed,
                epoch,
                LoaderOptions::default(),
            )
            .unwrap();
            let batch = loader.next().unwrap().unwrap();
            let images = batch.images.pixels().chunks(side * side * 3);
            for (row, expected) in images.enumerate() {
                assert!(
                    contains(&sheet, epoch as u32, expected),
                    "sample {row} of epoch {epoch} is not on the sheet"
                );
            }
        }
    }

    /// Whether a column of the sheet holds a tile with these pixels.
    fn contains(sheet: &RgbImage, column: u32, expected: &[u8]) -> bool {
        let left = 12 + column * (TILE_PIXELS + 12);
        let width = TILE_PIXELS as usize * 3;
        (0..sheet.height() - TILE_PIXELS).any(|top| {
            (0..TILE_PIXELS).all(|y| {
                let start = ((top + y) * sheet.width() + left) as usize * 3;
                let row = &sheet.as_raw()[start..start + width];
                row == &expected[y as usize * width..][..width]
            })
        })
    }
}
