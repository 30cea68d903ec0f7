//! A model with its threads and its room: from bytes to rows. Owns what is accepted and what is refused for want of room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::body::Bytes;
use axum::http::StatusCode;
use rekindle_augment::RgbImage;
use rekindle_model::{ImageViews, Predictor, Said};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::batcher::{Answer, BatchRule, Batcher, Waiting};
use crate::decoding::Decoding;
#[cfg(feature = "explain")]
use crate::explaining::Explaining;
use crate::metrics::Metrics;
use crate::options::{BODY_UNIT, ServeOptions};
use crate::workers::Workers;
use crate::{Refusal, ServeError};

/// An image of a request.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The name that the request gives it, which its answer repeats.
    pub name: Option<String>,
    /// The bytes of its file.
    pub bytes: Bytes,
}

/// A model that answers. Clones are the same one; with the last of them its threads end, once what they hold is answered.
#[derive(Debug, Clone)]
pub struct Service(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    // In this order they end: what is decoded still reaches the model.
    decoders: Workers,
    batcher: Batcher<ImageViews, Held, Said>,
    #[cfg(feature = "explain")]
    explaining: Explaining,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    options: ServeOptions,
    queue: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    stopping: AtomicBool,
}

/// What the threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub model: Arc<Predictor>,
    pub decoding: Decoding,
}

/// The place of an image in the queue.
type Held = OwnedSemaphorePermit;

impl Service {
    /// Starts the threads of a model, and runs it once on a black picture, so that no request waits for what a device does at first.
    ///
    /// # Errors
    ///
    /// A setting is out of range, the model does not run, or the system starts no more threads.
    pub fn new(
        model: impl Into<Arc<Predictor>>,
        options: ServeOptions,
    ) -> Result<Self, ServeError> {
        let options = options.checked()?;
        let shared = Arc::new(Shared {
            model: model.into(),
            decoding: Decoding::new(options.decode.clone()),
        });
        let [height, width] = shared.model.info().preprocessing.input_size;
        let black = RgbImage::new(width as u32, height as u32);
        shared.model.predict_images(&[black])?;
        let metrics = Arc::new(Metrics::default());
        let rule = BatchRule {
            images: options.batch_images,
            wait: options.batch_wait,
        };
        let predictor = Arc::clone(&shared.model);
        let predict = move |views: &[ImageViews]| predictor.said_of_views(views);
        Ok(Self(Arc::new(Inner {
            decoders: Workers::start("decode", options.decoders)?,
            batcher: Batcher::start(rule, Arc::clone(&metrics), predict)?,
            #[cfg(feature = "explain")]
            explaining: Explaining::start(&shared)?,
            queue: Arc::new(Semaphore::new(options.queue_images)),
            bodies: Arc::new(Semaphore::new(options.all_bodies_bytes / BODY_UNIT)),
            stopping: AtomicBool::new(false),
            shared,
            metrics,
            options,
        })))
    }

    /// The model.
    pub fn model(&self) -> &Predictor {
        &self.0.shared.model
    }

    /// Limits and manners.
    pub fn options(&self) -> &ServeOptions {
        &self.0.options
    }

    /// What it has done so far.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    #[cfg(feature = "explain")]
    pub(crate) fn explaining(&self) -> &Explaining {
        &self.0.explaining
    }

    /// What the model says of each image, in their order, or why it says nothing; the images become part of whatever batches are formed.
    ///
    /// ```no_run
    /// # async fn f(service: rekindle_serve::Service, bytes: Vec<u8>) -> Result<(), rekindle_serve::Refusal> {
    /// use rekindle_serve::Picture;
    ///
    /// let picture = Picture { name: None, bytes: bytes.into() };
    /// let said = service.predict(vec![picture]).await?.remove(0)?;
    /// println!("{:?}", service.model().info().classes.iter().zip(said.values).collect::<Vec<_>>());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// There are more images than a request may have, or more than there is room for now.
    pub async fn predict(&self, pictures: Vec<Picture>) -> Result<Vec<Answer<Said>>, Refusal> {
        let mut places = self.places(pictures.len())?;
        let mut answers = Vec::with_capacity(pictures.len());
        for picture in pictures {
            // As many as there are pictures.
            let Some(place) = places.split(1) else {
                break;
            };
            answers.push(self.submit(picture.bytes, place));
        }
        let mut rows = Vec::with_capacity(answers.len());
        for answer in answers {
            rows.push(answer.await.unwrap_or_else(|_| {
                Err(Refusal::own(
                    "the image was lost by a mistake of the service; its log says more",
                ))
            }));
        }
        Ok(rows)
    }

    fn places(&self, images: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let options = self.options();
        if images > options.request_images {
            return Err(Refusal::too_large(format!(
                "the request has {images} images, more than the limit of {}; send them in several requests",
                options.request_images
            )));
        }
        let places = Arc::clone(&self.0.queue).try_acquire_many_owned(images as u32);
        places.map_err(|_| {
            let seconds = self.waiting() as f64 * self.metrics().seconds_per_image();
            Refusal::busy(
                format!(
                    "{} images wait already, of {} that may; come again",
                    self.waiting(),
                    options.queue_images
                ),
                (seconds.ceil() as u64).min(60),
            )
        })
    }

    fn submit(&self, bytes: Bytes, place: Held) -> oneshot::Receiver<Answer<Said>> {
        let (reply, answer) = oneshot::channel();
        let Some(queue) = self.0.batcher.queue() else {
            return answer;
        };
        let (shared, metrics) = (Arc::clone(&self.0.shared), Arc::clone(&self.0.metrics));
        self.0.decoders.add(move || {
            if reply.is_closed() {
                metrics.image_abandoned();
                return;
            }
            let began = Instant::now();
            let views = shared.decoding.views(&shared.model, &bytes);
            drop(bytes);
            metrics.decoded(began.elapsed());
            match views {
                Ok(views) => {
                    let held = place;
                    let _ = queue.send(Waiting { views, reply, held });
                }
                Err(error) => {
                    metrics.image_refused();
                    drop(place);
                    let _ = reply.send(Err(Refusal::of(&error)));
                }
            }
        });
        answer
    }

    /// Room for so many bytes of a body, kept until it is dropped.
    pub(crate) fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let units = bytes.div_ceil(BODY_UNIT).max(1) as u32;
        let room = Arc::clone(&self.0.bodies).try_acquire_many_owned(units);
        room.map_err(|_| Refusal::busy("too many requests are being read; come again", 1))
    }

    /// Images that are accepted and not answered yet.
    pub fn waiting(&self) -> usize {
        self.options().queue_images - self.0.queue.available_permits()
    }

    /// Whether requests are answered: the model runs, and nobody has asked to stop.
    pub fn is_ready(&self) -> bool {
        !self.0.stopping.load(Ordering::SeqCst) && self.0.batcher.is_alive()
    }

    /// Says at `/ready` from now on that no more requests should come.
    pub fn stop_soon(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
    }

    /// An answer in time, or 504.
    pub(crate) async fn in_time<T>(
        &self,
        began: Instant,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let whole = self.options().timeout;
        let left = whole.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, work).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::new(
                StatusCode::GATEWAY_TIMEOUT,
                format!(
                    "there was no answer within {} s; send fewer images, or come again when there is less to do",
                    whole.as_secs_f64()
                ),
            )),
        }
    }
}
