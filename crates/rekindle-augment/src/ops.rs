//! The built-in transforms.
//!
//! Owns: the list of transforms that a recipe can name, and what each of them must provide. One transform is one file here
//! and one line in the list below.

mod affine;
mod aug_mix;
mod auto_augment;
mod auto_contrast;
mod blend;
mod box_blur;
mod brightness;
mod centre_crop;
mod channel_drop;
mod channel_shuffle;
mod colour_jitter;
mod contrast;
mod convolve;
mod custom;
mod edges;
mod elastic;
mod equalise;
mod five_crop;
mod framing;
mod gamma;
mod gaussian_blur;
mod gaussian_noise;
mod greyscale;
mod grid_distortion;
mod horizontal_flip;
mod hue;
mod invert;
mod jpeg_artefacts;
mod lookup;
mod motion_blur;
mod nested;
mod one_of;
mod pad;
mod perspective;
mod policy;
mod posterise;
mod rand_augment;
mod random_crop;
mod random_erasing;
mod random_resized_crop;
mod repeat;
mod rotation;
mod salt_and_pepper;
mod saturation;
mod sequence;
mod sharpen;
mod solarise;
mod some_of;
mod trivial_augment;
mod uniform_noise;
mod vertical_flip;
mod warp;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

pub use self::affine::{Affine, AffineParameters, affine};
pub use self::aug_mix::AugMix;
pub use self::auto_augment::{AutoAugment, IMAGENET_POLICY, PolicyStep};
pub use self::auto_contrast::{AutoContrast, auto_contrast};
pub use self::box_blur::{BoxBlur, box_blur};
pub use self::brightness::{Brightness, adjust_brightness};
pub use self::centre_crop::{CentreCrop, centre_crop};
pub use self::channel_drop::ChannelDrop;
pub use self::channel_shuffle::ChannelShuffle;
pub use self::colour_jitter::ColourJitter;
pub use self::contrast::{Contrast, adjust_contrast};
pub use self::custom::Custom;
pub use self::edges::{EdgeFilter, Edges, laplacian, sobel};
pub use self::elastic::{Elastic, elastic};
pub use self::equalise::{Equalise, equalise};
pub use self::five_crop::{FiveCrop, five_crop};
pub use self::gamma::{Gamma, adjust_gamma};
pub use self::gaussian_blur::{GaussianBlur, gaussian_blur};
pub use self::gaussian_noise::GaussianNoise;
pub use self::greyscale::{Greyscale, greyscale};
pub use self::grid_distortion::{GridDistortion, grid_distortion};
pub use self::horizontal_flip::HorizontalFlip;
pub use self::hue::{Hue, adjust_hue};
pub use self::invert::{Invert, invert};
pub use self::jpeg_artefacts::{ChromaSubsampling, JpegArtefacts, jpeg_artefacts};
pub use self::motion_blur::{MotionBlur, motion_blur};
pub use self::one_of::OneOf;
pub use self::pad::{Pad, PaddingMode, pad};
pub use self::perspective::{Perspective, perspective};
pub use self::policy::{PolicyOperation, PolicySpace};
pub use self::posterise::{Posterise, posterise};
pub use self::rand_augment::RandAugment;
pub use self::random_crop::RandomCrop;
pub use self::random_erasing::{ErasedContent, RandomErasing, erase};
pub use self::random_resized_crop::RandomResizedCrop;
pub use self::repeat::Repeat;
pub use self::rotation::{Rotation, rotate};
pub use self::salt_and_pepper::SaltAndPepper;
pub use self::saturation::{Saturation, adjust_saturation};
pub use self::sequence::Sequence;
pub use self::sharpen::{Sharpen, adjust_sharpness};
pub use self::solarise::{Solarise, solarise};
pub use self::some_of::SomeOf;
pub use self::trivial_augment::TrivialAugment;
pub use self::uniform_noise::UniformNoise;
pub use self::vertical_flip::VerticalFlip;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// What the settings of a built-in transform provide that holds no other transforms.
trait Operation: Debug {
    /// Checks every setting; an error names the key as `operation.key`.
    fn check(&self) -> Result<(), AugmentError>;

    /// The transform with these settings, which have passed the check.
    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform>;

    /// Whether the result has the input size of the backbone whatever comes in.
    fn yields_final_size(&self) -> bool {
        false
    }
}

/// What every entry of a recipe's list provides: an [`Operation`], or what holds other transforms.
trait Entry: Debug {
    /// Checks every setting, also of transforms inside.
    fn check(&self) -> Result<(), AugmentError>;

    /// The transform with these settings, which have passed the check.
    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError>;

    /// Whether the result has the input size of the backbone whatever comes in.
    fn yields_final_size(&self) -> bool;
}

impl<T: Operation> Entry for T {
    fn check(&self) -> Result<(), AugmentError> {
        Operation::check(self)
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        _: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        Ok(Operation::build(self, preprocessing))
    }

    fn yields_final_size(&self) -> bool {
        Operation::yields_final_size(self)
    }
}

macro_rules! transform_specs {
    ($($(#[$doc:meta])* $name:ident,)+ ; $($(#[$nested_doc:meta])* $nested:ident,)+) => {
        /// One transform of a recipe: its name under `op`, and its settings.
        ///
        /// ```
        /// use rekindle_augment::TransformSpec;
        ///
        /// let spec: TransformSpec = serde_json::from_str(r#"{"op": "rotation", "degrees": 10.0}"#)?;
        /// spec.check()?;
        /// assert!(serde_json::from_str::<TransformSpec>(r#"{"op": "rotation", "degree": 10.0}"#).is_err());
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op", rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum TransformSpec {
            $($(#[$doc])* $name($name),)+
            $($(#[$nested_doc])* $nested($nested),)+
        }

        impl TransformSpec {
            /// Every transform that needs no settings, with its defaults, in the order of this list.
            ///
            /// ```
            /// use rekindle_augment::TransformSpec;
            ///
            /// assert!(TransformSpec::all().iter().all(|spec| spec.check().is_ok()));
            /// ```
            pub fn all() -> Vec<Self> {
                vec![$(Self::$name($name::default()),)+]
            }

            fn entry(&self) -> &dyn Entry {
                match self {
                    $(Self::$name(entry) => entry,)+
                    $(Self::$nested(entry) => entry,)+
                }
            }
        }
    };
}

transform_specs! {
    /// A random part of the image, resized to the input size.
    RandomResizedCrop,
    /// Left and right exchanged.
    HorizontalFlip,
    /// Top and bottom exchanged.
    VerticalFlip,
    /// A turn about the centre.
    Rotation,
    /// A shift, zoom, shear and turn about the centre.
    Affine,
    /// The middle of the image, of the input size.
    CentreCrop,
    /// Pixels moved by a smooth random field.
    Elastic,
    /// One of the four corners or the middle of the image, of the input size.
    FiveCrop,
    /// Columns and rows made wider and narrower.
    GridDistortion,
    /// A border around the image, which grows by it.
    Pad,
    /// The image seen from an angle.
    Perspective,
    /// A random part of the image, of the input size and at one scale.
    RandomCrop,
    /// Random boxes erased.
    RandomErasing,
    /// Every value times a factor.
    Brightness,
    /// The distance of every value from the mean grey times a factor.
    Contrast,
    /// The distance of every pixel from its own grey times a factor.
    Saturation,
    /// Colour removed.
    Greyscale,
    /// The colour circle turned.
    Hue,
    /// Brightness, contrast, saturation and hue in random order.
    ColourJitter,
    /// Every value to a power.
    Gamma,
    /// The negative.
    Invert,
    /// Fewer levels of each channel.
    Posterise,
    /// Bright values inverted.
    Solarise,
    /// An even histogram of each channel.
    Equalise,
    /// The whole range of each channel.
    AutoContrast,
    /// The channels in another order.
    ChannelShuffle,
    /// One channel lost.
    ChannelDrop,
    /// The distance of every pixel from its smoothed self times a factor.
    Sharpen,
    /// Neighbours mixed by a Gaussian.
    GaussianBlur,
    /// Neighbours mixed evenly.
    BoxBlur,
    /// Neighbours mixed along a line.
    MotionBlur,
    /// The image blended with its outlines.
    Edges,
    /// Noise of a bell curve.
    GaussianNoise,
    /// Noise that is even within its bounds.
    UniformNoise,
    /// Noise of dead pixels.
    SaltAndPepper,
    /// The blocks and ringing of strong compression.
    JpegArtefacts,
    /// The pairs of operations that AutoAugment found on ImageNet.
    AutoAugment,
    /// A number of random operations at one magnitude.
    RandAugment,
    /// One random operation at a random magnitude.
    TrivialAugment,
    /// The image mixed with changed versions of itself.
    AugMix,
    ;
    // What means nothing without settings.
    /// Several transforms, all or none.
    Sequence,
    /// One of several transforms.
    OneOf,
    /// Some of several transforms.
    SomeOf,
    /// The same transforms several times.
    Repeat,
    /// A transform of the user's own.
    Custom,
}

impl TransformSpec {
    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`AugmentError::InvalidSetting`] that names the first wrong key.
    pub fn check(&self) -> Result<(), AugmentError> {
        self.entry().check()
    }

    /// The transform, for a backbone with this preprocessing.
    ///
    /// The preprocessing supplies what the settings leave open: the final size, the filter and the colour of empty pixels.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`AugmentError::UnknownCustomTransform`] for a `custom` one, which needs [`Self::build_with`].
    pub fn build(&self, preprocessing: &Preprocessing) -> Result<Box<dyn Transform>, AugmentError> {
        self.build_with(preprocessing, &TransformRegistry::default())
    }

    /// As [`Self::build`], with transforms of the program's own for those that are named `custom`.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`AugmentError::UnknownCustomTransform`] for a name that is not registered, with those that are;
    /// [`AugmentError::CustomTransform`] for settings that the registered transform does not take.
    pub fn build_with(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        self.check()?;
        self.entry().build(preprocessing, registry)
    }

    /// Whether the result has the input size of the backbone whatever comes in.
    pub fn yields_final_size(&self) -> bool {
        self.entry().yields_final_size()
    }
}

/// Checks a probability.
fn check_probability(key: &'static str, probability: f32) -> Result<(), AugmentError> {
    check_range(key, probability, 0.0, 1.0, "a probability from 0 to 1")
}

/// Checks that a number lies in `low..=high`; what is not a number does not.
fn check_range(
    key: &'static str,
    value: f32,
    low: f32,
    high: f32,
    expected: &'static str,
) -> Result<(), AugmentError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(AugmentError::InvalidSetting {
        key,
        value: value.to_string(),
        expected,
    })
}

/// Checks that a pair is a range, lowest first, inside `low..=high`.
fn check_pair(
    key: &'static str,
    pair: [f32; 2],
    low: f32,
    high: f32,
    expected: &'static str,
) -> Result<(), AugmentError> {
    if low <= pair[0] && pair[0] <= pair[1] && pair[1] <= high {
        return Ok(());
    }
    Err(AugmentError::InvalidSetting {
        key,
        value: format!("{pair:?}"),
        expected,
    })
}

/// A factor around 1: evenly from `1 - strength`, at least 0, to `1 + strength`, as torchvision's `ColorJitter` draws it.
fn factor_around_one(strength: f32, rng: &mut crate::rng::SampleRng) -> f32 {
    rng.uniform((1.0 - strength).max(0.0), 1.0 + strength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SampleRng;
    use crate::testing::gradient;
    use proptest::prelude::*;

    fn every_spec() -> Vec<TransformSpec> {
        let nested = ["sequence", "one_of", "some_of", "repeat", "custom"];
        TransformSpec::all()
            .into_iter()
            .chain(nested.map(with_required))
            .collect()
    }

    /// The keys without which a transform means nothing, with values; none for most.
    fn required(op: &str) -> serde_json::Map<String, serde_json::Value> {
        let inside = r#"[{"op": "hue"}, {"op": "one_of", "transforms": [{"op": "vertical_flip"}, {"op": "gamma"}]}]"#;
        let text = match op {
            "sequence" | "one_of" => format!(r#"{{"transforms": {inside}}}"#),
            "some_of" => format!(r#"{{"transforms": {inside}, "count": 1}}"#),
            "repeat" => format!(r#"{{"transforms": {inside}, "times": 2}}"#),
            "custom" => r#"{"name": "negative"}"#.to_owned(),
            _ => "{}".to_owned(),
        };
        serde_json::from_str(&text).unwrap()
    }

    /// The transform of this name with nothing but its required keys.
    fn with_required(op: &str) -> TransformSpec {
        let mut table = required(op);
        table.insert("op".to_owned(), op.into());
        serde_json::from_value(table.into()).unwrap()
    }

    fn op_of(spec: &TransformSpec) -> String {
        let value = serde_json::to_value(spec).unwrap();
        value["op"].as_str().unwrap().to_owned()
    }

    fn build(spec: &TransformSpec) -> Box<dyn Transform> {
        #[derive(Debug, Deserialize)]
        struct Negative {}

        impl Transform for Negative {
            fn apply(&self, image: image::RgbImage, _: &mut SampleRng) -> image::RgbImage {
                invert(image)
            }
        }

        let mut registry = TransformRegistry::default();
        registry.register::<Negative>("negative");
        spec.build_with(&preprocessing(), &registry).unwrap()
    }

    fn preprocessing() -> Preprocessing {
        Preprocessing {
            input_size: [20, 30],
            ..Preprocessing::default()
        }
    }

    #[test]
    fn the_defaults_of_every_transform_are_valid_and_survive_a_round_trip() {
        for spec in every_spec() {
            spec.check().unwrap();
            let text = serde_json::to_string(&spec).unwrap();
            assert_eq!(
                serde_json::from_str::<TransformSpec>(&text).unwrap(),
                spec,
                "{text}"
            );
        }
    }

    #[test]
    fn every_transform_needs_nothing_but_its_name_and_what_it_names_itself() {
        for spec in every_spec() {
            let op = op_of(&spec);
            assert_eq!(with_required(&op), spec, "{op}");
            for key in required(&op).keys() {
                let mut table = required(&op);
                table.insert("op".to_owned(), op.as_str().into());
                table.remove(key);
                let error = serde_json::from_value::<TransformSpec>(table.into()).unwrap_err();
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }

    #[test]
    fn every_transform_refuses_an_unknown_key_by_name() {
        for spec in every_spec() {
            let mut value = serde_json::to_value(&spec).unwrap();
            value["probabilty"] = 0.5.into();
            let error = serde_json::from_value::<TransformSpec>(value).unwrap_err();
            assert!(error.to_string().contains("probabilty"), "{error}");
        }
    }

    #[test]
    fn every_transform_with_a_probability_of_zero_changes_nothing() {
        for spec in every_spec() {
            let mut value = serde_json::to_value(&spec).unwrap();
            if value.get("probability").is_none() {
                // A crop of the final size has to be made in every case.
                assert!(spec.yields_final_size(), "{spec:?} has no probability");
                continue;
            }
            value["probability"] = 0.0.into();
            let transform = build(&serde_json::from_value(value).unwrap());
            for sample in 0..20 {
                let image = gradient(30, 20);
                assert_eq!(
                    transform.apply(image.clone(), &mut SampleRng::new(0, 0, sample)),
                    image
                );
            }
        }
    }

    #[test]
    fn every_transform_refuses_a_probability_outside_its_range() {
        for spec in every_spec() {
            let mut value = serde_json::to_value(&spec).unwrap();
            if value.get("probability").is_some() {
                value["probability"] = (-0.1).into();
                let error = serde_json::from_value::<TransformSpec>(value.clone())
                    .unwrap()
                    .check()
                    .unwrap_err();
                let key = format!("{}.probability", value["op"].as_str().unwrap());
                assert!(error.to_string().contains(&key), "{error}");
            }
        }
    }

    #[test]
    fn every_transform_changes_some_sample() {
        for spec in every_spec() {
            let transform = build(&spec);
            let image = gradient(30, 20);
            let changes =
                |sample| transform.apply(image.clone(), &mut SampleRng::new(1, 0, sample)) != image;
            assert!((0..100).any(changes), "{spec:?}");
        }
    }

    #[test]
    fn every_picture_is_small_and_shown_by_the_page_of_its_transform() {
        let crate_folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for picture in std::fs::read_dir(crate_folder.join("docs/ops")).unwrap() {
            let path = picture.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let bytes = std::fs::metadata(&path).unwrap().len();
            assert!(bytes < 25_000, "{name}: {bytes} bytes");
            let page = crate_folder.join("src/ops").join(format!("{name}.rs"));
            let page = std::fs::read_to_string(&page).unwrap();
            assert!(
                page.contains(&format!("docs/ops/{name}.png)")),
                "src/ops/{name}.rs does not show docs/ops/{name}.png"
            );
        }
    }

    proptest! {
        #[test]
        fn every_transform_keeps_its_promise_of_size_and_repeats_itself(
            which in any::<prop::sample::Index>(), width in 1u32..50, height in 1u32..50,
            seed in any::<u64>(), epoch in any::<u64>(), sample in any::<u64>(),
        ) {
            let specs = every_spec();
            let spec = which.get(&specs);
            let transform = build(spec);
            let image = gradient(width, height);
            let key = SampleRng::new(seed, epoch, sample);
            let output = transform.apply(image.clone(), &mut key.clone());
            let expected = if spec.yields_final_size() { (30, 20) } else { (width, height) };
            if matches!(spec, TransformSpec::Pad(_)) {
                prop_assert!(output.width() >= width && output.height() >= height);
            } else {
                prop_assert_eq!(output.dimensions(), expected);
            }
            prop_assert_eq!(&transform.apply(image.clone(), &mut key.clone()), &output);
            prop_assert_eq!(&transform.apply_borrowed(&image, &mut key.clone()), &output);
        }
    }
}
