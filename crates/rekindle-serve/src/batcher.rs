//! Batches: what waits for the model, and the one thread that runs it.
//!
//! A batch is what has been decoded while the batch before was computed, up to a number: alone, an image is computed at once; under load
//! batches grow by themselves. Owns that each answer goes to the one who asked, and that an image whose outputs are wrong takes no other
//! one's answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use rekindle_model::ModelError;
use tokio::sync::oneshot;

use crate::metrics::Metrics;
use crate::{Refusal, ServeError};

/// What the model says of an image, or why it says nothing.
pub(crate) type Answer<R> = Result<R, Refusal>;

/// An image that waits for the model; `T` is what the model sees of it, `R` what it says, and `held` is kept until it is answered.
#[derive(Debug)]
pub(crate) struct Waiting<T, H, R> {
    pub views: T,
    pub reply: oneshot::Sender<Answer<R>>,
    pub held: H,
}

/// How large batches become.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchRule {
    /// Most images.
    pub images: usize,
    /// How long one that is not full waits.
    pub wait: Duration,
}

/// The thread that runs the model.
#[derive(Debug)]
pub(crate) struct Batcher<T, H, R> {
    queue: Option<Sender<Waiting<T, H, R>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static, H: Send + 'static, R: Send + 'static> Batcher<T, H, R> {
    /// Starts it; `predict` gives one for each image.
    ///
    /// # Errors
    ///
    /// The system starts no more threads.
    pub fn start(
        rule: BatchRule,
        metrics: Arc<Metrics>,
        predict: impl Fn(&[T]) -> Result<Vec<R>, ModelError> + Send + 'static,
    ) -> Result<Self, ServeError> {
        let (queue, waiting) = channel();
        let thread = Builder::new()
            .name("model".into())
            .spawn(move || run(&waiting, rule, &metrics, &predict))
            .map_err(ServeError::Thread)?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    /// What images are given to.
    pub fn queue(&self) -> Option<Sender<Waiting<T, H, R>>> {
        self.queue.clone()
    }

    /// Whether the thread runs.
    pub fn is_alive(&self) -> bool {
        self.thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
    }
}

impl<T, H, R> Drop for Batcher<T, H, R> {
    /// Waits for the images that are left. Every other sender must be gone.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run<T, H, R>(
    waiting: &Receiver<Waiting<T, H, R>>,
    rule: BatchRule,
    metrics: &Metrics,
    predict: &impl Fn(&[T]) -> Result<Vec<R>, ModelError>,
) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        let end = Instant::now() + rule.wait;
        while batch.len() < rule.images {
            let left = end.saturating_duration_since(Instant::now());
            match waiting.recv_timeout(left) {
                Ok(next) => batch.push(next),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        // Nobody waits for these any more.
        batch.retain(|image| {
            let wanted = !image.reply.is_closed();
            if !wanted {
                metrics.image_abandoned();
            }
            wanted
        });
        if !batch.is_empty() {
            answer(batch, metrics, predict);
        }
    }
}

fn answer<T, H, R>(
    batch: Vec<Waiting<T, H, R>>,
    metrics: &Metrics,
    predict: &impl Fn(&[T]) -> Result<Vec<R>, ModelError>,
) {
    let began = Instant::now();
    let (mut views, mut others) = (Vec::new(), Vec::new());
    for image in batch {
        views.push(image.views);
        others.push((image.reply, image.held));
    }
    let answers = match guarded(&views, predict) {
        Ok(rows) => rows.into_iter().map(Ok).collect(),
        Err(refusal) if views.len() == 1 => vec![Err(refusal)],
        // One of them is at fault: each alone.
        Err(_) => views
            .chunks(1)
            .map(|one| guarded(one, predict).map(|mut rows| rows.remove(0)))
            .collect::<Vec<Answer<R>>>(),
    };
    metrics.batch(views.len(), began.elapsed());
    for ((reply, held), answer) in others.into_iter().zip(answers) {
        metrics.image_answered(answer.is_ok());
        // Room is there again before the client can know of its answer.
        drop(held);
        let _ = reply.send(answer);
    }
}

/// As many rows as images, or why there are none; a panic, which is a mistake in a backend, is an error too.
fn guarded<T, R>(
    views: &[T],
    predict: &impl Fn(&[T]) -> Result<Vec<R>, ModelError>,
) -> Result<Vec<R>, Refusal> {
    match catch_unwind(AssertUnwindSafe(|| predict(views))) {
        Ok(Ok(rows)) if rows.len() == views.len() => Ok(rows),
        Ok(Ok(rows)) => Err(Refusal::own(format!(
            "the model gave {} rows for {} images",
            rows.len(),
            views.len()
        ))),
        Ok(Err(error)) => Err(Refusal::of(&error)),
        Err(_) => Err(Refusal::own(
            "the model stopped at this image with an error of its own; the log of the service says more",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    type Row = Vec<f32>;

    fn rule(images: usize) -> BatchRule {
        BatchRule {
            images,
            wait: Duration::ZERO,
        }
    }

    fn ask(batcher: &Batcher<u32, (), Row>, number: u32) -> oneshot::Receiver<Answer<Row>> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            views: number,
            reply,
            held: (),
        };
        batcher.queue().unwrap().send(waiting).unwrap();
        answer
    }

    fn not_finite() -> ModelError {
        ModelError::NotFinite {
            image: 0,
            output: "cat".into(),
            value: f32::NAN,
        }
    }

    #[test]
    fn what_comes_while_the_model_is_busy_is_one_batch() {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let (go, gate) = channel::<()>();
        let (seen, gate) = (Arc::clone(&sizes), Mutex::new(gate));
        let metrics = Arc::new(Metrics::default());
        let batcher = Batcher::start(rule(4), Arc::clone(&metrics), move |views: &[u32]| {
            seen.lock().unwrap().push(views.len());
            gate.lock().unwrap().recv().unwrap();
            Ok(views.iter().map(|view| vec![*view as f32]).collect())
        })
        .unwrap();
        let first = ask(&batcher, 0);
        while sizes.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        let rest: Vec<_> = (1..=6).map(|number| ask(&batcher, number)).collect();
        for _ in 0..3 {
            go.send(()).unwrap();
        }
        assert_eq!(first.blocking_recv().unwrap(), Ok(vec![0.0]));
        for (number, answer) in (1..).zip(rest) {
            assert_eq!(answer.blocking_recv().unwrap(), Ok(vec![number as f32]));
        }
        assert_eq!(*sizes.lock().unwrap(), [1, 4, 2]);
    }

    #[test]
    fn an_image_that_fails_or_panics_takes_no_other_ones_answer() {
        let (go, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let metrics = Arc::new(Metrics::default());
        let batcher = Batcher::start(rule(8), metrics, move |views: &[u32]| {
            if views == [100] {
                gate.lock().unwrap().recv().unwrap();
            }
            if views.contains(&2) {
                return Err(not_finite());
            }
            if views.contains(&3) {
                std::panic::resume_unwind(Box::new("a mistake"));
            }
            Ok(views.iter().map(|view| vec![*view as f32]).collect())
        })
        .unwrap();
        let first = ask(&batcher, 100);
        let answers: Vec<_> = (0..5).map(|number| ask(&batcher, number)).collect();
        // Those whose client has gone are not computed.
        drop(ask(&batcher, 9));
        go.send(()).unwrap();
        assert!(first.blocking_recv().unwrap().is_ok());
        let answers: Vec<Answer<Row>> = answers
            .into_iter()
            .map(|answer| answer.blocking_recv().unwrap())
            .collect();
        for number in [0, 1, 4] {
            assert_eq!(answers[number], Ok(vec![number as f32]));
        }
        for number in [2, 3] {
            let refusal = answers[number].clone().unwrap_err();
            assert_eq!(refusal.status.as_u16(), 500);
        }
        assert!(batcher.is_alive());
    }

    #[test]
    fn what_waits_is_answered_before_the_thread_ends() {
        let metrics = Arc::new(Metrics::default());
        let batcher = Batcher::start(rule(2), metrics, |views: &[u32]| {
            Ok(views.iter().map(|view| vec![*view as f32]).collect())
        })
        .unwrap();
        let answers: Vec<_> = (0..50).map(|number| ask(&batcher, number)).collect();
        drop(batcher);
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.blocking_recv().unwrap(), Ok(vec![number as f32]));
        }
    }
}
