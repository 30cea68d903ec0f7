//! Recipes side by side: settings that are varied, each over several seeds or folds, and whether they differ by more than chance.
//!
//! A [`Design`] says what is compared and makes its runs, [`conduct`] does them, [`results`] reads what came of them, and
//! [`write_comparison`] puts that beside them.
//!
//! | file | owns |
//! |---|---|
//! | `axis.rs` | `KEY=A,B,C` |
//! | `design.rs` | all variants, repeats and runs, and the files that say so |
//! | `conduct.rs`, `budget.rs` | doing the runs; those that time allows |
//! | `results.rs` | figures of variants, and which runs are paired |
//! | `statistics.rs`, `student.rs` | tests of paired differences; Student's distribution |
//! | `write.rs` | comparison.json, runs.csv, comparison.csv, comparison.md and the plot |
//!
//! ```no_run
//! use std::time::Instant;
//! use rekindle_finetune::{Observer, Recipe, Silent};
//! use rekindle_insight::compare::{
//!     Axis, ComparisonObserver, Conduct, Design, Reference, conduct, results, write_comparison,
//! };
//!
//! struct Quiet(Silent);
//! impl ComparisonObserver for Quiet {
//!     fn run(&mut self) -> &mut dyn Observer {
//!         &mut self.0
//!     }
//! }
//!
//! # fn main() -> Result<(), rekindle_insight::InsightError> {
//! let design = Design {
//!     data: "photos".into(),
//!     recipe: Recipe::default(),
//!     axes: vec![Axis::parse("head.pool=average,gem")?],
//!     seeds: 5,
//!     folds: 0,
//! };
//! let variants = design.variants()?;
//! let directory = "runs/compare-pooling".as_ref();
//! design.save(directory)?;
//! let how = Conduct { directory, started: Instant::now(), limit: None, interrupt: &Default::default() };
//! conduct(&design, &variants, how, &mut Quiet(Silent))?;
//! let comparison = results(&design, &variants, directory, None, Reference::First)?;
//! write_comparison(&comparison, directory)?;
//! # Ok(())
//! # }
//! ```

mod axis;
mod budget;
mod conduct;
mod design;
mod results;
mod statistics;
mod student;
mod write;

pub use axis::{Axis, DEFAULT};
pub use conduct::{ComparisonObserver, Conduct, Conducted, RunEnd, RunPlace, check, conduct};
pub use design::{Cell, DESIGN, Design, RECIPE, Repeat, Variant};
pub use results::{Comparison, Difference, Reference, RunResult, Test, VariantResult, results};
pub use statistics::{
    LEAST_PAIRS, McNemar, TTest, holm, mcnemar, mean_and_deviation, paired_t_test,
};
pub use write::{PAGE, PLOT, TABLE, chance, signed, write_comparison};
