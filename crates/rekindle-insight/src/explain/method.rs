//! The ways of explaining, by name, and what a reader has to know of each.

use std::fmt;

/// A way to say what in a picture decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Grad-CAM: [`StageMaps::grad_cam`](super::StageMaps::grad_cam).
    GradCam,
    /// Grad-CAM++: [`StageMaps::grad_cam_plus_plus`](super::StageMaps::grad_cam_plus_plus).
    GradCamPlusPlus,
    /// [`integrated_gradients`](super::integrated_gradients).
    IntegratedGradients,
    /// [`occlusion`](super::occlusion).
    Occlusion,
}

impl Method {
    /// All of them, the quickest first.
    pub const ALL: [Self; 4] = [
        Self::GradCam,
        Self::GradCamPlusPlus,
        Self::IntegratedGradients,
        Self::Occlusion,
    ];

    /// The name on command lines and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::GradCam => "grad-cam",
            Self::GradCamPlusPlus => "grad-cam++",
            Self::IntegratedGradients => "integrated-gradients",
            Self::Occlusion => "occlusion",
        }
    }

    /// The method of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The name as its authors write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::GradCam => "Grad-CAM",
            Self::GradCamPlusPlus => "Grad-CAM++",
            Self::IntegratedGradients => "Integrated gradients",
            Self::Occlusion => "Occlusion",
        }
    }

    /// Whether it is about the maps of one stage.
    pub fn is_of_a_stage(self) -> bool {
        matches!(self, Self::GradCam | Self::GradCamPlusPlus)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The colour that stands for nothing: integrated gradients begin at a picture of it, and occlusion covers with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Baseline {
    /// The colour that the model's scale puts nearest to 0, a grey for ImageNet's; what its padding has.
    #[default]
    Neutral,
    /// Black.
    Black,
    /// White.
    White,
}

impl Baseline {
    /// All of them, the default first.
    pub const ALL: [Self; 3] = [Self::Neutral, Self::Black, Self::White];

    /// The name on command lines and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Black => "black",
            Self::White => "white",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
            assert_eq!(method.to_string(), method.name());
        }
        assert_eq!(Method::from_name("gradcam"), None);
    }
}
