//! Whether the disk has room for what a run writes, asked before it trains.

use std::path::Path;

use rekindle_backbone::Backbone;
use rekindle_head::Head;
use rekindle_model::Network;

use crate::{FinetuneError, Plan};
use burn::module::Module;

/// For plan, split, metrics, report and log, and the headers of tensors.
const SMALL_FILES: u64 = 4 << 20;

/// The most that a run has on the disk at once, in bytes: the model and the next one beside it; two checkpoints, each with the trained
/// parameters as they are, the best ones, and as much again twice for an optimiser such as Adam; and the models of single epochs.
pub(super) fn needed(plan: &Plan, backbone: &Backbone, head: &Head) -> u64 {
    let stages = backbone.stages().len();
    let lowest = plan.facts.first_unfrozen_stage.min(stages);
    let stages = (lowest < stages).then(|| backbone.part(lowest, stages));
    let trained = Network::new(stages, head.clone(), plan.joint()).num_params();
    let all = backbone.num_params() + head.num_params();
    let kept = plan.recipe.phase.iter();
    let kept = kept.filter_map(|phase| phase.epochs.checked_div(phase.keep_every));
    let floats = (2 + kept.sum::<usize>()) * all + 2 * 4 * trained;
    floats as u64 * size_of::<f32>() as u64 + SMALL_FILES
}

/// Checks that so many bytes are free at a place, where the system tells.
///
/// # Errors
///
/// [`FinetuneError::NoRoom`].
pub(super) fn check(path: &Path, needed: u64) -> Result<(), FinetuneError> {
    match free(path) {
        Some(free) if free < needed => Err(FinetuneError::NoRoom {
            path: path.into(),
            needed,
            free,
        }),
        _ => Ok(()),
    }
}

/// The bytes that this user can still write on the disk of a directory.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

/// Not known here.
#[cfg(not(unix))]
fn free(_path: &Path) -> Option<u64> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_does_not_fit_is_refused_with_both_sizes() {
        let folder = tempfile::tempdir().unwrap();
        check(folder.path(), 1).unwrap();
        let error = check(folder.path(), u64::MAX).unwrap_err();
        assert!(matches!(error, FinetuneError::NoRoom { .. }), "{error}");
        let error = error.to_string();
        assert!(error.contains("17592186044416 MiB"), "{error}");
        assert!(error.contains("--runs"), "{error}");
    }
}
