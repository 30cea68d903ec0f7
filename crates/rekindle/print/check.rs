//! A check's report as text.

use std::collections::BTreeMap;
use std::fmt::Display;

use rekindle_data::metrics::short;
use rekindle_data::{TargetKind, TaskKind};
use rekindle_insight::check::{
    AspectBin, CheckReport, DuplicateGroup, Finding, Likeness, Severity, Sizes, SplitOrigin,
};

use rekindle_insight::labels::Doubt;

use super::table::Table;
use super::words::{self, clean, cut_back, cut_front};

/// Most lines of each list.
const MOST_LISTED: usize = 10;
/// Most classes with a line of their own.
const MOST_CLASSES: usize = 30;
/// Most letters of a bar.
const LONGEST_BAR: usize = 30;

/// What matters first, then the lists behind it, then figures and suggestions; no line is wider than the terminal, except settings,
/// which must stay whole to be copied.
pub fn text(report: &CheckReport, width: usize) -> String {
    let mut text = Text {
        text: String::new(),
        width: width.max(40),
    };
    let named = report.task.words();
    let [one, more] = [named.one, named.more];
    let names = report.classes.len() + report.numbers.len();
    let names = words::count(names, one, more);
    text.paragraph(
        "",
        &format!(
            "{}: {} {} {names}, {} can be decoded",
            report.data.display(),
            words::count(report.images, "image", "images"),
            named.of,
            report.usable_images
        ),
    );
    findings(&mut text, report);
    duplicates(&mut text, report);
    let unreadable = report
        .unreadable
        .iter()
        .map(|image| (image.path.as_str(), image.reason.as_str()));
    text.named_list("Cannot be decoded", unreadable.collect());
    let odd = report
        .odd
        .iter()
        .map(|image| (image.path.as_str(), image.reason.as_str()));
    text.named_list("Unusual", odd.collect());
    labels(&mut text, report);
    classes(&mut text, report);
    figures(&mut text, report);
    if !report.suggestions.is_empty() {
        text.heading("Suggested settings");
        for suggestion in &report.suggestions {
            text.line(&format!("  --set '{}'", suggestion.setting));
            text.paragraph("      ", &suggestion.reason);
        }
    }
    text.text
}

/// What models say of the labels of images that they have not seen.
fn labels(text: &mut Text, report: &CheckReport) {
    let Some(labels) = &report.labels else {
        return;
    };
    let says = |doubt: &Doubt| match doubt.label == doubt.likeliest {
        true => format!("{} {}", doubt.label, words::percent(doubt.probability)),
        false => format!(
            "{} {}, rather {} {}",
            doubt.label,
            words::percent(doubt.probability),
            doubt.likeliest,
            words::percent(doubt.of_likeliest)
        ),
    };
    let of = format!(
        "of {} that {} had not seen",
        words::count(labels.images, "image", "images"),
        words::count(labels.runs.len(), "run", "runs")
    );
    for (one, more, doubts) in [
        ("label may be wrong", "labels may be wrong", &labels.wrong),
        (
            "picture is unusually unsure",
            "pictures are unusually unsure",
            &labels.outliers,
        ),
    ] {
        let said: Vec<String> = doubts.iter().map(says).collect();
        let paths = doubts.iter().map(|doubt| doubt.path.as_str());
        let heading = format!("{}, {of}", words::count(doubts.len(), one, more));
        text.named_list(
            &heading,
            paths.zip(said.iter().map(String::as_str)).collect(),
        );
    }
    if labels.wrong.is_empty() {
        text.heading(&format!("No label is doubted, {of}"));
    }
}

fn findings(text: &mut Text, report: &CheckReport) {
    for (severity, heading) in [
        (Severity::Serious, "Serious"),
        (Severity::Warning, "Worth a look"),
    ] {
        let found: Vec<&Finding> = report
            .findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .collect();
        if found.is_empty() {
            continue;
        }
        text.heading(heading);
        for finding in found {
            text.paragraph("  - ", &finding.message);
        }
    }
    if report.findings.is_empty() {
        text.heading("Nothing to complain of");
    }
}

fn duplicates(text: &mut Text, report: &CheckReport) {
    if report.duplicates.is_empty() {
        return;
    }
    text.heading("The same pictures");
    for group in report.duplicates.iter().take(MOST_LISTED) {
        text.paragraph("  ", &group_words(group, report.task));
        for image in group.images.iter().take(MOST_LISTED / 2) {
            let split = image
                .split
                .map_or_else(String::new, |split| split.to_string());
            text.cut_line("    ", &format!("{split:<10}  "), &image.path);
        }
        text.more("    ", group.images.len(), MOST_LISTED / 2);
    }
    text.more("  ", report.duplicates.len(), MOST_LISTED);
}

fn group_words(group: &DuplicateGroup, task: TaskKind) -> String {
    let differ = task.words().differ;
    let likeness = match group.likeness {
        Likeness::SameBytes => "same file".to_owned(),
        Likeness::SamePixels => "same pixels".to_owned(),
        Likeness::Near => format!("looks the same ({} of 64 bits differ)", group.distance_bits),
    };
    let crossing = match (group.crosses_classes, group.crosses_splits) {
        (true, true) => format!(", {differ}, in several splits"),
        (true, false) => format!(", {differ}"),
        (false, true) => ", in several splits".into(),
        (false, false) => String::new(),
    };
    format!("{likeness}{crossing}:")
}

fn numbers(text: &mut Text, report: &CheckReport) {
    text.heading("Numbers of usable images");
    let headings = ["number", "min", "median", "max", "mean", "deviation"];
    let mut table = Table::new(&headings).right(&[1, 2, 3, 4, 5]);
    for number in report.numbers.iter().take(MOST_CLASSES) {
        let values = [
            number.min,
            number.median,
            number.max,
            number.mean,
            number.std,
        ];
        let name = cut_back(&clean(&number.name), text.width / 3);
        table.row(std::iter::once(name).chain(values.map(short)));
    }
    text.table(&table);
    text.more("  ", report.numbers.len(), MOST_CLASSES);
}

fn classes(text: &mut Text, report: &CheckReport) {
    if report.task.targets() == TargetKind::Numbers {
        return numbers(text, report);
    }
    text.heading(match report.split {
        SplitOrigin::Folders => "Usable images, split by folders",
        SplitOrigin::Recipe => "Usable images, split as training will",
        SplitOrigin::None => "Usable images",
    });
    let most = report
        .classes
        .iter()
        .map(|class| class.train + class.validation + class.test)
        .max()
        .unwrap_or(0);
    let headings = [
        report.task.words().one,
        "train",
        "val",
        "test",
        "unreadable",
        "",
    ];
    let right = [1, 2, 3, 4];
    let rows = |room: usize| {
        let mut table = Table::new(&headings).right(&right);
        for class in report.classes.iter().take(MOST_CLASSES) {
            table.row([
                cut_back(&clean(&class.class), text.width / 3),
                class.train.to_string(),
                class.validation.to_string(),
                class.test.to_string(),
                class.unreadable.to_string(),
                bar(class.train + class.validation + class.test, most, room),
            ]);
        }
        table
    };
    // Bars have what the numbers leave of the line: one that is cut would lie.
    let lines = rows(0).text();
    let used = lines.lines().map(|line| line.chars().count()).max();
    let table = rows(text.width.saturating_sub(used.unwrap_or(0) + 4).max(1));
    text.table(&table);
    text.more("  ", report.classes.len(), MOST_CLASSES);
    if report.images_without_labels > 0 {
        let images = words::count(report.images_without_labels, "image has", "images have");
        text.line(&format!("  {images} no label"));
    }
    if let Some(ratio) = report.imbalance_ratio {
        let [most, least] = report.task.words().extremes;
        text.line(&format!("  {most} over {least}: {ratio:.2}"));
    }
}

fn figures(text: &mut Text, report: &CheckReport) {
    text.heading("Figures");
    let mut line = |name: &str, value: String| text.paragraph(&format!("  {name:<14}"), &value);
    line("formats", counts(&report.formats));
    line("pixels", counts(&report.modes));
    let turned: BTreeMap<String, usize> = report
        .orientations
        .iter()
        .filter(|(orientation, _)| **orientation != 1)
        .map(|(orientation, count)| (format!("orientation {orientation}"), *count))
        .collect();
    if !turned.is_empty() {
        line("turned upright", counts(&turned));
    }
    if report.icc_profiles > 0 {
        let images = words::count(report.icc_profiles, "image has one", "images have one");
        line("ICC profiles", format!("{images}; they are ignored"));
    }
    if let Some(channels) = &report.channels {
        let values = |values: [f64; 3]| values.map(|value| format!("{value:.3}")).join(" ");
        let [mean, std] = [channels.mean, channels.std].map(values);
        line("RGB mean, std", format!("{mean}, {std} (0 to 1)"));
    }
    if let Some(sizes) = &report.sizes {
        for (name, spread) in [
            ("width", sizes.width),
            ("height", sizes.height),
            ("shorter side", sizes.shorter_side),
        ] {
            let values = format!(
                "{} to {}, median {} px",
                spread.min, spread.max, spread.median
            );
            line(name, values);
        }
        aspects(text, sizes);
    }
    if report.left_out.total() > 0 {
        text.paragraph("  left out      ", &report.left_out.to_string());
    }
}

fn aspects(text: &mut Text, sizes: &Sizes) {
    let most = sizes.aspects.iter().map(|bin| bin.count).max().unwrap_or(0);
    text.line("  width : height");
    let used = |bin: &&AspectBin| bin.count > 0;
    for bin in sizes.aspects.iter().filter(used) {
        let range = match (bin.from, bin.below) {
            (Some(from), Some(below)) => format!("{from:.2} to {below:.2}"),
            (None, Some(below)) => format!("below {below:.2}"),
            (Some(from), None) => format!("from {from:.2}"),
            (None, None) => "all".into(),
        };
        let bar = bar(bin.count, most, LONGEST_BAR);
        text.line(format!("    {range:<12}{:>8}  {bar}", bin.count).trim_end());
    }
}

fn counts<K: Display>(counts: &BTreeMap<K, usize>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    // The most frequent first; of equal ones the first by name.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    words::list(counts.iter().map(|(name, count)| format!("{count} {name}")))
}

/// A bar as long as the share of `most`, at least one letter where there is anything.
fn bar(count: usize, most: usize, room: usize) -> String {
    let (room, most) = (room.min(LONGEST_BAR), most.max(1));
    let length = (2 * count * room + most) / (2 * most);
    "#".repeat(length.max(usize::from(count > 0 && room > 0)))
}

/// Lines that fit the terminal.
struct Text {
    text: String,
    width: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn heading(&mut self, heading: &str) {
        self.line(&format!("\n{heading}"));
    }

    /// Words behind a lead, wrapped, later lines as far in as the first one.
    fn paragraph(&mut self, lead: &str, words: &str) {
        let words = clean(words);
        let indent = lead.chars().count();
        let mut line = lead.to_owned();
        let mut is_empty = true;
        for word in words.split(' ') {
            // A word that fits no line is cut in front, where paths are alike.
            let word = cut_front(word, self.width - indent);
            if !is_empty && line.chars().count() + 1 + word.chars().count() > self.width {
                self.line(&line);
                line = " ".repeat(indent);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(&word);
            is_empty = false;
        }
        self.line(&line);
    }

    /// A path behind a lead, cut in front.
    fn cut_line(&mut self, indent: &str, lead: &str, path: &str) {
        let room = self.width - indent.chars().count() - lead.chars().count();
        self.line(&format!("{indent}{lead}{}", cut_front(&clean(path), room)));
    }

    /// Names, each with a reason below it.
    fn named_list(&mut self, heading: &str, items: Vec<(&str, &str)>) {
        if items.is_empty() {
            return;
        }
        self.heading(heading);
        for (name, reason) in items.iter().take(MOST_LISTED) {
            self.cut_line("  ", "", name);
            self.paragraph("      ", reason);
        }
        self.more("  ", items.len(), MOST_LISTED);
    }

    fn more(&mut self, indent: &str, all: usize, shown: usize) {
        if all > shown {
            self.line(&format!(
                "{indent}and {} more (--json lists all)",
                all - shown
            ));
        }
    }

    fn table(&mut self, table: &Table) {
        for line in table.text().lines() {
            self.line(&cut_back(&format!("  {line}"), self.width));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_wrapped_and_overlong_words_cut() {
        let mut text = Text {
            text: String::new(),
            width: 20,
        };
        text.paragraph("  - ", "one two three four five");
        text.paragraph("", &format!("photos/{}/last.png", "x".repeat(40)));
        assert_eq!(
            text.text,
            "  - one two three\n    four five\n…xxxxxxxxxx/last.png\n"
        );
    }

    #[test]
    fn bars_are_as_long_as_their_share_and_never_vanish() {
        assert_eq!(bar(50, 100, 10), "#####");
        assert_eq!(bar(1, 1000, 10), "#");
        assert_eq!(bar(0, 10, 10), "");
        assert_eq!(bar(0, 0, 10), "");
    }

    #[test]
    fn the_most_frequent_comes_first() {
        let map = BTreeMap::from([("BMP", 2), ("JPEG", 7), ("PNG", 2)]);
        assert_eq!(counts(&map), "7 JPEG, 2 BMP, 2 PNG");
    }
}
