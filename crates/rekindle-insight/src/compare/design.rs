//! What is compared: data, a recipe, settings that are varied, and repeats; and the files that say so.
//!
//! Owns which runs that makes, in which order and under which names. Doing them is `conduct.rs`'s.

use std::fs;
use std::path::{Path, PathBuf};

use rekindle_finetune::Recipe;
use rekindle_model::write_whole;
use serde::{Deserialize, Serialize};

use super::Axis;
use crate::InsightError;

/// What is compared, in the directory of a comparison.
pub const DESIGN: &str = "compare.toml";
/// The recipe that the variants are over, every setting written out.
pub const RECIPE: &str = "recipe.toml";
/// Letters of a run's name that say its variant, at most.
const LONGEST: usize = 40;

/// What is compared.
#[derive(Debug, Clone)]
pub struct Design {
    /// The images, as for a run.
    pub data: PathBuf,
    /// The recipe without what is varied.
    pub recipe: Recipe,
    /// The settings that are varied; every value of each meets every value of the others.
    pub axes: Vec<Axis>,
    /// Seeds, from the recipe's own on; at least 1.
    pub seeds: usize,
    /// Parts of the data, each of which is held out once for each seed; 0 for none.
    pub folds: usize,
}

/// One choice of every axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Which value of each axis.
    pub values: Vec<usize>,
    /// What people call it: the values, parted by commas.
    pub name: String,
    /// The settings over the recipe.
    pub settings: Vec<String>,
    /// The whole recipe, with the first repeat's seed.
    pub recipe: Recipe,
}

/// Once more the same with another seed or another part held out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Repeat {
    /// The seed.
    pub seed: u64,
    /// Which part is held out, from 1; none without parts.
    pub fold: Option<usize>,
}

/// One run of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Place among the variants.
    pub variant: usize,
    /// Place among the repeats.
    pub repeat: usize,
}

/// compare.toml.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rekindle: String,
    data: PathBuf,
    vary: Vec<String>,
    seeds: usize,
    folds: usize,
}

impl Design {
    /// All choices, the last axis changing first. Each is a recipe that can be read; whether it fits the data is a plan's to say.
    ///
    /// # Errors
    ///
    /// A key that there is not, or a value that it does not take; [`InsightError::Compare`] for two choices that are the same recipe, and
    /// for two axes of one key.
    pub fn variants(&self) -> Result<Vec<Variant>, InsightError> {
        for (place, axis) in self.axes.iter().enumerate() {
            if self.axes[..place].iter().any(|other| other.key == axis.key) {
                return Err(InsightError::Compare(format!(
                    "`{}` is varied twice; put all its values behind one --vary",
                    axis.key
                )));
            }
        }
        let mut choices: Vec<Vec<usize>> = vec![Vec::new()];
        for axis in &self.axes {
            let longer = choices.iter().flat_map(|choice| {
                (0..axis.values.len()).map(move |value| [&choice[..], &[value]].concat())
            });
            choices = longer.collect();
        }
        let mut variants: Vec<Variant> = Vec::new();
        for values in choices {
            let chosen = || self.axes.iter().zip(&values);
            let settings: Vec<String> = chosen()
                .filter_map(|(axis, value)| axis.setting(*value))
                .collect();
            let names: Vec<&str> = chosen()
                .map(|(axis, value)| axis.values[*value].as_str())
                .collect();
            let name = names.join(", ");
            let recipe = self.recipe.with(&settings)?;
            if let Some(other) = variants.iter().find(|other| other.recipe == recipe) {
                return Err(InsightError::Compare(format!(
                    "`{}` and `{name}` of {} are the same recipe; leave one out",
                    other.name,
                    self.keys()
                )));
            }
            variants.push(Variant {
                values,
                name,
                settings,
                recipe,
            });
        }
        Ok(variants)
    }

    /// The keys that are varied, parted by commas.
    pub fn keys(&self) -> String {
        let keys: Vec<&str> = self.axes.iter().map(|axis| axis.key.as_str()).collect();
        keys.join(", ")
    }

    /// All repeats, a seed's parts one after the other.
    pub fn repeats(&self) -> Vec<Repeat> {
        let seeds = (0..self.seeds as u64).map(|next| self.recipe.seed + next);
        match self.folds {
            0 => seeds.map(|seed| Repeat { seed, fold: None }).collect(),
            folds => {
                let of_seed = |seed| {
                    (1..=folds).map(move |fold| Repeat {
                        seed,
                        fold: Some(fold),
                    })
                };
                seeds.flat_map(of_seed).collect()
            }
        }
    }

    /// All runs in their order: every variant of a repeat before the next repeat. So variants share what is cached for a seed, and
    /// whatever time allows is whole rounds, which can be compared.
    pub fn cells(&self, variants: usize) -> Vec<Cell> {
        let repeats = 0..self.repeats().len();
        let round = |repeat| (0..variants).map(move |variant| Cell { variant, repeat });
        repeats.flat_map(round).collect()
    }

    /// The recipe of a run.
    ///
    /// # Errors
    ///
    /// None for a variant of this design.
    pub fn recipe_of(&self, variant: &Variant, repeat: Repeat) -> Result<Recipe, InsightError> {
        let mut settings = vec![format!("seed={}", repeat.seed)];
        if let Some(fold) = repeat.fold {
            settings.push(format!("data.folds={}", self.folds));
            settings.push(format!("data.fold={fold}"));
        }
        Ok(variant.recipe.with(&settings)?)
    }

    /// The name of a run's directory: the variant's number and values, and which repeat it is.
    pub fn run_name(&self, variants: &[Variant], cell: Cell) -> String {
        let digits = variants.len().to_string().len();
        let repeat = self.repeats()[cell.repeat];
        let mut words = String::new();
        for letter in variants[cell.variant].name.chars() {
            match letter {
                letter if letter.is_alphanumeric() || ".-+".contains(letter) => words.push(letter),
                _ if words.ends_with('_') || words.is_empty() => {}
                _ => words.push('_'),
            }
        }
        let words: String = words.chars().take(LONGEST).collect();
        let words = words.trim_end_matches(['_', '.']);
        let mut name = format!("{:0digits$}", cell.variant + 1);
        for part in [words, &repeat.name()] {
            if !part.is_empty() {
                name = format!("{name}-{part}");
            }
        }
        name
    }

    /// Writes compare.toml and recipe.toml into the directory of the comparison.
    ///
    /// # Errors
    ///
    /// A file cannot be written, or a path is not UTF-8.
    pub fn save(&self, directory: &Path) -> Result<(), InsightError> {
        let file = File {
            rekindle: env!("CARGO_PKG_VERSION").into(),
            data: self.data.clone(),
            vary: self.axes.iter().map(Axis::text).collect(),
            seeds: self.seeds,
            folds: self.folds,
        };
        let texts = [
            (RECIPE, self.recipe.to_toml()?),
            // Last, since a directory with it is a comparison.
            (DESIGN, rekindle_settings::to_toml_string(&file)?),
        ];
        for (name, text) in texts {
            write_whole(&directory.join(name), text.as_bytes())
                .map_err(rekindle_model::ModelError::from)?;
        }
        Ok(())
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// [`InsightError::NoComparison`] where it is not there, or says something else.
    pub fn load(directory: &Path) -> Result<Self, InsightError> {
        let path = directory.join(DESIGN);
        let failed = |reason: String| InsightError::NoComparison {
            path: path.clone(),
            reason,
        };
        let text = fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| failed(error.to_string()))?;
        let axes = file.vary.iter().map(|text| Axis::parse(text));
        Ok(Self {
            data: file.data,
            recipe: Recipe::load(Some(&directory.join(RECIPE)), &[])?,
            axes: axes.collect::<Result<_, _>>()?,
            seeds: file.seeds,
            folds: file.folds,
        })
    }

    /// With paths that hold from every directory, since a comparison may go on from another one.
    pub fn with_absolute_paths(mut self) -> Self {
        let of_data = &mut self.recipe.data;
        let places = [
            Some(&mut self.data),
            of_data.root.as_mut(),
            of_data.validation.as_mut(),
            of_data.cache_directory.as_mut(),
        ];
        for path in places.into_iter().flatten() {
            *path = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        }
        self
    }

    /// `3 seeds`, `5 folds`, `2 seeds of 5 folds`.
    pub fn repeats_in_words(&self) -> String {
        let count = |number: usize, one: &str| match number {
            1 => format!("1 {one}"),
            _ => format!("{number} {one}s"),
        };
        match (self.seeds, self.folds) {
            (seeds, 0) => count(seeds, "seed"),
            (1, folds) => count(folds, "fold"),
            (seeds, folds) => format!("{} of {}", count(seeds, "seed"), count(folds, "fold")),
        }
    }
}

impl Repeat {
    /// `seed0`, or `seed0-fold1`.
    pub fn name(self) -> String {
        match self.fold {
            None => format!("seed{}", self.seed),
            Some(fold) => format!("seed{}-fold{fold}", self.seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn design(axes: &[&str]) -> Design {
        Design {
            data: "photos".into(),
            recipe: Recipe::default(),
            axes: axes.iter().map(|text| Axis::parse(text).unwrap()).collect(),
            seeds: 2,
            folds: 0,
        }
    }

    #[test]
    fn every_value_meets_every_other_and_rounds_are_whole() {
        let design = design(&["head.pool=average,gem", "phase1.lr=default,1e-2,1e-3"]);
        let variants = design.variants().unwrap();
        let names: Vec<&str> = variants.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "average, default",
                "average, 1e-2",
                "average, 1e-3",
                "gem, default",
                "gem, 1e-2",
                "gem, 1e-3"
            ]
        );
        assert_eq!(variants[0].settings, ["head.pool=average"]);
        assert_eq!(variants[4].settings, ["head.pool=gem", "phase1.lr=1e-2"]);
        let cells = design.cells(variants.len());
        assert_eq!(cells.len(), 12);
        assert!(cells[..6].iter().all(|cell| cell.repeat == 0));
        let name = design.run_name(&variants, cells[7]);
        assert_eq!(name, "2-average_1e-2-seed1");
        let recipe = design.recipe_of(&variants[1], design.repeats()[1]).unwrap();
        assert_eq!((recipe.seed, recipe.phase[0].lr), (1, 1e-2));
    }

    #[test]
    fn folds_are_held_out_for_each_seed() {
        let mut design = design(&["head.pool=average,gem"]);
        design.folds = 3;
        let repeats = design.repeats();
        assert_eq!(repeats.len(), 6);
        assert_eq!(
            repeats[5],
            Repeat {
                seed: 1,
                fold: Some(3)
            }
        );
        let variants = design.variants().unwrap();
        let recipe = design.recipe_of(&variants[0], repeats[5]).unwrap();
        assert_eq!((recipe.data.folds, recipe.data.fold), (3, 3));
        let cell = Cell {
            variant: 0,
            repeat: 5,
        };
        assert_eq!(design.run_name(&variants, cell), "1-average-seed1-fold3");
    }

    #[test]
    fn names_of_runs_are_names_of_files() {
        let design = design(&["input.rescale={zca={epsilon=1e-2}},'a/../b'"]);
        // The second is no rescaling: names are made before.
        let variant = |name: &str| Variant {
            values: vec![],
            name: name.into(),
            settings: vec![],
            recipe: Recipe::default(),
        };
        let variants = [
            variant("{zca={epsilon=1e-2}}"),
            variant("'a/../b'"),
            variant("///"),
            variant(&"x".repeat(300)),
        ];
        let name = |variant| design.run_name(&variants, Cell { variant, repeat: 0 });
        assert_eq!(name(0), "1-zca_epsilon_1e-2-seed0");
        assert_eq!(name(1), "2-a_.._b-seed0");
        assert_eq!(name(2), "3-seed0");
        assert_eq!(name(3).len(), 2 + LONGEST + 6);
    }

    #[test]
    fn what_is_wrong_with_a_variant_is_known_before_any_run() {
        let error = |axes: &[&str]| design(axes).variants().unwrap_err().to_string();
        assert!(error(&["head.pol=average"]).contains("did you mean `head.pool`"));
        assert!(error(&["phase1.epochs=3,many"]).contains("phase1.epochs=many"));
        assert!(error(&["phase1.epochs=3,3.0e0"]).contains("phase1.epochs"));
        assert!(error(&["input.size=96,[96,96]"]).contains("same recipe"));
        assert!(error(&["head.pool=average", "head.pool=gem"]).contains("varied twice"));
    }

    #[test]
    fn a_comparison_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let mut written = design(&["head.pool=average,'gem'", "input.size=[96,96],default"]);
        written.recipe = written
            .recipe
            .with(&["phase1.optim={name='sgd'}".into()])
            .unwrap();
        written.save(folder.path()).unwrap();
        let read = Design::load(folder.path()).unwrap();
        assert_eq!(read.variants().unwrap(), written.variants().unwrap());
        assert_eq!((read.data, read.seeds), (written.data, written.seeds));
        let error = Design::load(&folder.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("compare.toml"), "{error}");
    }
}
