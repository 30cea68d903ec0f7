//! The command that trains a run once more. Owns which settings it has to say: those that differ from the defaults.

use rekindle_finetune::Recipe;
use rekindle_settings::write;
use toml::{Table, Value};

use crate::source::Source;

/// The command, to be pasted into a shell; none where the recipe has phases that the defaults have not, which only a file can say.
pub fn command(of: &Source) -> Option<String> {
    let said = settings(&of.recipe)?;
    let mut words = vec![
        "rekindle".to_owned(),
        "train".into(),
        shell_word(&of.facts.data.to_string_lossy()),
    ];
    for setting in said {
        words.extend(["--set".to_owned(), shell_word(&setting)]);
    }
    Some(words.join(" "))
}

/// `key=value` for each setting that differs from its default.
fn settings(recipe: &Recipe) -> Option<Vec<String>> {
    let names = |recipe: &Recipe| {
        recipe
            .phase
            .iter()
            .map(|phase| phase.name.clone())
            .collect::<Vec<_>>()
    };
    let default = Recipe::default();
    if names(recipe) != names(&default) {
        return None;
    }
    let tables = [recipe, &default].map(|recipe| write(recipe).ok());
    let [Some(own), Some(default)] = tables else {
        return None;
    };
    let mut said = Vec::new();
    differences("", &own, &default, &mut said)?;
    Some(said)
}

fn differences(prefix: &str, own: &Table, default: &Table, said: &mut Vec<String>) -> Option<()> {
    for (key, value) in own {
        let whole = format!("{prefix}{key}");
        match (value, default.get(key)) {
            (value, Some(other)) if value == other => {}
            (Value::Array(phases), Some(Value::Array(others))) if whole == "phase" => {
                for (phase, other) in phases.iter().zip(others) {
                    let (Value::Table(phase), Value::Table(other)) = (phase, other) else {
                        return None;
                    };
                    let name = phase.get("name")?.as_str()?;
                    differences(&format!("{name}."), phase, other, said)?;
                }
            }
            // One choice of several has its own settings, which are said together with its name.
            (Value::Table(value), Some(Value::Table(other)))
                if value.get("name") == other.get("name") =>
            {
                differences(&format!("{whole}."), value, other, said)?;
            }
            (value, _) => said.push(format!("{whole}={value}")),
        }
    }
    Some(())
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@".contains(letter);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_differ_make_the_same_recipe() {
        for overrides in [
            &[][..],
            &[
                "seed=7",
                "phase1.epochs=3",
                "phase2.optim.name=sgd",
                "phase1.optim.weight_decay=0.5",
            ],
            &[
                "augment.transforms=[]",
                "augment.mix.mixup_alpha=0.4",
                "input.rescale=dataset",
                "data.label_column=a b'c",
            ],
            &[
                "loss.name=focal",
                "phase2.schedule.name=step",
                "input.size=[96, 96]",
                "log.tensorboard=true",
            ],
        ] {
            let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
            let recipe = Recipe::load(None, &overrides).unwrap();
            let said = settings(&recipe).unwrap();
            assert_eq!(Recipe::load(None, &said).unwrap(), recipe, "{said:?}");
        }
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_change_them() {
        assert_eq!(shell_word("a/b.c=1"), "a/b.c=1");
        assert_eq!(shell_word("it's $HOME"), "'it'\\''s $HOME'");
        assert_eq!(shell_word(""), "''");
    }
}
