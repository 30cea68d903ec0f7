//! Batches whose size is left to the plan: the largest power of two with which the run fits into memory, as far as that is known.

use rekindle_settings::{SettingError, Within};

use crate::memory::available_memory;
use crate::recipe::PhaseRecipe;
use crate::{FinetuneError, Plan};

/// The share of the available memory that a run may be expected to take; the estimate is off by up to 15 %.
const SHARE: f64 = 0.75;
/// With more images in a step than this, rates that suit the usual 16 or 32 learn too slowly.
const MOST: usize = 256;
/// An epoch has at least so many steps.
const STEPS: usize = 8;
/// Below so many images in a step, a step is rather taken in smaller parts.
const LEAST: usize = 16;

/// A batch size that the plan has chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenBatch {
    /// The phase.
    pub phase: String,
    /// Images in a step.
    pub images: usize,
    /// Images that go through at once, 0 for all of them; where it is not what the recipe says, memory has asked for it.
    pub micro_batch: usize,
    /// What decided.
    pub limit: BatchLimit,
}

/// What a batch size that the plan has chosen could not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchLimit {
    /// A larger one would not fit.
    Memory,
    /// An epoch would have fewer than eight steps.
    Images,
    /// Rates that suit 16 to 32 images in a step learn too slowly with more than 256.
    Rates,
}

impl Plan {
    /// Makes numbers of batch sizes that are to be chosen.
    ///
    /// # Errors
    ///
    /// [`SettingError`] where memory is not known: on a GPU, and where the system does not tell.
    pub(super) fn choose_batches(&mut self) -> Result<(), FinetuneError> {
        let mut open = Vec::new();
        for (place, phase) in self.recipe.phase.iter_mut().enumerate() {
            if phase.batch_size == PhaseRecipe::AUTO {
                // So small is every one until its turn comes; that of a phase without epochs, which trains nothing, stays.
                phase.batch_size = LEAST;
                open.extend((phase.epochs > 0).then_some(place));
            }
        }
        for place in open {
            let name = self.recipe.phase[place].name.clone();
            let refused = |expected: &'static str| {
                let error = SettingError::new("batch_size", "\"auto\"", expected);
                Err::<(), _>(error).within(&name)
            };
            if self.recipe.device != "cpu" {
                refused("a number on a GPU, whose memory is not known here")?;
            }
            let Some(available) = available_memory() else {
                refused("a number, since this system does not tell how much memory there is")?;
                continue;
            };
            let images = self.split.train.len();
            let most = largest_power((images / STEPS).clamp(1, MOST));
            let micro_batch = self.recipe.phase[place].micro_batch;
            let budget = (SHARE * available as f64) as u64;
            let fits = |batch: usize, part: usize| -> Result<bool, FinetuneError> {
                let phase = &mut self.recipe.phase[place];
                (phase.batch_size, phase.micro_batch) = (batch, part);
                Ok(self.memory()?.total() <= budget)
            };
            let (batch, part) = choose(most, micro_batch, fits)?;
            let phase = &mut self.recipe.phase[place];
            (phase.batch_size, phase.micro_batch) = (batch, part);
            self.chosen_batches.push(ChosenBatch {
                phase: name,
                images: batch,
                micro_batch: part,
                limit: match (batch == most, most == MOST) {
                    (false, _) => BatchLimit::Memory,
                    (true, true) => BatchLimit::Rates,
                    (true, false) => BatchLimit::Images,
                },
            });
        }
        Ok(())
    }
}

/// The largest batch, a power of two up to `most`, that fits, and in parts of how many images (0 for all at once): in the parts that are
/// wanted if it can be, or else in smaller ones. The smallest there is where nothing fits, which is told before the run begins.
fn choose<E>(
    most: usize,
    micro_batch: usize,
    mut fits: impl FnMut(usize, usize) -> Result<bool, E>,
) -> Result<(usize, usize), E> {
    let least = LEAST.min(most);
    let smaller = [8, 4, 2, 1].into_iter();
    let smaller = smaller.filter(|part| *part < least && (micro_batch == 0 || *part < micro_batch));
    for part in std::iter::once(micro_batch).chain(smaller) {
        let mut batch = most;
        while batch >= least {
            if fits(batch, part)? {
                return Ok((batch, part));
            }
            if batch == 1 {
                break;
            }
            batch /= 2;
        }
    }
    Ok((least, 1))
}

/// The largest power of two up to a number above 0.
fn largest_power(number: usize) -> usize {
    1 << number.ilog2()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// 10 for each image that goes through at once, and 1 for each image of a batch.
    fn chosen(most: usize, micro_batch: usize, budget: usize) -> (usize, usize) {
        let fits = |batch: usize, part: usize| {
            let at_once = if part == 0 { batch } else { part.min(batch) };
            Ok::<_, Infallible>(10 * at_once + batch <= budget)
        };
        choose(most, micro_batch, fits).unwrap()
    }

    #[test]
    fn the_largest_batch_that_fits_is_taken_in_the_wanted_parts() {
        assert_eq!(chosen(256, 16, 1000), (256, 16));
        assert_eq!(chosen(256, 16, 300), (128, 16));
        assert_eq!(chosen(256, 0, 1000), (64, 0));
        assert_eq!(chosen(1, 16, 1000), (1, 16));
    }

    #[test]
    fn where_the_wanted_parts_are_too_large_smaller_ones_are_taken() {
        assert_eq!(chosen(256, 16, 150), (64, 8));
        assert_eq!(chosen(256, 0, 100), (16, 8));
        assert_eq!(chosen(8, 0, 40), (8, 2));
        assert_eq!(chosen(256, 16, 5), (16, 1));
    }

    #[test]
    fn a_power_of_two_is_no_more_than_asked() {
        for (number, power) in [(1, 1), (2, 2), (3, 2), (31, 16), (256, 256)] {
            assert_eq!(largest_power(number), power);
        }
    }
}
