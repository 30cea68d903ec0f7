//! The list of transforms that a recipe can name.
//!
//! Owns: that list, with the names by which other libraries know its transforms, and how an entry becomes a transform. It does not own
//! any transform.

use rekindle_settings::SettingError;
use serde::{Deserialize, Serialize};

use super::entry::Entry;
use super::suitable;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

macro_rules! transform_specs {
    (
        $($(#[$doc:meta])* $file:ident::$name:ident = $op:literal $(| $other:literal)*,)+ ;
        $($(#[$nested_doc:meta])* $nested_file:ident::$nested:ident$(<$held:ty>)? = $nested_op:literal $(| $nested_other:literal)*,)+
    ) => {
        $(use super::$file::$name;)+
        $(use super::$nested_file::$nested;)+

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
        ///
        /// American spelling is read too, and so are the names that torchvision and Albumentations give to the same operation, as
        /// `random_rotation`; the settings and their defaults are the ones described here. What is written has the first name.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "op")]
        #[non_exhaustive]
        pub enum TransformSpec {
            $($(#[$doc])* #[serde(rename = $op $(, alias = $other)*)] $name($name),)+
            $($(#[$nested_doc])* #[serde(rename = $nested_op $(, alias = $nested_other)*)] $nested($nested$(<$held>)?),)+
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

            /// The name under `op`.
            ///
            /// ```
            /// use rekindle_augment::TransformSpec;
            ///
            /// let spec: TransformSpec = serde_json::from_str(r#"{"op": "random_rotation"}"#)?;
            /// assert_eq!(spec.op(), "rotation");
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn op(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $op,)+
                    $(Self::$nested(_) => $nested_op,)+
                }
            }

            fn entry(&self) -> &dyn Entry {
                match self {
                    $(Self::$name(entry) => entry,)+
                    $(Self::$nested(entry) => entry,)+
                }
            }
        }

        /// Each name with the others that are read in its place.
        #[cfg(test)]
        pub(super) const NAMES: &[(&str, &[&str])] = &[
            $(($op, &[$($other),*]),)+
            $(($nested_op, &[$($nested_other),*]),)+
        ];
    };
}

transform_specs! {
    /// A random part of the image, resized to the input size.
    random_resized_crop::RandomResizedCrop = "random_resized_crop",
    /// Left and right exchanged.
    horizontal_flip::HorizontalFlip = "horizontal_flip" | "random_horizontal_flip" | "hflip",
    /// Top and bottom exchanged.
    vertical_flip::VerticalFlip = "vertical_flip" | "random_vertical_flip" | "vflip",
    /// A turn about the centre.
    rotation::Rotation = "rotation" | "random_rotation" | "rotate",
    /// A shift, zoom, shear and turn about the centre.
    affine::Affine = "affine" | "random_affine",
    /// The middle of the image, of the input size.
    centre_crop::CentreCrop = "centre_crop" | "center_crop",
    /// Pixels moved by a smooth random field.
    elastic::Elastic = "elastic" | "elastic_transform",
    /// One of the four corners or the middle of the image, of the input size.
    five_crop::FiveCrop = "five_crop",
    /// Columns and rows made wider and narrower.
    grid_distortion::GridDistortion = "grid_distortion",
    /// A border around the image, which grows by it.
    pad::Pad = "pad",
    /// The image seen from an angle.
    perspective::Perspective = "perspective" | "random_perspective",
    /// A random part of the image, of the input size and at one scale.
    random_crop::RandomCrop = "random_crop",
    /// Random boxes erased.
    random_erasing::RandomErasing = "random_erasing" | "erasing",
    /// Every value times a factor.
    brightness::Brightness = "brightness",
    /// The distance of every value from the mean grey times a factor.
    contrast::Contrast = "contrast",
    /// The distance of every pixel from its own grey times a factor.
    saturation::Saturation = "saturation",
    /// Colour removed.
    greyscale::Greyscale = "greyscale" | "grayscale" | "random_grayscale" | "to_gray",
    /// The colour circle turned.
    hue::Hue = "hue",
    /// Brightness, contrast, saturation and hue in random order.
    colour_jitter::ColourJitter = "colour_jitter" | "color_jitter",
    /// Every value to a power.
    gamma::Gamma = "gamma" | "random_gamma",
    /// The negative.
    invert::Invert = "invert" | "random_invert" | "invert_img",
    /// Fewer levels of each channel.
    posterise::Posterise = "posterise" | "posterize" | "random_posterize",
    /// Bright values inverted.
    solarise::Solarise = "solarise" | "solarize" | "random_solarize",
    /// An even histogram of each channel.
    equalise::Equalise = "equalise" | "equalize" | "random_equalize",
    /// The whole range of each channel.
    auto_contrast::AutoContrast = "auto_contrast" | "autocontrast" | "random_autocontrast",
    /// The channels in another order.
    channel_shuffle::ChannelShuffle = "channel_shuffle" | "random_channel_permutation",
    /// One channel lost.
    channel_drop::ChannelDrop = "channel_drop",
    /// The distance of every pixel from its smoothed self times a factor.
    sharpen::Sharpen = "sharpen" | "adjust_sharpness" | "random_adjust_sharpness",
    /// Neighbours mixed by a Gaussian.
    gaussian_blur::GaussianBlur = "gaussian_blur",
    /// Neighbours mixed evenly.
    box_blur::BoxBlur = "box_blur" | "blur",
    /// Neighbours mixed along a line.
    motion_blur::MotionBlur = "motion_blur",
    /// The image blended with its outlines.
    edges::Edges = "edges",
    /// Noise of a bell curve.
    gaussian_noise::GaussianNoise = "gaussian_noise" | "gauss_noise",
    /// Noise that is even within its bounds.
    uniform_noise::UniformNoise = "uniform_noise",
    /// Noise of dead pixels.
    salt_and_pepper::SaltAndPepper = "salt_and_pepper",
    /// The blocks and ringing of strong compression.
    jpeg_artefacts::JpegArtefacts = "jpeg_artefacts" | "jpeg_artifacts" | "jpeg",
    /// The pairs of operations that AutoAugment found on ImageNet.
    auto_augment::AutoAugment = "auto_augment" | "autoaugment",
    /// A number of random operations at one magnitude.
    rand_augment::RandAugment = "rand_augment" | "randaugment",
    /// One random operation at a random magnitude.
    trivial_augment::TrivialAugment = "trivial_augment" | "trivialaugment" | "trivial_augment_wide" | "trivialaugmentwide",
    /// The image mixed with changed versions of itself.
    aug_mix::AugMix = "aug_mix" | "augmix",
    ;
    // What means nothing without settings.
    /// Several transforms, all or none.
    sequence::Sequence<TransformSpec> = "sequence",
    /// One of several transforms.
    one_of::OneOf<TransformSpec> = "one_of" | "random_choice",
    /// Some of several transforms.
    some_of::SomeOf<TransformSpec> = "some_of",
    /// The same transforms several times.
    repeat::Repeat<TransformSpec> = "repeat",
    /// A transform of the user's own.
    custom::Custom = "custom",
}

impl TransformSpec {
    /// Checks every setting, also of transforms inside.
    ///
    /// # Errors
    ///
    /// [`SettingError::Value`] for the first wrong setting: its key here, such as `probability` or `transforms[1].degrees`, and whose it
    /// is: `` `transforms[1].degrees` is 200 for `rotation`, expected .. ``.
    pub fn check(&self) -> Result<(), SettingError> {
        Entry::check(self)?;
        self.check_inside()
    }

    /// The transform, for a backbone with this preprocessing.
    ///
    /// The preprocessing supplies what the settings leave open: the final size, the filter and the colour of empty pixels.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`AugmentError::UnknownCustomTransform`] for a `custom` one, which only
    /// [`Pipeline::training_with`](crate::Pipeline::training_with) can build.
    pub fn build(&self, preprocessing: &Preprocessing) -> Result<Box<dyn Transform>, AugmentError> {
        self.build_with(preprocessing, &TransformRegistry::default())
    }

    /// As [`Self::build`], with transforms of the program's own for those that are named `custom`.
    ///
    /// # Errors
    ///
    /// As [`Self::check`]; [`AugmentError::UnknownCustomTransform`] for a name that is not registered, with those that are;
    /// [`AugmentError::CustomTransform`] for settings that the registered transform does not take.
    pub(crate) fn build_with(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        self.check()?;
        Entry::build(self, preprocessing, registry)
    }

    /// Whether the result has the input size of the backbone whatever comes in.
    pub(crate) fn yields_final_size(&self) -> bool {
        self.entry().yields_final_size()
    }
}

impl Entry for TransformSpec {
    fn check(&self) -> Result<(), SettingError> {
        self.entry().check().map_err(|error| match error {
            // The place in a recipe is a number in a list: the name says which of its transforms is meant.
            SettingError::Value {
                key,
                found,
                expected,
            } => SettingError::new(key, format!("{found} for `{}`", self.op()), expected),
            other => other,
        })
    }

    fn check_inside(&self) -> Result<(), SettingError> {
        self.entry().check_inside()
    }

    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError> {
        if let Some(bands) = &preprocessing.bands {
            suitable::check(self, bands)?;
        }
        self.entry().build(preprocessing, registry)
    }

    fn yields_final_size(&self) -> bool {
        self.entry().yields_final_size()
    }
}
