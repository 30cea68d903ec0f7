//! The list of phases in a recipe: what of it is written down, what that stands for, and keys by a phase's name.
//!
//! Owns also the keys of recipes from before there was a list: `phase1`, `phase2` and `unfreeze`.

use rekindle_settings::{SettingError, merge as merge_tables, set as set_key, write};
use toml::{Table, Value};

use super::{PhaseRecipe, Unfreeze, foreign};

/// The key of the list.
const LIST: &str = "phase";
/// The keys of `unfreeze`, and what they are called in a phase.
const OF_UNFREEZE: [(&str, &str); 4] = [
    ("from", "unfreeze"),
    ("lr_decay", "lr_decay"),
    ("lr_ratio", "lr_ratio"),
    ("track_statistics", "track_statistics"),
];
/// The phase that `unfreeze` is of.
const UNFREEZING: &str = "phase2";

/// Puts what a file says over a recipe. A list of phases replaces the old one, each over the defaults for what it trains; a table with a
/// phase's name is put over that phase.
pub(super) fn merge(base: &mut Table, mut written: Table) -> Result<(), SettingError> {
    if let Some(Value::Array(list)) = written.get_mut(LIST) {
        for (place, phase) in list.iter_mut().enumerate() {
            if let Value::Table(said) = phase {
                *said = whole(said, place)?;
            }
        }
        if let Some(list) = written.remove(LIST) {
            base.insert(LIST.into(), list);
        }
    }
    if let Some(unfreeze) = written.remove("unfreeze") {
        let Value::Table(unfreeze) = unfreeze else {
            return Err(SettingError::new("unfreeze", unfreeze, "a table"));
        };
        let said = unfreeze.into_iter().map(|(key, value)| {
            let name = OF_UNFREEZE.iter().find(|(old, _)| *old == key);
            (name.map_or(key, |(_, name)| (*name).to_owned()), value)
        });
        let said = said.collect();
        let phase = phase_mut(base, UNFREEZING).ok_or_else(|| no_phase("unfreeze", &written))?;
        merge_tables(phase, said);
    }
    let named: Vec<String> = written
        .keys()
        .filter(|key| is_phase(base, key))
        .cloned()
        .collect();
    for name in named {
        match (phase_mut(base, &name), written.remove(&name)) {
            (Some(phase), Some(Value::Table(said))) => merge_tables(phase, said),
            (_, other) => {
                let found = other.map_or_else(String::new, |value| value.to_string());
                return Err(SettingError::new(name, found, "a table"));
            }
        }
    }
    merge_tables(base, written);
    Ok(())
}

/// Applies `key=value`, where the key may begin with a phase's name, or be one of the old keys under `unfreeze`.
pub(super) fn set(table: &mut Table, pair: &str) -> Result<(), SettingError> {
    let pair = pair.trim_start();
    let key = pair.split('=').next().unwrap_or(pair).trim();
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let value = || pair.split_once('=').map_or("", |(_, value)| value);
    if first == "unfreeze" && !rest.is_empty() {
        let (name, more) = rest
            .split_once('.')
            .map_or((rest, ""), |(name, _)| (name, &rest[name.len()..]));
        let name = OF_UNFREEZE
            .iter()
            .find(|(old, _)| *old == name)
            .map(|(_, name)| *name)
            .ok_or_else(|| SettingError::UnknownKey {
                key: key.to_owned(),
                known: OF_UNFREEZE.map(|(old, _)| old.to_owned()).to_vec(),
            })?;
        if !is_phase(table, UNFREEZING) {
            return Err(no_phase(key, table));
        }
        return set_key(
            table,
            &format!("{LIST}.{UNFREEZING}.{name}{more}={}", value()),
        );
    }
    match is_phase(table, first) {
        true => set_key(table, &format!("{LIST}.{pair}")),
        false => set_key(table, pair),
    }
}

/// The error with a phase's name in the place of its number: `phase[1].lr` is `phase2.lr`. Names of phases are among those that are
/// known where a whole recipe has no such setting.
pub(super) fn by_name(mut error: SettingError, table: &Table) -> SettingError {
    let list = table.get(LIST).and_then(Value::as_array);
    error = foreign::meant(error, &names_in(table));
    if let SettingError::UnknownKey { key, known } = &mut error
        && !key.contains('.')
    {
        let phases = list.into_iter().flatten();
        let names = phases.filter_map(|phase| phase.get("name")?.as_str());
        known.extend(names.map(str::to_owned));
    }
    for (place, phase) in list.into_iter().flatten().enumerate() {
        let Some(name) = phase.get("name").and_then(Value::as_str) else {
            continue;
        };
        let start = format!("{LIST}[{place}]");
        if let Some(rest) = error.key().strip_prefix(&start) {
            let key = format!("{name}{rest}");
            return foreign::meant(error.with_key(key), &names_in(table));
        }
    }
    error
}

/// The names of the phases.
fn names_in(table: &Table) -> Vec<String> {
    let list = table.get(LIST).and_then(Value::as_array);
    let names = list
        .into_iter()
        .flatten()
        .filter_map(|phase| phase.get("name"));
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Checks that each phase has a name of its own that can be part of a key.
pub(super) fn check_names(phases: &[PhaseRecipe]) -> Result<(), SettingError> {
    if phases.is_empty() {
        let expected = "at least one phase";
        return Err(SettingError::new(LIST, "an empty list", expected));
    }
    for (place, phase) in phases.iter().enumerate() {
        let key = || format!("{LIST}[{place}].name");
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
        if phase.name.is_empty() || !phase.name.chars().all(plain) {
            let found = format!("{:?}", phase.name);
            let expected = "letters, digits, `_` and `-`";
            return Err(SettingError::new(key(), found, expected));
        }
        let before = phases[..place].iter();
        if before
            .map(|other| &other.name)
            .any(|name| *name == phase.name)
        {
            let found = format!("{:?} once more", phase.name);
            return Err(SettingError::new(
                key(),
                found,
                "another name for each phase",
            ));
        }
    }
    Ok(())
}

/// All settings of a phase of which some are written down.
fn whole(said: &Table, place: usize) -> Result<Table, SettingError> {
    let unfreeze = said.get("unfreeze").and_then(Value::as_str);
    let mut default = match (unfreeze, said.contains_key("unfreeze"), place) {
        (Some(Unfreeze::HEAD), ..) | (None, false, 0) => PhaseRecipe::of_head(),
        _ => PhaseRecipe::of_stages(),
    };
    default.name = format!("{LIST}{}", place + 1);
    let mut table = write(&default)?;
    let mut said = said.clone();
    // A name is no kind of table here, and replaces no other settings.
    if let Some(name) = said.remove("name") {
        table.insert("name".into(), name);
    }
    merge_tables(&mut table, said);
    Ok(table)
}

/// Turns off, in phases with every setting written out, what the program that wrote them did not have yet: they are those of a plan, which means
/// what it meant.
pub(super) fn as_it_was(written: &mut Table) {
    let mut phases: Vec<&mut Table> = Vec::new();
    for (key, value) in written.iter_mut() {
        match value {
            Value::Array(list) if key == LIST => {
                phases.extend(list.iter_mut().filter_map(Value::as_table_mut));
            }
            Value::Table(phase) => phases.push(phase),
            _ => {}
        }
    }
    for phase in phases {
        if ["optim", "schedule", "clip", "stopping", "batch_size"]
            .iter()
            .all(|key| phase.contains_key(*key))
        {
            phase.entry("ema").or_insert(0.0.into());
            phase.entry("micro_batch").or_insert(0.into());
            phase.entry("fresh_views").or_insert(false.into());
        }
    }
}

fn is_phase(table: &Table, name: &str) -> bool {
    let list = table.get(LIST).and_then(Value::as_array);
    let mut names = list
        .into_iter()
        .flatten()
        .filter_map(|phase| phase.get("name"));
    names.any(|found| found.as_str() == Some(name))
}

fn phase_mut<'a>(table: &'a mut Table, name: &str) -> Option<&'a mut Table> {
    let list = table.get_mut(LIST).and_then(Value::as_array_mut)?;
    let mut phases = list.iter_mut().filter_map(Value::as_table_mut);
    phases.find(|phase| phase.get("name").and_then(Value::as_str) == Some(name))
}

fn no_phase(key: &str, table: &Table) -> SettingError {
    let list = table.get(LIST).and_then(Value::as_array);
    let names = list
        .into_iter()
        .flatten()
        .filter_map(|phase| phase.get("name"));
    SettingError::UnknownKey {
        key: key.to_owned(),
        known: names.filter_map(Value::as_str).map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    fn of(text: &str) -> Result<Recipe, SettingError> {
        Recipe::of_table(text.parse().unwrap())
    }

    #[test]
    fn a_list_of_phases_takes_the_rest_from_the_defaults_for_what_each_trains() {
        let recipe = of(
            "[[phase]]\nname = 'warm'\nunfreeze = 'head'\nepochs = 5\n[[phase]]\nunfreeze = 1\n[[phase]]\nname = 'whole'\nunfreeze = 'all'\nlr = 1e-5",
        )
        .unwrap();
        let [warm, second, whole] = recipe.phase.as_slice() else {
            panic!("{:?}", recipe.phase);
        };
        assert_eq!((warm.name.as_str(), warm.epochs), ("warm", 5));
        assert_eq!(warm.batch_size, PhaseRecipe::of_head().batch_size);
        assert_eq!(second.name, "phase2");
        assert_eq!(second.clip, PhaseRecipe::of_stages().clip);
        assert_eq!(
            (whole.lr, &whole.unfreeze),
            (1e-5, &Unfreeze::From("all".into()))
        );
        let set = |pair: &str| {
            let mut table = write(&recipe).unwrap();
            set(&mut table, pair)?;
            super::super::parse(&table)
        };
        assert_eq!(set("whole.lr=2").unwrap().phase[2].lr, 2.0);
        let error = set("whole.lrr=2").unwrap_err().to_string();
        assert!(
            error.contains("`whole.lrr`; did you mean `whole.lr`"),
            "{error}"
        );
        let error = set("unfreeze.form=1").unwrap_err().to_string();
        assert!(error.contains("`unfreeze.from`"), "{error}");
    }

    #[test]
    fn the_keys_of_two_phases_mean_what_they_meant() {
        let recipe = of(
            "[phase1]\nepochs = 3\n[phase2]\nlr = 1e-3\noptim = { name = 'sgd' }\n[unfreeze]\nfrom = 'all'\nlr_decay = 0.7\ntrack_statistics = true",
        )
        .unwrap();
        let [first, second] = recipe.phase.as_slice() else {
            panic!("{:?}", recipe.phase);
        };
        assert_eq!(first.epochs, 3);
        assert_eq!((second.lr, second.optim.name()), (1e-3, "sgd"));
        assert_eq!(second.unfreeze, Unfreeze::From("all".into()));
        assert_eq!((second.lr_decay, second.lr_ratio), (0.7, 1.0));
        assert!(second.track_statistics && !first.track_statistics);
        let error = of("[[phase]]\nname = 'a'\n[unfreeze]\nfrom = 1").unwrap_err();
        assert!(error.to_string().contains("`unfreeze`"), "{error}");
    }

    #[test]
    fn names_are_keys_and_not_given_twice() {
        for (text, expected) in [
            ("phase = []", "at least one phase"),
            ("[[phase]]\nname = 'a b'", "letters"),
            (
                "[[phase]]\nname = 'a'\n[[phase]]\nname = 'a'",
                "another name",
            ),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_plan_of_an_older_program_means_what_it_meant() {
        let plan = |more: &str| {
            let phase = format!(
                "epochs = 3\nbatch_size = 8\nclip = {{ name = 'none' }}\nstopping = {{}}\noptim = {{ name = 'sgd' }}\n\
                 schedule = {{ name = 'constant' }}\n{more}"
            );
            let phases =
                format!("[phase1]\n{phase}\n[phase2]\n{phase}\n[unfreeze]\nlr_ratio = 3.0");
            of(&phases).unwrap()
        };
        for phase in &plan("").phase {
            assert_eq!((phase.ema, phase.fresh_views), (0.0, false));
        }
        let own = plan("ema = 0.5\nfresh_views = true");
        for phase in &own.phase {
            assert_eq!((phase.ema, phase.fresh_views), (0.5, true));
        }
        // A recipe that a person wrote takes today's defaults.
        assert_eq!(of("[phase2]\nepochs = 3").unwrap().phase[1].ema, 0.99);
    }
}
