//! What is read, and the words for what is wrong, on settings of every form that serde has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::{Table, Value};

use super::*;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adam {
    #[serde(default)]
    beta_1: f64,
    #[serde(default)]
    steps: usize,
    #[serde(default, alias = "decay")]
    weight_decay: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
enum Optim {
    Adam(Adam),
    Sgd(BTreeMap<String, f64>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Transform {
    Invert {},
    Flip(Flip),
    Sequence(Sequence),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flip {
    #[serde(default)]
    probability: f32,
    #[serde(default)]
    scale: Option<[f32; 2]>,
    #[serde(default)]
    corner: (u8, u8),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sequence {
    transforms: Vec<Transform>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Rescale {
    Unit,
    Zca { epsilon: f64 },
    Fixed([f32; 3]),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "expected a stage, or a number of stages")]
enum From {
    Last(usize),
    Stage(String),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    #[serde(default)]
    alpha: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Shared {
    #[serde(flatten)]
    more: Extra,
    size: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Extra {
    limit: usize,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
struct Seed(u64);

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Phase {
    epochs: usize,
    lr: f64,
    optim: Optim,
    #[serde(default = "on")]
    shuffle: bool,
}

fn on() -> bool {
    true
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    seed: Seed,
    phase: Vec<Phase>,
    transforms: Vec<Transform>,
    size: Option<[usize; 2]>,
    fill: Option<[u8; 3]>,
    mix: Option<Mix>,
    rescale: Option<Rescale>,
    from: Option<From>,
    shared: Option<Shared>,
    path: Option<PathBuf>,
    free: Option<Table>,
    when: Option<String>,
}

/// Valid settings with this TOML over them.
fn table(written: &str) -> Value {
    let base = "
        seed = 3
        transforms = [{ op = 'invert' }, { op = 'flip', probability = 1 }]
        phase = [
            { epochs = 3, lr = 1, optim = { name = 'adam', beta_1 = 0.9 } },
            { epochs = 3, lr = 1, optim = { name = 'adam', beta_1 = 0.9, decay = 1 } },
        ]
    ";
    let mut table: Table = base.parse().unwrap();
    for line in written
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        crate::set(&mut table, line).unwrap();
    }
    table.into()
}

fn recipe(written: &str) -> Recipe {
    read(table(written)).unwrap()
}

fn error(written: &str) -> SettingError {
    match read::<Recipe>(table(written)) {
        Ok(recipe) => panic!("{written} was read: {recipe:?}"),
        Err(error) => error,
    }
}

#[test]
fn all_forms_of_serde_are_read() {
    let read = recipe(
        "phase[0].optim={name='sgd', momentum=1}
        transforms=[{op='sequence', transforms=[{op='flip', scale=[1, 2], corner=[3, 4]}]}]
        size=[96, 128]
        mix.alpha=1
        rescale=unit
        from=layer3
        shared={limit=3, size=4}
        path=photos
        when=2024-05-01
        free={a=[{b=1.5}], c=true}",
    );
    let momentum = BTreeMap::from([("momentum".to_owned(), 1.0)]);
    assert_eq!(read.phase[0].optim, Optim::Sgd(momentum));
    let Optim::Adam(adam) = &read.phase[1].optim else {
        panic!("{read:?}");
    };
    assert_eq!((adam.beta_1, adam.steps, adam.weight_decay), (0.9, 0, 1.0));
    assert_eq!(
        (read.seed, read.phase[0].lr, read.phase[0].shuffle),
        (Seed(3), 1.0, true)
    );
    let flip = Transform::Flip(Flip {
        probability: 0.0,
        scale: Some([1.0, 2.0]),
        corner: (3, 4),
    });
    let sequence = Sequence {
        transforms: vec![flip],
    };
    assert_eq!(read.transforms, [Transform::Sequence(sequence)]);
    assert_eq!(read.size, Some([96, 128]));
    assert_eq!(read.mix, Some(Mix { alpha: 1.0 }));
    assert_eq!(read.from, Some(From::Stage("layer3".into())));
    let more = Extra { limit: 3 };
    assert_eq!(read.shared, Some(Shared { more, size: 4 }));
    assert_eq!(read.path, Some("photos".into()));
    assert_eq!(read.when.as_deref(), Some("2024-05-01"));
    assert_eq!(read.free, Some(toml::toml! { a = [{ b = 1.5 }] c = true }));
    assert_eq!(read.fill, None);

    assert_eq!(recipe("rescale=unit").rescale, Some(Rescale::Unit));
    assert_eq!(recipe("rescale={unit={}}").rescale, Some(Rescale::Unit));
    let zca = Rescale::Zca { epsilon: 1.0 };
    assert_eq!(recipe("rescale.zca.epsilon=1").rescale, Some(zca));
    let fixed = Rescale::Fixed([1.0, 2.0, 3.0]);
    assert_eq!(recipe("rescale.fixed=[1, 2, 3]").rescale, Some(fixed));
    assert_eq!(recipe("from=3").from, Some(From::Last(3)));
}

#[test]
fn wrong_kinds_are_told_in_the_words_of_toml() {
    for (written, message) in [
        (
            "phase[1].epochs=1.5",
            "`phase[1].epochs` is 1.5, expected a whole number of at least 0",
        ),
        (
            "phase[1].epochs=-1",
            "`phase[1].epochs` is -1, expected a whole number of at least 0",
        ),
        (
            "phase[0].lr=high",
            "`phase[0].lr` is \"high\", expected a number",
        ),
        (
            "phase[0].shuffle=1",
            "`phase[0].shuffle` is 1, expected true or false",
        ),
        (
            "phase[0].optim=adam",
            "`phase[0].optim` is \"adam\", expected a table, such as { name = \"adam\" }",
        ),
        (
            "phase[0].optim=adan",
            "`phase[0].optim` is \"adan\", expected a table, such as { name = \"adam\" }",
        ),
        (
            "phase[0].optim=3",
            "`phase[0].optim` is 3, expected a table with the key `name`",
        ),
        (
            "phase[0].optim=[1, 2, 3]",
            "`phase[0].optim` is a list of 3 values, expected a table with the key `name`",
        ),
        (
            "transforms=invert",
            "`transforms` is \"invert\", expected a list of tables, such as [{ op = \"invert\" }]",
        ),
        ("transforms=3", "`transforms` is 3, expected a list"),
        (
            "transforms=[3]",
            "`transforms[0]` is 3, expected a table with the key `op`",
        ),
        ("mix=0.2", "`mix` is 0.2, expected a table"),
        ("size=160", "`size` is 160, expected a list of 2 values"),
        (
            "size=[1, 2, 3]",
            "`size` is a list of 3 values, expected a list of 2 values",
        ),
        (
            "size=[1, 2.5]",
            "`size[1]` is 2.5, expected a whole number of at least 0",
        ),
        (
            "fill=[0, 0, 300]",
            "`fill[2]` is 300, expected a whole number from 0 to 255",
        ),
        ("phase=3", "`phase` is 3, expected a list"),
        ("phase[0]=3", "`phase[0]` is 3, expected a table"),
        (
            "seed=-1",
            "`seed` is -1, expected a whole number of at least 0",
        ),
        ("path=3", "`path` is 3, expected a string"),
        (
            "rescale=3",
            "`rescale` is 3, expected one of `unit`, `zca`, `fixed`",
        ),
        (
            "rescale={}",
            "`rescale` is a table, expected one of `unit`, `zca`, `fixed`",
        ),
        ("rescale.zca=1", "`rescale.zca` is 1, expected a table"),
        (
            "rescale.unit=1",
            "`rescale.unit` is 1, expected an empty table",
        ),
        (
            "rescale.fixed=[1, 2]",
            "`rescale.fixed` is a list of 2 values, expected a list of 3 values",
        ),
        (
            "from=1.5",
            "`from` is 1.5: expected a stage, or a number of stages",
        ),
        (
            "shared={limit=1, size=300000000000}",
            "`shared.size` is 300000000000, expected a whole number from 0 to 4294967295",
        ),
    ] {
        assert_eq!(error(written).to_string(), message, "{written}");
    }
}

#[test]
fn faults_in_tables_that_serde_keeps_aside_have_their_whole_key() {
    let nested = |inner: &str| {
        format!(
            "transforms=[{{op='flip', probability=0.5}}, {{op='sequence', transforms=[{{op='invert'}}, {inner}]}}]"
        )
    };
    for (written, message) in [
        (
            "phase[1].optim.beta_1=high".to_owned(),
            "`phase[1].optim.beta_1` is \"high\", expected a number",
        ),
        (
            "phase[1].optim.steps=0.9".into(),
            "`phase[1].optim.steps` is 0.9, expected a whole number of at least 0",
        ),
        (
            "phase[1].optim.steps=-1".into(),
            "`phase[1].optim.steps` is -1, expected a whole number of at least 0",
        ),
        (
            "phase[1].optim.beta_1=[1, 2]".into(),
            "`phase[1].optim.beta_1` is a list of 2 values, expected a number",
        ),
        (
            "phase[1].optim.beta_1=true".into(),
            "`phase[1].optim.beta_1` is true, expected a number",
        ),
        (
            "phase[0].optim={name='sgd', momentum='sgd'}".into(),
            "`phase[0].optim.momentum` is \"sgd\", expected a number",
        ),
        (
            nested("{op='flip', probability='flip'}"),
            "`transforms[1].transforms[1].probability` is \"flip\", expected a number",
        ),
        (
            nested("{op='flip', scale=[1]}"),
            "`transforms[1].transforms[1].scale` is a list of 1 value, expected a list of 2 values",
        ),
        (
            nested("{op='flip', scale=[1, 2, 3]}"),
            "`transforms[1].transforms[1].scale` is a list of 3 values, expected a list of 2 values",
        ),
        (
            nested("{op='flip', corner=[1, 256]}"),
            "`transforms[1].transforms[1].corner[1]` is 256, expected a whole number from 0 to 255",
        ),
        (
            nested("{op='sequence', transforms='flip'}"),
            "`transforms[1].transforms[1].transforms` is \"flip\", expected a list of tables, such as [{ op = \"flip\" }]",
        ),
        (
            nested("'flip'"),
            "`transforms[1].transforms[1]` is \"flip\", expected a table, such as { op = \"flip\" }",
        ),
        (
            nested("{probability=1}"),
            "the setting `transforms[1].transforms[1].op` is missing",
        ),
        (
            nested("{op='sequence'}"),
            "the setting `transforms[1].transforms[1].transforms` is missing",
        ),
        (
            nested("{op='flp'}"),
            "`transforms[1].transforms[1].op` is \"flp\", expected one of `invert`, `flip`, `sequence`; did you mean `flip`?",
        ),
        (
            nested("{op='flip', probabilty=1}"),
            "there is no setting `transforms[1].transforms[1].probabilty`; did you mean `transforms[1].transforms[1].probability`?",
        ),
        (
            "shared={limit=-1, size=3}".into(),
            "`shared.limit` is -1, expected a whole number of at least 0",
        ),
        (
            "shared={size=3}".into(),
            "the setting `shared.limit` is missing",
        ),
    ] {
        assert_eq!(error(&written).to_string(), message, "{written}");
    }
}

#[test]
fn unknown_keys_are_told_with_the_nearest() {
    for (written, message) in [
        (
            "phases=3",
            "there is no setting `phases`; did you mean `phase`?",
        ),
        (
            "phase[1].epoch=3",
            "there is no setting `phase[1].epoch`; did you mean `phase[1].epochs`?",
        ),
        (
            "phase[1].optim.beta1=3",
            "there is no setting `phase[1].optim.beta1`; did you mean `phase[1].optim.beta_1`?",
        ),
        (
            "mix.strength=3",
            "there is no setting `mix.strength`; there are `alpha`",
        ),
        (
            "rescale.zca.eps=3",
            "there is no setting `rescale.zca.eps`; there are `epsilon`",
        ),
    ] {
        assert_eq!(error(written).to_string(), message, "{written}");
    }
    let SettingError::UnknownKey { known, .. } = error("phase[0].epoch=3") else {
        panic!("another error");
    };
    assert_eq!(known, ["epochs", "lr", "optim", "shuffle"]);
}

#[test]
fn unknown_choices_are_told_with_those_there_are_and_the_nearest() {
    for (written, message) in [
        (
            "phase[1].optim.name=adan",
            "`phase[1].optim.name` is \"adan\", expected one of `adam`, `sgd`; did you mean `adam`?",
        ),
        (
            "transforms[0].op=flp",
            "`transforms[0].op` is \"flp\", expected one of `invert`, `flip`, `sequence`; did you mean `flip`?",
        ),
        (
            "rescale=zcaa",
            "`rescale` is \"zcaa\", expected one of `unit`, `zca`, `fixed`; did you mean `zca`?",
        ),
        (
            "rescale.zcaa.epsilon=1",
            "`rescale` is \"zcaa\", expected one of `unit`, `zca`, `fixed`; did you mean `zca`?",
        ),
    ] {
        assert_eq!(error(written).to_string(), message, "{written}");
    }
}

#[test]
fn a_setting_under_two_of_its_names_is_refused() {
    let error = error("phase[1].optim.weight_decay=2");
    assert_eq!(error.key(), "phase[1].optim.weight_decay");
    assert!(error.to_string().contains("written twice"), "{error}");
}

#[test]
fn a_setting_without_default_is_missed_by_its_key() {
    let missing = read::<Recipe>("seed = 3".parse::<Table>().unwrap().into()).unwrap_err();
    assert_eq!(missing.to_string(), "the setting `phase` is missing");
}

#[test]
fn long_texts_are_cut() {
    let message = error(&format!("phase[0].lr={}", "é".repeat(100))).to_string();
    assert!(
        message.chars().count() < 110 && message.contains(".."),
        "{message}"
    );
}
