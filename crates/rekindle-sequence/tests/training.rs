//! A training from pictures to a model file, without the program: clips in which only the order tells the classes apart.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::Device;
use image::{Rgb, RgbImage};
use rekindle_data::{BadImages, Sequences, SourceOptions, read_image};
use rekindle_sequence::{
    EpochFigures, Observer, Outcome, Plan, Recipe, SequenceModel, SequencePredictor, Silent,
    Trained, train,
};
use tempfile::TempDir;

const FRAMES: u32 = 4;

/// A square of one of several colours on its way over grey, and the same frames backwards: `CLASS/NUMBER_CLASS/FRAME.png`.
fn clips(folder: &Path, count: u32) {
    for number in 0..count {
        let colour = Rgb([
            (40 * number) as u8,
            255 - (30 * number) as u8,
            (90 * number) as u8,
        ]);
        for frame in 0..FRAMES {
            let left = 2 + frame * 9;
            let top = (5 * number) % 30;
            let picture = RgbImage::from_fn(48, 48, |x, y| {
                match (left..left + 14).contains(&x) && (top..top + 14).contains(&y) {
                    true => colour,
                    false => Rgb([128; 3]),
                }
            });
            for (class, place) in [("right", frame + 9), ("left", 9 + FRAMES - 1 - frame)] {
                let clip = folder.join(class).join(format!("{number}_{class}"));
                fs::create_dir_all(&clip).unwrap();
                picture.save(clip.join(format!("{place}.png"))).unwrap();
            }
        }
    }
}

fn plan(place: &TempDir, more: &[&str]) -> Plan {
    let data = place.path().join("clips");
    if !data.exists() {
        clips(&data, 6);
    }
    let cache = place.path().join("cache").display().to_string();
    let mut settings: Vec<String> = [
        "input.size=48",
        "data.group_by=prefix",
        "data.validation_share=0.34",
        "head.hidden=16",
        "train.epochs=12",
        "train.batch_size=4",
        "train.lr=0.01",
        "features.stage=blocks.2",
    ]
    .map(String::from)
    .into();
    settings.push(format!("data.cache_directory={cache:?}"));
    settings.extend(more.iter().map(|text| (*text).to_owned()));
    Plan::new(Recipe::load(None, &settings).unwrap(), &data).unwrap()
}

fn finished(plan: &Plan, observer: &mut dyn Observer) -> Trained {
    match train(plan, &AtomicBool::new(false), observer).unwrap() {
        Outcome::Finished(trained) => trained,
        other => panic!("{other:?}"),
    }
}

/// Notes the first word on features and the epochs; sets the interrupt after some of these.
#[derive(Default)]
struct Notes<'a> {
    features: Option<(usize, usize)>,
    epochs: usize,
    stop: Option<(&'a AtomicBool, usize)>,
}

impl Observer for Notes<'_> {
    fn features(&mut self, done: usize, of: usize) {
        self.features.get_or_insert((done, of));
    }

    fn epoch(&mut self, figures: &EpochFigures) {
        self.epochs = figures.epoch;
        if let Some((flag, after)) = self.stop {
            flag.store(figures.epoch >= after, Ordering::SeqCst);
        }
    }
}

#[test]
fn an_lstm_learns_the_order_and_the_mean_stays_at_chance() {
    let place = tempfile::tempdir().unwrap();
    let of_lstm = plan(&place, &[]);
    assert_eq!(of_lstm.split.validation.len(), 4, "{:?}", of_lstm.split);
    let mut notes = Notes::default();
    let trained = finished(&of_lstm, &mut notes);
    assert_eq!(notes.features, Some((0, 48)));
    assert_eq!(trained.validation.figure("accuracy"), Some(1.0));

    // Both clips of a picture have the same frames, so the mean gives both the same class; and nothing is computed again.
    let mut notes = Notes::default();
    let of_mean = finished(&plan(&place, &["head.cell=mean"]), &mut notes);
    assert_eq!(notes.features, Some((48, 48)));
    assert_eq!(of_mean.validation.figure("accuracy"), Some(0.5));
    assert!(of_mean.validation.loss() > 0.69);

    // The same again, to the byte, from features that were kept.
    let again = finished(&of_lstm, &mut Silent);
    assert_eq!(again.model.head.state(), trained.model.head.state());
    assert_eq!(again.model.info, trained.model.info);

    // The file says the same as the model, of files and of pictures.
    let file = place.path().join("clips.safetensors");
    trained.model.save(&file).unwrap();
    let device = Device::flex();
    let predictor = SequencePredictor::load(&file, &device).unwrap();
    let [info, written] = [predictor.info(), &trained.model.info];
    assert_eq!(info.trained_on, written.trained_on);
    assert_eq!(
        (&info.classes, &info.recipe),
        (&written.classes, &written.recipe)
    );
    assert_eq!(info.history.len(), written.history.len());
    let options = SourceOptions::default();
    let data = place.path().join("clips");
    let opened = Sequences::open(&data, &options).unwrap();
    let measured = predictor
        .features(opened, BadImages::Fail, 100, |_, _| {})
        .unwrap();
    let report = predictor
        .evaluate(&measured, &of_lstm.split.validation)
        .unwrap();
    assert_eq!(report, trained.validation);
    let known = measured
        .features
        .iter()
        .filter(|one| predictor.was_trained_on(one))
        .count();
    assert_eq!(known, of_lstm.split.train.len());
    let sequence = of_lstm.split.validation[0];
    let rows = predictor
        .probabilities(&[&measured.features[sequence]])
        .unwrap();
    let frames = measured.sequences.frames_of(sequence).map(|frame| {
        let frame = &measured.sequences.frames.samples[frame];
        read_image(&data.join(&frame.path), &Default::default())
            .unwrap()
            .image
    });
    let pictures: Vec<RgbImage> = frames.collect();
    assert_eq!(predictor.predict_pictures(&pictures).unwrap(), rows[0]);
    assert!(
        predictor
            .predict_pictures(&[])
            .unwrap_err()
            .to_string()
            .contains("no pictures")
    );

    // Damage is found, and files of other kinds are told.
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    let error = SequenceModel::load(&file, &device).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
    fs::write(&file, b"no model").unwrap();
    let error = SequenceModel::load(&file, &device).unwrap_err().to_string();
    assert!(error.contains("rekindle sequence train"), "{error}");
}

#[test]
fn an_interrupted_training_gives_the_best_epoch_until_then() {
    let place = tempfile::tempdir().unwrap();
    let plan = plan(&place, &["train.stopping.patience=12"]);
    let stop = AtomicBool::new(false);
    let mut notes = Notes {
        stop: Some((&stop, 3)),
        ..Notes::default()
    };
    let outcome = train(&plan, &stop, &mut notes).unwrap();
    let Outcome::Interrupted(Some(trained)) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((notes.epochs, trained.model.info.history.len()), (3, 3));
    assert!(trained.model.info.best_epoch <= 3);

    let outcome = train(&plan, &AtomicBool::new(true), &mut Silent).unwrap();
    assert!(matches!(outcome, Outcome::Interrupted(None)), "{outcome:?}");
}

#[test]
fn frames_that_cannot_be_decoded_are_an_error_or_left_out() {
    let place = tempfile::tempdir().unwrap();
    clips(&place.path().join("clips"), 6);
    fs::write(place.path().join("clips/left/0_left/10.png"), b"no picture").unwrap();
    let recipe = |policy: &str| {
        let settings = [
            format!("data.bad_images={policy}"),
            "data.disk_cache_mb=0".into(),
        ];
        Recipe::load(None, &settings).unwrap()
    };
    let data = place.path().join("clips");
    let error = Plan::new(recipe("fail"), &data).unwrap_err().to_string();
    assert!(error.contains("10.png"), "{error}");
    let plan = Plan::new(recipe("skip"), &data).unwrap();
    assert_eq!((plan.bad_frames.len(), plan.dataset.len()), (1, 47));
    assert_eq!(plan.sequences.len(), 12);
}
