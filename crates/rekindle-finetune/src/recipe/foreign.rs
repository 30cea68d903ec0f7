//! What other tools call settings of a recipe, for "did you mean". Owns the names; nothing is read under them.

use rekindle_settings::SettingError;

/// Settings of a phase, and what they are called elsewhere, or written without their phase.
const OF_PHASE: &[(&str, &[&str])] = &[
    (
        "lr",
        &[
            "lr",
            "learning_rate",
            "learningrate",
            "lr0",
            "base_lr",
            "max_lr",
        ],
    ),
    (
        "epochs",
        &[
            "epochs",
            "epoch",
            "max_epochs",
            "num_epochs",
            "n_epochs",
            "num_train_epochs",
        ],
    ),
    (
        "batch_size",
        &[
            "batch_size",
            "batch",
            "batchsize",
            "bs",
            "train_batch_size",
            "per_device_train_batch_size",
        ],
    ),
    ("optim.name", &["optim", "optimizer", "optimiser", "opt"]),
    ("optim.weight_decay", &["weight_decay", "wd", "decay"]),
    ("optim.momentum", &["momentum"]),
    (
        "schedule.name",
        &[
            "schedule",
            "scheduler",
            "lr_scheduler",
            "lr_scheduler_type",
            "lr_schedule",
            "sched",
        ],
    ),
    ("schedule.warmup_epochs", &["warmup", "warmup_epochs"]),
    (
        "clip.limit",
        &[
            "clip",
            "clip_grad",
            "grad_clip",
            "max_grad_norm",
            "clip_norm",
            "gradient_clip_val",
        ],
    ),
    (
        "stopping.patience",
        &[
            "patience",
            "early_stopping",
            "early_stop",
            "early_stopping_patience",
        ],
    ),
    (
        "unfreeze",
        &[
            "freeze",
            "freeze_layers",
            "unfreeze_layers",
            "trainable_layers",
            "frozen",
        ],
    ),
    ("lr_decay", &["lr_decay", "layer_decay"]),
];

/// Other settings.
const OF_RECIPE: &[(&str, &[&str])] = &[
    (
        "input.size",
        &[
            "size",
            "imgsz",
            "img_size",
            "image_size",
            "input_size",
            "crop_size",
            "resolution",
        ],
    ),
    (
        "backbone.name",
        &[
            "model",
            "model_name",
            "arch",
            "architecture",
            "encoder",
            "network",
        ],
    ),
    (
        "backbone.weights",
        &["weights", "pretrained", "checkpoint_path"],
    ),
    ("seed", &["random_state", "random_seed", "manual_seed"]),
    (
        "precision",
        &["amp", "fp16", "bf16", "half", "mixed_precision", "dtype"],
    ),
    ("loss.label_smoothing", &["label_smoothing", "smoothing"]),
    ("loss.class_weights", &["class_weight", "class_weights"]),
    ("head.dropout", &["dropout", "drop", "drop_rate"]),
    ("head.hidden", &["hidden", "hidden_size", "hidden_layers"]),
    (
        "augment.transforms",
        &[
            "flip",
            "fliplr",
            "flipud",
            "hflip",
            "vflip",
            "horizontal_flip",
            "vertical_flip",
            "rotate",
            "rotation",
            "degrees",
            "color_jitter",
            "colour_jitter",
            "erasing",
            "reprob",
            "auto_augment",
            "aa",
            "augmentation",
            "augmentations",
            "transforms",
            "scale",
        ],
    ),
    ("augment.mix.mixup_alpha", &["mixup", "mixup_alpha"]),
    ("augment.mix.cutmix_alpha", &["cutmix", "cutmix_alpha"]),
    (
        "data.validation_share",
        &[
            "val_split",
            "validation_split",
            "valid_pct",
            "val_size",
            "test_size",
            "validation_share",
        ],
    ),
    (
        "data.validation",
        &["val", "val_dir", "valid_dir", "val_data"],
    ),
    ("data.folds", &["folds", "k_folds", "n_splits", "cv"]),
    ("data.bad_images", &["bad_images"]),
    ("data.limit", &["limit", "max_samples"]),
    (
        "input.rescale",
        &["rescale", "mean", "std", "normalize", "normalise"],
    ),
    ("input.interpolation", &["interpolation"]),
    ("input.crop_ratio", &["crop_pct", "crop_ratio"]),
];

/// The error about a key that there is not, with what other tools call so; `phases` are the names of the recipe's phases.
pub(super) fn meant(error: SettingError, phases: &[String]) -> SettingError {
    let SettingError::UnknownKey { key, .. } = &error else {
        return error;
    };
    let (place, name) = key.split_once('.').unwrap_or(("", key));
    let of: Vec<String> = match place.is_empty() {
        true => phases.to_vec(),
        false if phases.iter().any(|phase| phase == place) => vec![place.to_owned()],
        false => return error,
    };
    let name = name.to_lowercase().replace('-', "_");
    let called = |list: &'static [(&'static str, &'static [&'static str])]| {
        list.iter()
            .find(|(_, others)| others.contains(&name.as_str()))
            .map(|(own, _)| *own)
    };
    let meant = match (called(OF_PHASE), called(OF_RECIPE), place.is_empty()) {
        (Some(own), ..) => of.iter().map(|phase| format!("{phase}.{own}")).collect(),
        (None, Some(own), true) => vec![own.to_owned()],
        _ => return error,
    };
    SettingError::Elsewhere {
        key: key.clone(),
        meant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    #[test]
    fn names_of_other_tools_lead_to_the_settings() {
        for (pair, words) in [
            (
                "learning_rate=0.1",
                "there is no setting `learning_rate`; did you mean `phase1.lr` or `phase2.lr`?",
            ),
            ("batch=8", "`phase1.batch_size` or `phase2.batch_size`?"),
            ("phase2.learning_rate=1", "did you mean `phase2.lr`?"),
            ("imgsz=160", "did you mean `input.size`?"),
            ("flip=true", "did you mean `augment.transforms`?"),
            (
                "label_smoothing=0.1",
                "did you mean `loss.label_smoothing`?",
            ),
            ("epochs=3", "`phase1.epochs` or `phase2.epochs`?"),
        ] {
            let error = Recipe::load(None, &[pair.to_owned()]).unwrap_err();
            assert!(error.to_string().contains(words), "{pair}: {error}");
        }
    }

    #[test]
    fn every_name_leads_to_a_setting_that_there_is() {
        let value = |key: &str| {
            match key {
                "phase1.optim.name" => "sgd",
                "phase1.schedule.name" => "step",
                "phase1.clip.limit" => return "phase1.clip={name='value',limit=1}".to_owned(),
                "phase1.optim.momentum" => {
                    return "phase1.optim={name='sgd',momentum=0.5}".to_owned();
                }
                "loss.label_smoothing" | "loss.class_weights" => return "seed=1".to_owned(),
                "phase1.unfreeze" => "head",
                "backbone.name" | "backbone.weights" | "data.validation" => "x",
                "precision" => "bf16",
                "input.rescale" => "unit",
                "input.interpolation" => "bilinear",
                "data.bad_images" => "skip",
                "augment.transforms" => "[]",
                "head.hidden" => "[8]",
                _ => "1",
            }
            .to_owned()
        };
        let phase = OF_PHASE.iter().map(|(own, _)| format!("phase1.{own}"));
        let keys = phase.chain(OF_RECIPE.iter().map(|(own, _)| (*own).to_owned()));
        for key in keys {
            let value = value(&key);
            let pair = match value.contains('=') {
                true => value,
                false => format!("{key}={value}"),
            };
            if let Err(error) = Recipe::load(None, std::slice::from_ref(&pair)) {
                panic!("{pair}: {error}");
            }
        }
    }
}
