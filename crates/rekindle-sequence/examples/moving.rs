//! Sequences in which only the order tells the classes apart, and what each cell makes of them.
//!
//! Every picture of a folder goes over a white ground from the left to the right, and grows from small to large; the same frames backwards
//! are the two other classes. A head that takes the mean of the frames sees that something moves or grows, and never which way.
//!
//! ```text
//! cargo run --release -p rekindle-sequence --example moving -- [PICTURES [CLIPS]]
//! ```
//!
//! The clips are written to CLIPS, so that `rekindle sequence train CLIPS -o FILE --set data.group_by=prefix
//! --set input.size=96` does the same.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use rekindle_augment::DecodeLimits;
use rekindle_data::{read_image, scan_folder};
use rekindle_sequence::{Outcome, Plan, Recipe, Silent, train};

/// Side of a frame, and frames of a clip.
const SIDE: u32 = 96;
const FRAMES: u32 = 8;
/// Trainings of each cell.
const SEEDS: u64 = 3;
/// Pictures that are animated, evenly chosen.
const PICTURES: usize = 24;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let pictures = args.next().unwrap_or("examples/emoji".into());
    let clips = args
        .next()
        .unwrap_or_else(|| std::env::temp_dir().join("rekindle-clips"));
    write_clips(&pictures, &clips)?;
    println!("clips in {}", clips.display());
    println!("cell   validation accuracy by seed    best epochs  seconds");
    for cell in ["mean", "rnn", "gru", "lstm"] {
        let began = Instant::now();
        let (mut figures, mut epochs) = (Vec::new(), Vec::new());
        for seed in 0..SEEDS {
            // The four clips of a picture are on one side of the split.
            let settings = [
                format!("head.cell={cell}"),
                format!("seed={seed}"),
                "data.group_by=prefix".to_owned(),
                format!("input.size={SIDE}"),
            ];
            let plan = Plan::new(Recipe::load(None, &settings)?, &clips)?;
            if let Outcome::Finished(trained) = train(&plan, &AtomicBool::new(false), &mut Silent)?
            {
                figures.push(trained.validation.figure("accuracy").unwrap_or(f64::NAN));
                epochs.push(trained.model.info.best_epoch.to_string());
            }
        }
        let each: Vec<String> = figures
            .iter()
            .map(|share| format!("{:5.1} %", 100.0 * share))
            .collect();
        let seconds = began.elapsed().as_secs_f64() / SEEDS as f64;
        println!(
            "{cell:<5} {}    {:<11}  {seconds:.1} each",
            each.join("  "),
            epochs.join(" ")
        );
    }
    Ok(())
}

/// Writes CLIPS/CLASS/PICTURE_CLASS/NUMBER.png.
fn write_clips(pictures: &Path, clips: &Path) -> Result<(), Box<dyn Error>> {
    let folder = scan_folder(pictures)?;
    let step = folder.samples.len().div_ceil(PICTURES).max(1);
    for (number, sample) in folder.samples.iter().step_by(step).enumerate() {
        let picture = read_image(&folder.path_of(sample), &DecodeLimits::default())?.image;
        let moves: Vec<RgbImage> = (0..FRAMES)
            .map(|frame| moved(&picture, number as u32, frame))
            .collect();
        let grows: Vec<RgbImage> = (0..FRAMES).map(|frame| grown(&picture, frame)).collect();
        for (frames, there, back) in [(moves, "right", "left"), (grows, "grows", "shrinks")] {
            write(&frames.iter().collect::<Vec<_>>(), clips, there, number)?;
            write(
                &frames.iter().rev().collect::<Vec<_>>(),
                clips,
                back,
                number,
            )?;
        }
    }
    Ok(())
}

fn write(
    frames: &[&RgbImage],
    clips: &Path,
    class: &str,
    number: usize,
) -> Result<(), Box<dyn Error>> {
    let folder = clips.join(class).join(format!("{number}_{class}"));
    std::fs::create_dir_all(&folder)?;
    for (place, frame) in frames.iter().enumerate() {
        frame.save(folder.join(format!("{}.png", place + 1)))?;
    }
    Ok(())
}

/// A third as large as the frame, at its place on the way from the left to the right, at a height of its own.
fn moved(picture: &RgbImage, number: u32, frame: u32) -> RgbImage {
    let size = SIDE / 3;
    let x = (SIDE - size) * frame / (FRAMES - 1);
    let y = (SIDE - size) * (number * 37 % 100) / 100;
    placed(picture, size, x, y)
}

/// In the middle, from a fifth of the frame to nine tenths.
fn grown(picture: &RgbImage, frame: u32) -> RgbImage {
    let size = SIDE / 5 + (SIDE * 9 / 10 - SIDE / 5) * frame / (FRAMES - 1);
    let edge = (SIDE - size) / 2;
    placed(picture, size, edge, edge)
}

fn placed(picture: &RgbImage, size: u32, x: u32, y: u32) -> RgbImage {
    let mut frame = RgbImage::from_pixel(SIDE, SIDE, Rgb([255; 3]));
    let small = resize(picture, size, size, FilterType::Triangle);
    overlay(&mut frame, &small, i64::from(x), i64::from(y));
    frame
}
