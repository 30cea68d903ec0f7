//! What is counted, and its text for Prometheus (exposition format 0.0.4). Owns names and buckets; docs/serving.md says what they mean.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Bounds of times in seconds.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Bounds of numbers of images.
const IMAGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The content type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a service has done so far.
#[derive(Debug)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, u16), u64>>,
    running: AtomicU64,
    request_seconds: Histogram,
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    abandoned: AtomicU64,
    batch_images: Histogram,
    batch_seconds: Histogram,
    decode_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            running: AtomicU64::default(),
            request_seconds: Histogram::new(&SECONDS),
            answered: AtomicU64::default(),
            refused: AtomicU64::default(),
            failed: AtomicU64::default(),
            abandoned: AtomicU64::default(),
            batch_images: Histogram::new(&IMAGES),
            batch_seconds: Histogram::new(&SECONDS),
            decode_seconds: Histogram::new(&SECONDS),
        }
    }
}

/// A request that runs, until it is dropped: answered, or given up by its client.
#[derive(Debug)]
pub(crate) struct RunningRequest<'a>(&'a AtomicU64);

impl Drop for RunningRequest<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub(crate) fn begin(&self) -> RunningRequest<'_> {
        self.running.fetch_add(1, Ordering::Relaxed);
        RunningRequest(&self.running)
    }

    pub(crate) fn request(&self, route: &str, status: u16, elapsed: Duration) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.into(), status)).or_default() += 1;
        drop(requests);
        self.request_seconds.add(elapsed.as_secs_f64());
    }

    pub(crate) fn decoded(&self, elapsed: Duration) {
        self.decode_seconds.add(elapsed.as_secs_f64());
    }

    pub(crate) fn image_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn image_abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn image_answered(&self, well: bool) {
        let counter = if well { &self.answered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn batch(&self, images: usize, elapsed: Duration) {
        self.batch_images.add(images as f64);
        self.batch_seconds.add(elapsed.as_secs_f64());
    }

    /// Seconds that the model takes for an image, on average; 0 before the first.
    pub(crate) fn seconds_per_image(&self) -> f64 {
        let images = self.batch_images.sum();
        match images > 0.0 {
            true => self.batch_seconds.sum() / images,
            false => 0.0,
        }
    }

    /// The text, with so many images waiting of so many that may.
    pub(crate) fn text(&self, model: &str, waiting: usize, room: usize) -> String {
        let mut text = String::new();
        let version = env!("CARGO_PKG_VERSION");
        let labels = format!(
            "model=\"{}\",version=\"{}\"",
            escaped(model),
            escaped(version)
        );
        let mut family = |name: &str, kind: &str, help: &str, lines: &[(String, String)]| {
            let _ = writeln!(
                text,
                "# HELP rekindle_{name} {help}\n# TYPE rekindle_{name} {kind}"
            );
            for (labels, value) in lines {
                let _ = match labels.is_empty() {
                    true => writeln!(text, "rekindle_{name} {value}"),
                    false => writeln!(text, "rekindle_{name}{{{labels}}} {value}"),
                };
            }
        };
        let plain = |value: u64| vec![(String::new(), value.to_string())];
        family(
            "model_info",
            "gauge",
            "The model that is served.",
            &[(labels, "1".into())],
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = requests
            .iter()
            .map(|((route, status), count)| {
                let labels = format!("route=\"{}\",status=\"{status}\"", escaped(route));
                (labels, count.to_string())
            })
            .collect();
        drop(requests);
        family(
            "requests_total",
            "counter",
            "Requests that were answered.",
            &lines,
        );
        family(
            "requests_running",
            "gauge",
            "Requests whose head has come and that are not answered yet.",
            &plain(self.running.load(Ordering::Relaxed)),
        );
        let results = [
            ("answered", &self.answered),
            ("refused", &self.refused),
            ("failed", &self.failed),
            ("abandoned", &self.abandoned),
        ];
        let lines = results.map(|(name, counter)| {
            let count = counter.load(Ordering::Relaxed);
            (format!("result=\"{name}\""), count.to_string())
        });
        family(
            "images_total",
            "counter",
            "Images that were accepted, by what became of them.",
            &lines,
        );
        family(
            "queue_images",
            "gauge",
            "Images that are accepted and not answered yet.",
            &plain(waiting as u64),
        );
        family(
            "queue_images_limit",
            "gauge",
            "Most of them; beyond, requests get 503.",
            &plain(room as u64),
        );
        let histograms = [
            (
                "request_seconds",
                "Time from a request's head to its answer.",
                &self.request_seconds,
            ),
            (
                "decode_seconds",
                "Time to decode and resize an image.",
                &self.decode_seconds,
            ),
            (
                "batch_seconds",
                "Time of the model for a batch.",
                &self.batch_seconds,
            ),
            ("batch_images", "Images of a batch.", &self.batch_images),
        ];
        for (name, help, histogram) in histograms {
            histogram.write(&mut text, name, help);
        }
        text
    }
}

/// How many values lie at or below each of some bounds, and their sum.
#[derive(Debug)]
struct Histogram {
    bounds: &'static [f64],
    /// Of each bound those that are above the one before; the last is of those above all.
    counts: Vec<AtomicU64>,
    /// In millionths.
    sum: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::default()).collect(),
            sum: AtomicU64::default(),
        }
    }

    fn add(&self, value: f64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let millionths = (value * 1e6).round() as u64;
        self.sum.fetch_add(millionths, Ordering::Relaxed);
    }

    fn sum(&self) -> f64 {
        self.sum.load(Ordering::Relaxed) as f64 / 1e6
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        let _ = writeln!(
            text,
            "# HELP rekindle_{name} {help}\n# TYPE rekindle_{name} histogram"
        );
        let mut count = 0;
        for (place, bucket) in self.counts.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = self.bounds.get(place).map(f64::to_string);
            let bound = bound.as_deref().unwrap_or("+Inf");
            let _ = writeln!(text, "rekindle_{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = self.sum();
        let _ = writeln!(
            text,
            "rekindle_{name}_sum {sum}\nrekindle_{name}_count {count}"
        );
    }
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_all_below_them_and_the_last_one_all() {
        let metrics = Metrics::default();
        for images in [1, 2, 3, 300] {
            metrics.batch(images, Duration::from_millis(images as u64));
        }
        let text = metrics.text("m", 3, 9);
        for line in [
            "rekindle_batch_images_bucket{le=\"1\"} 1",
            "rekindle_batch_images_bucket{le=\"2\"} 2",
            "rekindle_batch_images_bucket{le=\"4\"} 3",
            "rekindle_batch_images_bucket{le=\"128\"} 3",
            "rekindle_batch_images_bucket{le=\"+Inf\"} 4",
            "rekindle_batch_images_sum 306",
            "rekindle_batch_images_count 4",
            "rekindle_batch_seconds_bucket{le=\"0.0025\"} 2",
            "rekindle_batch_seconds_sum 0.306",
            "rekindle_queue_images 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!((metrics.seconds_per_image() - 0.001).abs() < 1e-9);
    }

    #[test]
    fn names_of_models_cannot_end_a_label() {
        let text = Metrics::default().text("a \"b\" \\\nc", 0, 0);
        assert!(text.contains(r#"model="a \"b\" \\\nc","#), "{text}");
    }

    #[test]
    fn requests_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.request("/predict", 200, Duration::from_millis(3));
        metrics.request("/predict", 200, Duration::from_millis(3));
        metrics.request("(none)", 404, Duration::from_millis(3));
        let text = metrics.text("m", 0, 1);
        let line = "rekindle_requests_total{route=\"/predict\",status=\"200\"} 2";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("rekindle_request_seconds_count 3"), "{text}");
    }
}
