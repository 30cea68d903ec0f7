//! What a service may take, and whom it answers. Owns defaults and their checks.

use std::fmt;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use rekindle_augment::DecodeLimits;
use rekindle_settings::SettingError;

/// Limits and manners of a service.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// What `/model` calls the model. Default `model`.
    pub name: String,
    /// Most images that the model is run on at once. Default 32.
    pub batch_images: usize,
    /// How long a batch that is not full waits for more images. Default 0: the model is never idle while one waits, and batches grow by
    /// themselves under load.
    pub batch_wait: Duration,
    /// Most images that are accepted and not answered yet; beyond, requests get 503 with `Retry-After`. Default 256.
    pub queue_images: usize,
    /// Threads that decode. Default one per core.
    pub decoders: usize,
    /// Most bytes of a request's body. Default 32 MiB.
    pub body_bytes: usize,
    /// Most bytes of all bodies that are held at a time; beyond, requests get 503. Default 512 MiB, and never less than
    /// [`body_bytes`](Self::body_bytes).
    pub all_bodies_bytes: usize,
    /// Most images of a request. Default 64, and never more than [`queue_images`](Self::queue_images).
    pub request_images: usize,
    /// What decoding an image may take. Default [`DecodeLimits::default`], which is for strangers' files. The range of samples is the model's.
    pub decode: DecodeLimits,
    /// How long a request may take from its first byte to its answer. Default 30 s.
    pub timeout: Duration,
    /// Most connections at a time; others wait to be accepted. Default 1024.
    pub connections: usize,
    /// Names that a request's `Host` may have, without port; none for any. `localhost` and addresses of the machine itself are always
    /// taken. Default none; a program that listens on a loopback address alone should give an empty list, so that no web page elsewhere
    /// reaches it under a name of its own (DNS rebinding).
    pub allowed_hosts: Option<Vec<String>>,
    /// Origins, such as `https://example.com`, whose pages may send requests and read answers (CORS); `*` for any. Default none.
    pub allowed_origins: Vec<String>,
    /// What is told of each request.
    pub log: Option<RequestLog>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            name: "model".into(),
            batch_images: 32,
            batch_wait: Duration::ZERO,
            queue_images: 256,
            decoders: available_parallelism().map_or(1, NonZero::get),
            body_bytes: 32 << 20,
            all_bodies_bytes: 512 << 20,
            request_images: 64,
            decode: DecodeLimits::default(),
            timeout: Duration::from_secs(30),
            connections: 1024,
            allowed_hosts: None,
            allowed_origins: Vec::new(),
            log: None,
        }
    }
}

/// Bytes of bodies are counted in such parts.
pub(crate) const BODY_UNIT: usize = 1 << 10;

impl ServeOptions {
    /// Checks the numbers and origins, and brings those that depend on others into their range.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] with the field's name.
    pub fn checked(mut self) -> Result<Self, SettingError> {
        let numbers = [
            ("batch_images", self.batch_images),
            ("queue_images", self.queue_images),
            ("decoders", self.decoders),
            ("body_bytes", self.body_bytes),
            ("request_images", self.request_images),
            ("connections", self.connections),
        ];
        if let Some((name, number)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(SettingError::new(name, number, "at least 1"));
        }
        if self.timeout.is_zero() {
            return Err(SettingError::new("timeout", 0, "more than 0 s"));
        }
        // As many as a semaphore of tokio counts.
        let most = (u32::MAX >> 3) as usize;
        if self.queue_images > most {
            let expected = format!("at most {most}");
            return Err(SettingError::new(
                "queue_images",
                self.queue_images,
                expected,
            ));
        }
        if self.body_bytes.div_ceil(BODY_UNIT) > most {
            let expected = format!("at most {most} KiB");
            return Err(SettingError::new("body_bytes", self.body_bytes, expected));
        }
        let is_origin = |origin: &String| {
            let host = ["http://", "https://"]
                .iter()
                .find_map(|scheme| origin.strip_prefix(scheme));
            origin == "*" || host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
        };
        for origin in &mut self.allowed_origins {
            *origin = origin.trim_end_matches('/').to_ascii_lowercase();
            if !is_origin(origin) {
                return Err(SettingError::new(
                    "allowed_origins",
                    &*origin,
                    "scheme and host, such as https://example.com, or *",
                ));
            }
        }
        for host in self.allowed_hosts.iter_mut().flatten() {
            *host = host.to_ascii_lowercase();
        }
        self.all_bodies_bytes = self
            .all_bodies_bytes
            .clamp(self.body_bytes, most * BODY_UNIT);
        self.request_images = self.request_images.min(self.queue_images);
        self.decode.row_factor = 1;
        Ok(self)
    }
}

/// What happened to a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestRecord<'a> {
    /// `GET` or the like; `?` for a method of no standard.
    pub method: &'a str,
    /// The route as the router knows it, such as `/predict`, or `(none)`: never what a stranger wrote.
    pub route: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// How long it took.
    pub elapsed: Duration,
    /// Why it was refused.
    pub reason: Option<&'a str>,
}

/// Is told of each request once it is answered.
#[derive(Clone)]
pub struct RequestLog(Arc<dyn Fn(&RequestRecord) + Send + Sync>);

impl RequestLog {
    /// One that calls a function, on whichever thread has answered.
    pub fn new(tell: impl Fn(&RequestRecord) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, record: &RequestRecord) {
        (self.0)(record);
    }
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestLog")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_nothing_and_origins_that_are_none_are_refused_by_name() {
        let with = |change: fn(&mut ServeOptions)| {
            let mut options = ServeOptions::default();
            change(&mut options);
            options.checked().unwrap_err().to_string()
        };
        assert!(with(|options| options.batch_images = 0).contains("`batch_images` is 0"));
        assert!(with(|options| options.timeout = Duration::ZERO).contains("`timeout`"));
        let error = with(|options| options.allowed_origins = vec!["example.com".into()]);
        assert!(
            error.contains("example.com") && error.contains("https://"),
            "{error}"
        );
    }

    #[test]
    fn a_request_may_not_have_more_images_than_the_queue() {
        let options = ServeOptions {
            queue_images: 4,
            body_bytes: 1 << 30,
            ..ServeOptions::default()
        };
        let options = options.checked().unwrap();
        assert_eq!(options.request_images, 4);
        assert_eq!(options.all_bodies_bytes, 1 << 30);
    }

    #[test]
    fn files_of_strangers_never_get_the_room_of_ones_own() {
        let mut options = ServeOptions::default();
        options.decode.row_factor = DecodeLimits::OWN_FILES;
        assert_eq!(options.checked().unwrap().decode.row_factor, 1);
    }
}
