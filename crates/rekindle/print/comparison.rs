//! Comparisons as text: the runs that are planned, a line for each, and the table.

use std::fmt::Write;
use std::time::Duration;

use rekindle_finetune::RunReport;
use rekindle_insight::compare::{
    Comparison, Design, Reference, RunPlace, Variant, VariantResult, chance, signed,
};

use super::table::Table;
use super::words;

/// Columns of a variant's name in a line or table of 80.
const NAME: usize = 25;

/// The runs that there will be.
pub fn plan(design: &Design, variants: &[Variant]) -> String {
    let mut table = Table::new(&["run", &design.keys()]);
    let cells = design.cells(variants.len());
    for cell in &cells {
        let name = &variants[cell.variant].name;
        table.row([design.run_name(variants, *cell), words::cut_back(name, 45)]);
    }
    format!(
        "{}\n{}\n",
        table.text(),
        words::count(cells.len(), "run", "runs")
    )
}

/// The line of a run.
pub fn line(at: RunPlace<'_>, said: &str) -> String {
    let digits = at.of.to_string().len();
    let name = words::cut_back(&words::clean(&at.variant.name), NAME);
    format!(
        "{:>digits$}/{}  {name:<NAME$}  {:<11}  {said}",
        at.number, at.of, at.repeat
    )
}

/// What a finished run came to.
pub fn ended(report: &RunReport, by: Option<&str>) -> String {
    let kind = report.validation.task();
    let figure = by
        .and_then(|by| kind.figure(by))
        .unwrap_or(kind.own_figure());
    let value = report.validation.figure(figure.name);
    let value = value.map_or_else(String::new, |value| figure.text(value));
    let time = words::duration(Duration::from_secs_f64(report.seconds));
    format!("{} {value}  {time}", figure.short)
}

/// The table with what is to be known of it, at most `width` columns wide where that is at least 80.
pub fn text(of: &Comparison, width: usize) -> String {
    let figure = of.figure();
    let few = of.runs.iter().any(|run| run.status != "finished");
    let heading = figure.short_of(of.outputs);
    let mut headings = vec!["", &heading, "sd", "differs", "p", "time", "MiB"];
    if few {
        headings.push("runs");
    }
    let mut table = Table::new(&headings).right(&[1, 2, 3, 4, 5, 6, 7]);
    // What is left of the line for the name.
    let room = width.max(80) - 80 + if few { NAME - 6 } else { NAME };
    for (place, variant) in of.variants.iter().enumerate() {
        let mut cells = cells(of, place, variant, room);
        if few {
            cells.push(variant.figures.iter().flatten().count().to_string());
        }
        table.row(cells);
    }
    let mut text = format!(
        "{}, {} on {}\n\n{}",
        of.keys.join(", "),
        of.repeats,
        of.data.display(),
        table.text()
    );
    let mut say = |line: &str| {
        let _ = writeln!(text, "{}", words::wrapped(line, "", "", width.min(100)));
    };
    say("");
    for variant in &of.variants {
        if variant.name.chars().count() > room - 2 {
            say(&format!(
                "{}: {}",
                words::cut_back(&variant.name, room - 2),
                variant.name
            ));
        }
    }
    let against = match of.compared_to {
        Reference::First => "the first",
        Reference::Best => "the best",
    };
    say(&format!(
        "* best mean. Differences are to {against}, `{}`.",
        of.variants[of.reference].name
    ));
    if of.tested > 0 {
        let adjusted = match of.tested {
            1 => String::new(),
            tests => format!("; adjusted for {tests} comparisons (Holm)"),
        };
        say(&format!("p: {}{adjusted}.", of.test_in_words()));
    }
    for (place, variant) in of.variants.iter().enumerate() {
        let images = variant.difference.as_ref().and_then(|one| one.images);
        if let (Some(images), true) = (images, place != of.reference) {
            say(&format!(
                "`{}`: {} of {} images right that `{}` has wrong, {} the other way round; McNemar p {}.",
                variant.name,
                images.only_this,
                images.images,
                of.variants[of.reference].name,
                images.only_other,
                chance(images.p)
            ));
        }
    }
    for note in &of.notes {
        say(&format!("Note: {note}."));
    }
    text
}

fn cells(of: &Comparison, place: usize, variant: &VariantResult, room: usize) -> Vec<String> {
    let figure = of.figure();
    let text =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| figure.text(value));
    let difference = variant.difference.as_ref();
    let mark = if place == of.best { "* " } else { "  " };
    let mean = difference.map(|difference| difference.mean);
    let p = difference.and_then(|difference| difference.p_adjusted);
    let time = variant.seconds.map(Duration::from_secs_f64);
    vec![
        format!("{mark}{}", words::cut_back(&variant.name, room - 2)),
        text(variant.mean),
        variant
            .deviation
            .map_or_else(String::new, |sd| figure.text(sd)),
        mean.map_or_else(String::new, |mean| signed(&figure.text(mean), mean)),
        p.map_or_else(String::new, chance),
        time.map_or_else(String::new, words::duration),
        variant.model_bytes.map_or_else(String::new, |bytes| {
            format!("{:.1}", bytes as f64 / f64::from(1 << 20))
        }),
    ]
}
