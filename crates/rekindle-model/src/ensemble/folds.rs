//! Which part of held-out images each belongs to, for fits that are measured on images they have not seen.

use std::collections::HashMap;

use rekindle_data::{Target, epoch_order};

/// A part from 0 to `folds - 1` for each image: of every class about the same number in each, images of one group together. The same
/// images in the same order always give the same parts.
pub fn fold_of_each(targets: &[Target], groups: &[Option<u32>], folds: usize) -> Vec<usize> {
    let folds = folds.max(1);
    let mut parts = vec![0; targets.len()];
    let mut of_group: HashMap<u32, usize> = HashMap::new();
    let mut of_class: HashMap<usize, usize> = HashMap::new();
    for image in epoch_order(targets.len(), 0, 0) {
        let class = targets[image].class().unwrap_or(0);
        // Classes begin in different parts, so that small ones do not all lack the same.
        let next = of_class.entry(class).or_insert(class);
        let group = groups.get(image).copied().flatten();
        parts[image] = match group {
            Some(group) => {
                let groups = of_group.len();
                *of_group.entry(group).or_insert(groups % folds)
            }
            None => {
                *next += 1;
                (*next - 1) % folds
            }
        };
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_in_every_part_and_groups_are_whole() {
        let targets: Vec<Target> = (0..60).map(|at| Target::Class(at % 3)).collect();
        let parts = fold_of_each(&targets, &vec![None; 60], 5);
        for class in 0..3 {
            for part in 0..5 {
                let images = (0..60).filter(|at| at % 3 == class && parts[*at] == part);
                assert_eq!(images.count(), 4);
            }
        }
        assert_eq!(parts, fold_of_each(&targets, &vec![None; 60], 5));
        let groups: Vec<Option<u32>> = (0..60).map(|at| Some(at / 6)).collect();
        let parts = fold_of_each(&targets, &groups, 5);
        assert!((0..60).all(|at| parts[at] == parts[at / 6 * 6]));
    }
}
