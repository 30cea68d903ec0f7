//! Which networks there are. One file per family; adding an architecture is one file and one line in [`Family`].

mod efficientnet_lite;
mod inverted_residual;
mod mobilenet_v3;
mod resnet;

use burn::tensor::Device;

use crate::{Backbone, BackboneError};

pub use efficientnet_lite::EfficientNetLite;
pub use mobilenet_v3::{MobileNetV3, MobileNetV3Flavour, MobileNetV3Size};
pub use resnet::ResNet;

/// A network's shape, named as timm names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// timm's name, `resnet50` or `tf_efficientnet_lite0`.
    pub name: &'static str,
    /// Its shape.
    pub family: Family,
}

/// The families, each with its own parameters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Family {
    /// ResNet, ResNeXt, wide ResNet and their -d variants.
    ResNet(ResNet),
    /// EfficientNet-Lite 0 to 4.
    EfficientNetLite(EfficientNetLite),
    /// MobileNetV3, large and small.
    MobileNetV3(MobileNetV3),
}

impl Architecture {
    /// Every architecture, family by family.
    pub fn all() -> Vec<Self> {
        let resnets = resnet::VARIANTS.iter().map(|(name, shape)| Self {
            name,
            family: Family::ResNet(shape.clone()),
        });
        let lites = efficientnet_lite::VARIANTS
            .iter()
            .map(|(name, shape)| Self {
                name,
                family: Family::EfficientNetLite(shape.clone()),
            });
        let mobiles = mobilenet_v3::VARIANTS.iter().map(|(name, shape)| Self {
            name,
            family: Family::MobileNetV3(shape.clone()),
        });
        resnets.chain(lites).chain(mobiles).collect()
    }

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
                suggestion: crate::card::nearest(
                    name,
                    all.iter().map(|architecture| architecture.name),
                ),
            })
    }

    /// Builds the network with random weights on a device.
    pub fn init(&self, device: &Device) -> Backbone {
        match &self.family {
            Family::ResNet(shape) => shape.init(self.name, device),
            Family::EfficientNetLite(shape) => shape.init(self.name, device),
            Family::MobileNetV3(shape) => shape.init(self.name, device),
        }
    }
}
