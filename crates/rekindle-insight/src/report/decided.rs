//! What decided, drawn over pictures: Grad-CAM of the run's model. Owns how long that may take; a report does without where it cannot be had.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rekindle_augment::{DecodeLimits, RgbImage, shown};
use rekindle_model::{Predictor, device_from_name};

use crate::explain::{ExplainOptions, Explainer, overlay};
use crate::source::Source;

/// No picture is begun after this; a large network on two cores draws fewer than there are.
const LONGEST: Duration = Duration::from_secs(10);

/// A run's model, ready to be asked.
pub struct Decided {
    explainer: Explainer,
    end: Instant,
}

impl Decided {
    /// The model of a run; none where there is none, or none that this program can load.
    pub fn of(run: &Source) -> Option<Self> {
        let end = Instant::now() + LONGEST;
        let path = run.directory.join("model.safetensors");
        if !path.is_file() {
            return None;
        }
        let load = || {
            let device = device_from_name("cpu").ok()?;
            let model = Predictor::load(&path, &device).ok()?;
            Explainer::new(model, ExplainOptions::default()).ok()
        };
        let explainer = catch_unwind(load).ok()??;
        Some(Self { explainer, end })
    }

    /// How pictures are decoded for it.
    pub fn limits(&self) -> DecodeLimits {
        let preprocessing = &self.explainer.model().info().preprocessing;
        preprocessing.limits_over(DecodeLimits::of_own_files())
    }

    /// What the network sees of a picture, and over it what decided for this answer; where it is no single class, for what it holds for
    /// the most probable, or for its first number. With the name of what is shown.
    pub fn draw(&self, picture: &RgbImage, predicted: &str) -> Option<(RgbImage, String)> {
        if Instant::now() > self.end {
            return None;
        }
        let model = self.explainer.model();
        let place = model
            .info()
            .classes
            .iter()
            .position(|name| name == predicted);
        let draw = || {
            let views = model.views_of_image(picture);
            let explanation = self.explainer.explain_views(&views, place).ok()?;
            let map = explanation.maps.first()?;
            let channels = model.info().preprocessing.channels();
            let shown = shown(views.first(), channels);
            Some((overlay(&shown, &map.map), explanation.name))
        };
        // The result is there, whatever becomes of its pictures.
        catch_unwind(AssertUnwindSafe(draw)).ok()?
    }
}
