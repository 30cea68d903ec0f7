//! What of a report matters, in sentences, the most serious first.
//!
//! Owns: what is serious and what is only worth a look.

use super::Parts;
use super::oddities::EXTREME_ASPECT;
use super::report::{
    CheckReport, DuplicateGroup, Finding, FindingKind, Odd, OddKind, Severity, SplitOrigin,
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
    for (kind, count) in counts(report.odd.iter().map(|odd: &Odd| odd.kind)) {
        add(Warning, FindingKind::Odd, count, odd_words(kind, count));
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
        OddKind::FewLevels => format!(
            "few grey levels: {of} of 16 bits that use only the lower ones and are nearly black; `input.range` says which numbers are \
             black and white, and `\"max\"` finds it out"
        ),
    }
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
