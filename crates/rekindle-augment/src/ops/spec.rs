//! The list of transforms that a recipe can name.
//!
//! Owns: that list, what each entry must provide, and how an entry becomes a transform. It does not own any transform.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::*;
use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// What the settings of a built-in transform provide that holds no other transforms.
pub(super) trait Operation: Debug {
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
pub(super) trait Entry: Debug {
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
