//! What pipelines promise.

use super::*;
use crate::ops::{HorizontalFlip, RandomResizedCrop};
use crate::testing::gradient;

fn preprocessing() -> Preprocessing {
    Preprocessing {
        input_size: [24, 32],
        ..Preprocessing::default()
    }
}

#[derive(Debug)]
struct HalfSize;

impl Transform for HalfSize {
    fn apply(&self, image: RgbImage, _: &mut SampleRng) -> RgbImage {
        RgbImage::new(image.width() / 2, image.height() / 2)
    }
}

#[test]
fn training_without_a_sizing_transform_starts_with_the_evaluation_view() {
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip { probability: 0.0 });
    let training = Pipeline::training(&preprocessing(), &[flip]).unwrap();
    let evaluation = Pipeline::evaluation(&preprocessing());
    let image = gradient(61, 47);
    let mut rng = SampleRng::new(0, 0, 0);
    assert_eq!(
        training.apply(&image, &mut rng),
        evaluation.apply(&image, &mut rng)
    );
}

#[test]
fn a_random_resized_crop_replaces_the_evaluation_view() {
    let whole = RandomResizedCrop {
        scale: [1.0, 1.0],
        ratio: [1.0, 1.0],
        interpolation: None,
    };
    let training =
        Pipeline::training(&preprocessing(), &[TransformSpec::RandomResizedCrop(whole)]).unwrap();
    let image = gradient(40, 40);
    let expected = resize(&image, 32, 24, preprocessing().interpolation);
    assert_eq!(
        training.apply(&image, &mut SampleRng::new(0, 0, 0)),
        expected
    );
}

#[test]
fn a_step_of_the_user_cannot_change_the_final_size() {
    let mut pipeline = Pipeline::evaluation(&preprocessing());
    pipeline.push(Box::new(HalfSize));
    assert_eq!(
        pipeline
            .apply(&gradient(50, 50), &mut SampleRng::new(0, 0, 0))
            .dimensions(),
        (32, 24)
    );
}

#[test]
fn a_wrong_transform_is_refused_by_name() {
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip { probability: 1.5 });
    let error = Pipeline::training(&preprocessing(), &[flip]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`transforms[0].probability` is 1.5 for `horizontal_flip`"),
        "{error}"
    );
}

#[test]
fn the_name_of_a_fixed_view_has_all_that_decides_it_and_no_more() {
    let name = |preprocessing: &Preprocessing| {
        let pipeline = Pipeline::evaluation(preprocessing);
        pipeline.fixed_view_name().map(str::to_owned)
    };
    let first = name(&preprocessing());
    assert!(first.is_some());
    let rescaled = Preprocessing {
        rescale: crate::Rescale::Unit,
        ..preprocessing()
    };
    assert_eq!(name(&rescaled), first);
    let changes: [fn(&mut Preprocessing); 4] = [
        |changed| changed.input_size = [32, 24],
        |changed| changed.crop_ratio = 1.0,
        |changed| changed.interpolation = Interpolation::Bilinear,
        |changed| changed.policy = crate::ResizePolicy::Squash,
    ];
    for change in changes {
        let mut changed = preprocessing();
        change(&mut changed);
        assert_ne!(name(&changed), first, "{changed:?}");
    }
    // A border has the colour of the mean.
    let padded = |rescale| {
        name(&Preprocessing {
            policy: crate::ResizePolicy::Pad,
            rescale,
            ..preprocessing()
        })
    };
    assert_ne!(
        padded(crate::Rescale::Unit),
        padded(crate::Rescale::Symmetric)
    );
}

#[test]
fn steps_go_on_from_a_fixed_view_as_from_the_picture() {
    let image = gradient(61, 47);
    let flip = TransformSpec::HorizontalFlip(HorizontalFlip { probability: 0.5 });
    let training = Pipeline::training(&preprocessing(), &[flip]).unwrap();
    let mut pushed = Pipeline::evaluation(&preprocessing());
    pushed.push(Box::new(HalfSize));
    let evaluation = Pipeline::evaluation(&preprocessing());
    for pipeline in [training, pushed, evaluation] {
        assert_eq!(
            pipeline.fixed_view_name(),
            Some(preprocessing().geometry().as_str())
        );
        let view = pipeline.fixed_view(&image);
        for sample in 0..4 {
            let rng = || SampleRng::new(0, 0, sample);
            assert_eq!(
                pipeline.apply_to_fixed_view(&view, &mut rng()),
                pipeline.apply(&image, &mut rng())
            );
        }
    }
    let crop = TransformSpec::RandomResizedCrop(RandomResizedCrop::default());
    let cropping = Pipeline::training(&preprocessing(), &[crop]).unwrap();
    assert_eq!(cropping.fixed_view_name(), None);
}

#[test]
fn a_pipeline_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Pipeline::evaluation(&preprocessing()));
}
