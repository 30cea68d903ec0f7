//! The figures of `rekindle bench` as text of at most 80 columns.

use rekindle_insight::{BenchReport, BenchSettings, Machine, Speed};

use super::words;

/// Widths of the columns: 80 with two spaces between them.
const NAME: usize = 28;
const SPEED: usize = 19;
const MEMORY: usize = 8;

/// The machine, what is measured, and the headings.
pub fn header(machine: &Machine, settings: &BenchSettings) -> String {
    let where_ = format!(
        " ({}), {}, device {}, {}",
        machine.simd,
        words::count(machine.threads, "thread", "threads"),
        settings.device,
        settings.precision.name()
    );
    let room = 80usize.saturating_sub(where_.chars().count());
    let processor = words::cut_back(&words::clean(&machine.processor), room);
    let size = settings.size_pixels;
    let runs = match settings.runs {
        1 => "one run".to_owned(),
        runs => format!("median and quartiles of {runs} runs"),
    };
    format!(
        "{processor}{where_}\n{} of {size}x{size} at once; {runs}\n\n{}\n",
        words::count(settings.batch_images, "image", "images"),
        line("images per second", "inference", "training", "memory"),
    )
}

/// The line of a backbone. Memory is the most that its process held in training.
pub fn row(report: &BenchReport) -> String {
    let speed = |speed: &Option<Speed>| speed.as_ref().map_or_else(|| "-".into(), speed_text);
    let memory = match (report.training_peak_memory_bytes, &report.training) {
        (Some(bytes), _) => format!("{:.2} GB", bytes as f64 / 1e9),
        (None, Some(_)) => "unknown".into(),
        (None, None) => "-".into(),
    };
    let figures = line(
        &words::cut_front(&report.architecture, NAME),
        &speed(&report.inference),
        &speed(&report.training),
        &memory,
    );
    let first = [
        ("inference", &report.inference),
        ("training", &report.training),
    ];
    let slow = first.into_iter().filter_map(|(what, speed)| {
        let seconds = speed.as_ref().filter(|speed| slow_at_first(speed))?;
        Some(format!("{what} {:.1} s", seconds.seconds_of_first_batch))
    });
    let slow: Vec<String> = slow.collect();
    match slow.is_empty() {
        true => figures,
        false => format!("{figures}\n  the first batch: {}", slow.join(", ")),
    }
}

/// Whether the first batch took so much longer than the others that who waits for it should know: on a GPU, while its kernels are compiled.
fn slow_at_first(speed: &Speed) -> bool {
    let batch = speed.seconds_per_batch.iter().sum::<f64>() / speed.seconds_per_batch.len() as f64;
    speed.seconds_of_first_batch > 1.0 && speed.seconds_of_first_batch > 2.0 * batch
}

fn line(name: &str, inference: &str, training: &str, memory: &str) -> String {
    format!("{name:<NAME$}  {inference:>SPEED$}  {training:>SPEED$}  {memory:>MEMORY$}")
}

/// `41.2 (40.9–41.3)`, or the one figure there is.
fn speed_text(speed: &Speed) -> String {
    let median = rate(speed.images_per_second_median);
    let [low, high] = speed.images_per_second_quartiles.map(rate);
    match speed.seconds_per_batch.len() {
        1 => median,
        _ => format!("{median} ({low}–{high})"),
    }
}

/// Three digits, or more before the point.
fn rate(images_per_second: f64) -> String {
    match images_per_second {
        0.0..10.0 => format!("{images_per_second:.2}"),
        10.0..100.0 => format!("{images_per_second:.1}"),
        _ => format!("{images_per_second:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> BenchReport {
        BenchReport {
            backbone: "tf_efficientnet_lite0.in1k".into(),
            architecture: "tf_efficientnet_lite0".into(),
            inference: Some(Speed::new(16, 0.5, vec![0.4, 0.39, 0.41])),
            training: Some(Speed::new(16, 0.5, vec![4.0])),
            training_peak_memory_bytes: Some(1_234_000_000),
            settings: BenchSettings::default(),
            machine: Machine {
                processor: "A processor".into(),
                simd: "avx2".into(),
                threads: 2,
            },
            version: "0.1.0".into(),
        }
    }

    #[test]
    fn the_header_names_the_machine_first() {
        let report = report();
        let text = header(&report.machine, &report.settings);
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some("A processor (avx2), 2 threads, device cpu, f32")
        );
        assert_eq!(
            lines.next(),
            Some("16 images of 224x224 at once; median and quartiles of 5 runs")
        );
    }

    #[test]
    fn a_row_has_what_was_measured() {
        let mut report = report();
        assert_eq!(
            row(&report),
            "tf_efficientnet_lite0            40.0 (39.5–40.5)                 4.00   1.23 GB"
        );
        if let Some(speed) = &mut report.inference {
            speed.seconds_of_first_batch = 12.34;
        }
        let text = row(&report);
        assert!(
            text.ends_with("1.23 GB\n  the first batch: inference 12.3 s"),
            "{text}"
        );
        report.inference = None;
        report.training_peak_memory_bytes = None;
        assert!(row(&report).ends_with("  unknown"));
        report.training = None;
        assert!(row(&report).ends_with("  -"));
    }

    #[test]
    fn nothing_is_wider_than_80_columns() {
        let mut report = report();
        report.machine.processor = "A maker's finest processor ".repeat(4);
        report.architecture = "tf_mobilenetv3_large_minimal_100".into();
        report.settings.batch_images = 1024;
        report.settings.size_pixels = 1024;
        report.inference = Some(Speed::new(16, 0.5, vec![0.001, 0.001_1]));
        report.training = Some(Speed::new(16, 0.5, vec![0.001, 0.001_1]));
        let text = header(&report.machine, &report.settings) + &row(&report);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        assert!(text.starts_with("A maker's"), "{text}");
        assert!(text.contains("…bilenetv3_large_minimal_100  "), "{text}");
    }
}
