//! What of a report matters, in sentences, the most serious first.
//!
//! Owns: what is serious and what is only worth a look.

use super::Parts;
use super::oddities::EXTREME_ASPECT;
use super::report::{
    AlphaBand, CheckReport, DuplicateGroup, Finding, FindingKind, Odd, OddKind, Severity,
    SplitOrigin, StackReport,
};
use super::statistics::counts;
use rekindle_data::{BadImages, ImageFolder, ScanWarning, TargetKind};
use rekindle_finetune::Recipe;

/// Classes whose sizes differ by more than this factor are worth a word.
pub(super) const IMBALANCE: f64 = 3.0;
/// A class needs as many validation images for figures of its own.
pub(super) const FEW_VALIDATION: usize = 5;

pub(super) fn findings(
    report: &CheckReport,
    folder: &ImageFolder,
    recipe: &Recipe,
    parts: &Parts,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |severity, kind, count: usize, message: String| {
        if count > 0 {
            found.push(Finding {
                severity,
                kind,
                count,
                message,
            });
        }
    };
    use Severity::{Serious, Warning};
    let words = report.task.words();
    let names = match report.task.targets() {
        TargetKind::Numbers => "data",
        _ => words.more,
    };

    let groups = |matches: fn(&DuplicateGroup) -> bool| {
        report
            .duplicates
            .iter()
            .filter(|group| matches(group))
            .count()
    };
    let conflicts = groups(|group| group.crosses_classes);
    add(
        Serious,
        FindingKind::LabelConflict,
        conflicts,
        format!(
            "label conflicts: {} {}",
            pictures(conflicts),
            words.conflict
        ),
    );
    let leaks = groups(|group| group.crosses_splits);
    let remedy = match report.split {
        SplitOrigin::Folders => "keep each picture in one of them",
        _ => "keep one of each; which of them are held out is up to `seed`",
    };
    add(
        Serious,
        FindingKind::Leakage,
        leaks,
        format!(
            "leakage: {} in more than one split, so figures are too good; {remedy}",
            pictures(leaks)
        ),
    );
    let unreadable = report.unreadable.len();
    let (severity, remedy) = match recipe.data.bad_images {
        BadImages::Fail => (Serious, "training would stop; repair or remove them"),
        BadImages::Skip => (
            Warning,
            "training leaves them out, as `data.bad_images` says",
        ),
    };
    add(
        severity,
        FindingKind::Unreadable,
        unreadable,
        format!("{} cannot be decoded: {remedy}", images(unreadable)),
    );
    let few = (parts.too_small)
        .iter()
        .map(|(class, count)| format!("`{class}` has {count}"));
    add(
        Serious,
        FindingKind::ClassTooSmall,
        parts.too_small.len(),
        format!(
            "{names} with too few usable images (each needs {}): {}",
            folder.least_per_class,
            list(few)
        ),
    );
    if let Some(reason) = &parts.undivided {
        add(Serious, FindingKind::Folder, 1, reason.clone());
    }

    let repeated = groups(|group| !group.crosses_classes && !group.crosses_splits);
    add(
        Warning,
        FindingKind::Duplicates,
        repeated,
        format!(
            "{} several times in one {}",
            pictures(repeated),
            words.place
        ),
    );
    if let Some(ratio) = report.imbalance_ratio.filter(|&ratio| ratio > IMBALANCE) {
        add(
            Warning,
            FindingKind::Imbalance,
            report.classes.len(),
            format!(
                "imbalance: the {} has {ratio:.1} times the images of the {}",
                words.extremes[0], words.extremes[1]
            ),
        );
    }
    let few = report
        .classes
        .iter()
        .filter(|class| class.validation < FEW_VALIDATION);
    let few: Vec<String> = few.map(|class| format!("`{}`", class.class)).collect();
    if report.split != SplitOrigin::None {
        add(
            Warning,
            FindingKind::FewValidationImages,
            few.len(),
            format!(
                "{names} with fewer than {FEW_VALIDATION} validation images, whose figures say little: {}",
                list(few.iter().cloned())
            ),
        );
    }
    if let Some(alpha) = &report.alpha_band {
        add(
            Warning,
            FindingKind::AlphaBand,
            alpha.images,
            alpha_words(alpha),
        );
    }
    for (kind, count) in counts(report.odd.iter().map(|odd: &Odd| odd.kind)) {
        let message = match kind {
            OddKind::Stack => stack_words(&report.stacks),
            kind => odd_words(kind, count),
        };
        add(Warning, FindingKind::Odd, count, message);
    }
    for warning in &folder.warnings {
        let severity = match warning {
            ScanWarning::OnlyClass { .. } => Serious,
            _ => Warning,
        };
        add(severity, FindingKind::Folder, 1, warning.to_string());
    }
    found
}

fn odd_words(kind: OddKind, count: usize) -> String {
    let of = images(count);
    match kind {
        OddKind::WrongExtension => format!(
            "wrong extension: the names of {of} promise another format; the content decides"
        ),
        OddKind::Blank => format!("blank: {of} of a single colour"),
        OddKind::Tiny => format!("tiny: {of} with a side below a quarter of the input's"),
        OddKind::ExtremeAspect => {
            format!(
                "extreme shape: {of} more than {EXTREME_ASPECT} times as long as wide, or as wide as long"
            )
        }
        OddKind::Huge => format!("huge: {of} of more than 50 megapixels, slow to decode"),
        OddKind::Animated => {
            format!("animations and several pages: the first frame of {of} is used")
        }
        // Told with what they are like.
        OddKind::Stack => format!("stacks: the first plane of {of} is used"),
        OddKind::FewLevels => format!(
            "few grey levels: {of} of 16 bits that use only the lower ones and are nearly black; `input.range` says which numbers are \
             black and white, and `\"max\"` finds it out"
        ),
    }
}

/// What is lost of stacks, and how it is taken where that can be.
fn stack_words(stacks: &[StackReport]) -> String {
    let count = stacks.iter().map(|stack| stack.images).sum();
    let counted = |stack: &StackReport, between: &str| {
        let StackReport {
            channels,
            slices,
            times,
            ..
        } = stack;
        format!("C={channels}{between}Z={slices}{between}T={times}")
    };
    let (kinds, lost) = match stacks {
        [stack] => (
            counted(stack, ", "),
            format!("only the first of {} planes is used", stack.planes),
        ),
        _ => (
            list(stacks.iter().map(|stack| counted(stack, " "))),
            "only the first plane of each is used".to_owned(),
        ),
    };
    let way = match stacks.iter().all(StackReport::is_channels) {
        true => "; `data.tiff_planes=channels` takes the channels",
        false => "",
    };
    let are = if count == 1 {
        "is a stack"
    } else {
        "are stacks"
    };
    format!("{} {are} ({kinds}): {lost}{way}", pictures(count))
}

fn alpha_words(alpha: &AlphaBand) -> String {
    let opaque = match alpha.opaque {
        share if share <= 0.0 => "no pixel fully opaque".to_owned(),
        share => format!("{:.0} % of pixels fully opaque", 100.0 * share),
    };
    let of = match alpha.looked_at == alpha.images {
        true => pictures(alpha.images),
        false => format!(
            "{} of {} looked at",
            pictures(alpha.images),
            alpha.looked_at
        ),
    };
    format!(
        "alpha of {of} looks like a fourth band (median {}, {opaque}): pictures are put over white by it; `data.alpha=ignore` takes the \
         colours alone",
        alpha.median
    )
}

fn images(count: usize) -> String {
    format!("{count} {}", if count == 1 { "image" } else { "images" })
}

fn pictures(count: usize) -> String {
    format!(
        "{count} {}",
        if count == 1 { "picture" } else { "pictures" }
    )
}

/// The first ten of a list, with the number of the others.
fn list(items: impl Iterator<Item = String>) -> String {
    rekindle_settings::first_ten(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(channels: u32, slices: u32, images: usize) -> StackReport {
        StackReport {
            channels,
            slices,
            times: 1,
            planes: channels * slices,
            images,
        }
    }

    #[test]
    fn stacks_are_told_with_their_counts_and_the_setting_where_it_takes_them() {
        assert_eq!(
            stack_words(&[stack(3, 1, 12)]),
            "12 pictures are stacks (C=3, Z=1, T=1): only the first of 3 planes is used; `data.tiff_planes=channels` takes the channels"
        );
        assert_eq!(
            stack_words(&[stack(1, 5, 1)]),
            "1 picture is a stack (C=1, Z=5, T=1): only the first of 5 planes is used"
        );
        assert_eq!(
            stack_words(&[stack(2, 1, 3), stack(3, 2, 1)]),
            "4 pictures are stacks (C=2 Z=1 T=1, C=3 Z=2 T=1): only the first plane of each is used"
        );
    }

    #[test]
    fn alpha_that_looks_like_a_band_is_told_with_the_setting() {
        let alpha = AlphaBand {
            images: 8,
            looked_at: 8,
            median: 60,
            opaque: 0.0,
        };
        assert_eq!(
            alpha_words(&alpha),
            "alpha of 8 pictures looks like a fourth band (median 60, no pixel fully opaque): pictures are put over white by it; \
             `data.alpha=ignore` takes the colours alone"
        );
    }
}
