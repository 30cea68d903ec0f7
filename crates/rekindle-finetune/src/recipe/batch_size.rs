//! How `batch_size` is written down: a number, or `"auto"`, which a plan makes a number of.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::PhaseRecipe;

/// The word in recipes.
const AUTO: &str = "auto";

/// For serde: a number, or [`AUTO`] for [`PhaseRecipe::AUTO`].
pub fn serialize<S: Serializer>(images: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    match *images {
        PhaseRecipe::AUTO => serializer.serialize_str(AUTO),
        images => images.serialize(serializer),
    }
}

/// As [`serialize`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "expected a whole number of images, or \"auto\" for what fits into memory"
    )]
    enum Written {
        Images(usize),
        Word(Auto),
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Auto {
        Auto,
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Images(images) => images,
        Written::Word(Auto::Auto) => PhaseRecipe::AUTO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    #[test]
    fn a_number_or_the_word_auto_is_read_and_written() {
        let of = |setting: &str| Recipe::load(None, &[format!("phase2.batch_size={setting}")]);
        let auto = of("auto").unwrap();
        assert_eq!(auto.phase[1].batch_size, PhaseRecipe::AUTO);
        assert!(auto.to_toml().unwrap().contains("batch_size = \"auto\""));
        assert_eq!(of("24").unwrap().phase[1].batch_size, 24);
        for wrong in ["many", "-3", "1.5"] {
            let error = of(wrong).unwrap_err().to_string();
            assert!(error.contains("or \"auto\""), "{error}");
        }
    }
}
