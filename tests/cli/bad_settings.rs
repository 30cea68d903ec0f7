//! Names, keys and values that do not exist, with the nearest that does.

use crate::support::{Place, trained};

#[test]
fn unknown_names_suggest_the_nearest() {
    let place = Place::with_photos();
    place
        .train("a", &["--backbone", "resnet81"])
        .error(&["`resnet81`", "did you mean `resnet18`"]);
    place
        .train("a", &["--set", "phase1.epoch=3"])
        .error(&["--set phase1.epoch=3", "did you mean `phase1.epochs`"]);
    place
        .train("a", &["--set", "fase1.epochs=3"])
        .error(&["did you mean `phase1`"]);
    place
        .train("a", &["--set", "phase2.optim.name=adamv"])
        .error(&["did you mean `adam"]);
    place
        .train("a", &["--device", "cpuu"])
        .error(&["`cpuu`", "did you mean `cpu`"]);
    place
        .train("a", &["--set", "input.rescale=datasett"])
        .error(&["`input.rescale` is \"datasett\"", "did you mean `dataset`"]);
    place
        .train("a", &["--set", "unfreeze.from=blocks.66"])
        .error(&["`phase2.unfreeze`", "did you mean `blocks.6`"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_backend_that_is_not_built_in_names_its_feature() {
    let place = Place::with_photos();
    place
        .train("a", &["--device", "rocm:0"])
        .error(&["--features rocm"]);
    trained()
        .rekindle(&["predict", "runs/done", "photos", "--device", "rocm"])
        .error(&["--features rocm"]);
}

#[test]
fn values_out_of_range_name_their_key() {
    let place = Place::with_photos();
    for (setting, key) in [
        ("phase1.batch_size=0", "phase1.batch_size"),
        ("phase1.lr=-1", "phase1.lr"),
        ("phase2.lr=nan", "phase2.lr"),
        ("data.validation_share=1.5", "1.5"),
        ("phase1.epochs=many", "phase1.epochs=many"),
        ("phase1.epochs", "key=value"),
        ("=3", "key is empty"),
        ("augment.views=0", "augment.views"),
        ("unfreeze.from=99", "`phase2.unfreeze` is 99"),
        ("phase2.optim.beta_1=1.5", "`phase2.optim.beta_1` is 1.5"),
        ("input.size=[0,0]", "0"),
        ("input.rescale.zca.epsilon=0", "input.rescale.zca.epsilon"),
        (
            "input.rescale={standardise={mean=[123,117,104],std=[58,57,57]}}",
            "divided by 255",
        ),
        ("augment.mix.probability=2", "augment.mix.probability"),
        ("augment.mix.mixup_alpha=-1", "augment.mix.mixup_alpha"),
        (
            "augment.mix={mixup_alpha=0,cutmix_alpha=0}",
            "leave `augment.mix` out",
        ),
        ("augment.mix.at=features", "augment.mix.cutmix_alpha"),
        (
            "augment.mix.off_last_epochs=2",
            "augment.mix.off_last_epochs",
        ),
    ] {
        place.train("a", &["--set", setting]).error(&[key]);
    }
    assert!(!place.path("runs").exists());
}

#[test]
fn wrong_transforms_name_their_place() {
    let place = Place::with_photos();
    let transforms = |list: &str| format!("augment.transforms=[{list}]");
    place
        .train(
            "a",
            &[
                "--set",
                &transforms("{op='one_of', transforms=[{op='hue', strength=2}]}"),
            ],
        )
        .error(&["`augment.transforms[0].transforms[0].strength` is 2 for `hue`"]);
    place
        .train(
            "a",
            &[
                "--set",
                &transforms("{op='sequence', transforms=[{op='hue', strenth=0.1}]}"),
            ],
        )
        .error(&["did you mean `augment.transforms[0].transforms[0].strength`"]);
    place
        .train(
            "a",
            &["--set", &transforms("{op='custom', name='film_grain'}")],
        )
        .error(&["`film_grain`", "none is registered", "TransformRegistry"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_broken_recipe_names_its_file() {
    let place = Place::with_photos();
    place.write("a.toml", "seed = = 3");
    place.write("b.toml", "[phase1]\nepochz = 3");
    place.train("a", &["--recipe", "a.toml"]).error(&["a.toml"]);
    place
        .train("a", &["--recipe", "b.toml"])
        .error(&["b.toml", "did you mean `phase1.epochs`"]);
    place
        .train("a", &["--recipe", "missing.toml"])
        .error(&["missing.toml"]);
}

#[test]
fn a_run_that_exists_is_not_overwritten() {
    let place = Place::with_photos();
    place.write("runs/a/precious.txt", "kept");
    place
        .train("a", &[])
        .error(&["runs/a exists already", "--name"]);
    assert_eq!(place.read("runs/a/precious.txt"), b"kept");
    assert_eq!(place.snapshot("runs").len(), 1);
}

#[test]
fn a_directory_that_is_no_run_cannot_be_resumed() {
    let place = trained();
    place
        .rekindle(&["train", "--resume", "photos"])
        .error(&["photos", "plan.toml"]);
    place
        .rekindle(&["train", "--resume", "nothing"])
        .error(&["nothing", "plan.toml"]);
    place
        .rekindle(&["train", "--resume", "runs/done"])
        .error(&["is finished", "model.safetensors"]);
    let own = Place::new();
    own.write("runs/odd/plan.toml", "seed = 1");
    own.rekindle(&["train", "--resume", "runs/odd"])
        .error(&["runs/odd/plan.toml", "not a plan"]);
}

#[test]
fn wrong_usage_is_an_error_of_the_command_line() {
    for args in [
        &["tran"] as &[&str],
        &["train"],
        &["train", "photos", "--seed", "-1"],
        &["predict", "model"],
        &["predict", "model", "image", "--top", "0"],
        &["predict", "model", "image", "--csv", "--json"],
        &["evaluate", "model", "photos", "--split", "dev"],
    ] {
        let outcome = Place::new().rekindle(args);
        assert_eq!(outcome.code, Some(2), "{outcome:?}");
        outcome.calm();
    }
}
