//! What the entries of a recipe's list of transforms provide.
//!
//! Owns: the two interfaces. Which entries there are is said in `spec.rs`, what each does in its own file.

use std::fmt::Debug;

use rekindle_settings::SettingError;

use crate::error::AugmentError;
use crate::preprocessing::Preprocessing;
use crate::registry::TransformRegistry;
use crate::transform::Transform;

/// What the settings of a built-in transform provide that holds no other transforms.
pub(super) trait Operation: Debug {
    /// Checks every setting; an error has the name of the setting as its key.
    fn check(&self) -> Result<(), SettingError>;

    /// The transform with these settings, which have passed the check.
    fn build(&self, preprocessing: &Preprocessing) -> Box<dyn Transform>;

    /// Whether the result has the input size of the backbone whatever comes in.
    fn yields_final_size(&self) -> bool {
        false
    }
}

/// What every entry of a recipe's list provides: an [`Operation`], or what holds other transforms.
pub(super) trait Entry: Debug {
    /// Checks its own settings; an error has the name of the setting as its key.
    fn check(&self) -> Result<(), SettingError>;

    /// Checks the transforms that it holds; the key of an error begins with their place in it.
    fn check_inside(&self) -> Result<(), SettingError> {
        Ok(())
    }

    /// The transform with these settings, which have passed both checks.
    fn build(
        &self,
        preprocessing: &Preprocessing,
        registry: &TransformRegistry,
    ) -> Result<Box<dyn Transform>, AugmentError>;

    /// Whether the result has the input size of the backbone whatever comes in.
    fn yields_final_size(&self) -> bool;
}

impl<T: Operation> Entry for T {
    fn check(&self) -> Result<(), SettingError> {
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
