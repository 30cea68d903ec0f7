//! Which networks there are: one file for each family, and its line in the list at the end of this one.

pub mod alexnet;
mod blocks;
pub mod convnext;
pub mod densenet;
mod depth;
pub mod efficientnet;
pub mod efficientnet_lite;
pub mod ghostnet;
pub mod googlenet;
pub mod inception_v3;
mod inverted_residual;
pub mod mobilenet_v3;
pub mod mobilenet_v4;
pub mod regnet;
pub mod resnet;
pub mod senet;
pub mod shufflenet_v2;
pub mod squeezenet;
pub mod vgg;

use burn::tensor::Device;
use rekindle_settings::nearest;

use crate::{Backbone, BackboneError};

pub use mobilenet_v3::{MobileNetV3Flavour, MobileNetV3Size};

/// A network's shape, named as timm names it, or torchvision where timm has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// timm's name, `resnet50` or `tf_efficientnet_lite0`, or torchvision's, `alexnet`.
    pub name: &'static str,
    /// Its shape.
    pub family: Family,
}

impl Architecture {
    /// The architecture of this name, without a weight tag: `resnet50`, not `resnet50.a1_in1k`.
    ///
    /// # Errors
    ///
    /// There is none; the error suggests the nearest name.
    pub fn from_name(name: &str) -> Result<Self, BackboneError> {
        let all = Self::all();
        all.iter()
            .find(|architecture| architecture.name == name)
            .cloned()
            .ok_or_else(|| BackboneError::UnknownBackbone {
                name: name.to_owned(),
                suggestion: nearest(name, all.iter().map(|architecture| architecture.name))
                    .map(str::to_owned),
            })
    }
}

/// Everything that has to know which families there are, by the library whose names and keys they have. A family is a module with `VARIANTS`,
/// those names and their shapes, and a shape with `init`.
macro_rules! families {
    ($($library:ident { $($(#[$doc:meta])* $module:ident::$name:ident,)+ })+) => {
        $($(pub use $module::$name;)+)+

        /// The families, each with its own parameters.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Family {
            $($($(#[$doc])* $name($name),)+)+
        }

        impl Architecture {
            /// Every architecture, family by family.
            pub fn all() -> Vec<Self> {
                let mut all = Vec::new();
                $($(all.extend($module::VARIANTS.iter().map(|(name, shape)| Self {
                    name,
                    family: Family::$name(shape.clone()),
                }));)+)+
                all
            }

            /// Builds the network with random weights on a device.
            pub fn init(&self, device: &Device) -> Backbone {
                match &self.family {
                    $($(Family::$name(shape) => shape.init(self.name, device),)+)+
                }
            }

            /// The library that has it under this name and with these keys: `timm` or `torchvision`.
            pub fn library(&self) -> &'static str {
                match self.family {
                    $($(Family::$name(_) => stringify!($library),)+)+
                }
            }
        }
    };
}

families! {
    timm {
        /// ResNet, ResNeXt, wide ResNet, SE-ResNet, ResNet-RS and their variants with other stems.
        resnet::ResNet,
        /// EfficientNet-Lite 0 to 4.
        efficientnet_lite::EfficientNetLite,
        /// MobileNetV3, large and small.
        mobilenet_v3::MobileNetV3,
        /// EfficientNet, EfficientNetV2, MobileNetV1 and V2, MNASNet and others of their kind.
        efficientnet::EfficientNet,
        /// The convolutional networks of MobileNetV4.
        mobilenet_v4::MobileNetV4,
        /// RegNetX and RegNetY.
        regnet::RegNet,
        /// ConvNeXt and ConvNeXt V2.
        convnext::ConvNext,
        /// The older SE-ResNets, SE-ResNeXts and SENet-154.
        senet::SeNet,
        /// VGG, with and without batch norms.
        vgg::Vgg,
        /// DenseNet.
        densenet::DenseNet,
        /// GhostNet and GhostNetV2.
        ghostnet::GhostNet,
        /// Inception v3.
        inception_v3::InceptionV3,
    }
    torchvision {
        /// AlexNet.
        alexnet::AlexNet,
        /// SqueezeNet.
        squeezenet::SqueezeNet,
        /// GoogLeNet.
        googlenet::GoogLeNet,
        /// ShuffleNetV2.
        shufflenet_v2::ShuffleNetV2,
    }
}
