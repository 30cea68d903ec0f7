//! Phases with drop path: whether the network has blocks for it.

use rekindle_backbone::Backbone;
use rekindle_settings::{SettingError, Within};

use crate::Recipe;

/// Checks that the stages of a phase with drop path have blocks that can be left out.
///
/// # Errors
///
/// [`SettingError`] with the key `drop_path` of the phase.
pub(super) fn check(
    recipe: &Recipe,
    network: &Backbone,
    stages: &[String],
) -> Result<(), SettingError> {
    let phases = recipe.phase.iter();
    for phase in phases.filter(|phase| phase.epochs > 0 && phase.drop_path > 0.0) {
        let cut = phase.unfreeze.first_stage(stages).within(&phase.name)?;
        let dropping = network.clone().with_drop_path(phase.drop_path);
        let drops = cut < stages.len() && {
            let rates = dropping.part(cut, stages.len()).drop_path_rates();
            rates.iter().any(|rate| *rate > 0.0)
        };
        if !drops {
            let expected = match network.has_drop_path() {
                true => {
                    "0, since what the phase trains has no block that could be left out".to_owned()
                }
                false => format!(
                    "0, since timm gives {} no drop path: ResNets, RegNets, ConvNeXts, EfficientNets and MobileNets from V2 on have it",
                    network.name()
                ),
            };
            let error = SettingError::new("drop_path", phase.drop_path, expected);
            return Err(error.within(&phase.name));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rekindle_backbone::Architecture;

    use super::*;

    fn of(network: &str, settings: &[&str]) -> Result<(), SettingError> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        let recipe = Recipe::load(None, &settings).unwrap();
        let network = Architecture::from_name(network).unwrap();
        let network = network.init(&Device::flex());
        let stages = network.stage_names().into_iter().map(str::to_owned);
        check(&recipe, &network, &stages.collect::<Vec<_>>())
    }

    #[test]
    fn stages_without_a_block_to_leave_out_are_refused() {
        assert_eq!(of("resnet18", &["phase2.drop_path=0.1"]), Ok(()));
        assert_eq!(of("vgg11", &["phase2.drop_path=0"]), Ok(()));
        assert_eq!(
            of("vgg11", &["phase2.drop_path=0.1", "phase2.epochs=0"]),
            Ok(())
        );
        for (network, settings, expected) in [
            (
                "vgg11",
                ["phase2.drop_path=0.1", "seed=0"],
                "timm gives vgg11 no drop path",
            ),
            ("resnet18", ["phase1.drop_path=0.1", "seed=0"], "no block"),
            (
                "tf_efficientnet_lite0",
                ["phase2.drop_path=0.1", "phase2.unfreeze=conv_head"],
                "no block",
            ),
        ] {
            let error = of(network, &settings).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains(".drop_path` is 0.1"), "{error}");
        }
    }
}
