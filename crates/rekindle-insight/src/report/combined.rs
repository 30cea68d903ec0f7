//! The page of several models that answer together: their figures beside those of the whole, and how far the variance of the error fell.
//!
//! Owns the page. What was measured is `rekindle_model::ensemble`'s, and which figures stand in the table the caller's.

use std::path::Path;

use rekindle_model::ensemble::Spread;
use rekindle_model::{ModelError, write_whole};

use crate::InsightError;
use crate::html::{Element, el};

/// Width of a drawing in its own units.
const WIDTH: f64 = 460.0;
/// Where bars begin.
const LEFT: f64 = 170.0;
/// Height of a bar with what is between it and the next.
const ROW: f64 = 34.0;

/// What the page shows.
#[derive(Debug, Clone)]
pub struct CombinationPage {
    /// What the result is called.
    pub title: String,
    /// What it was measured on, and what becomes of the outputs.
    pub subtitle: String,
    /// The headings of the figures, behind that of the models.
    pub headings: Vec<String>,
    /// A row of each model, and of the whole: its name and its figures.
    pub rows: Vec<(String, Vec<String>)>,
    /// How far the errors go together.
    pub spread: Option<Spread>,
    /// Sentences below the table.
    pub notes: Vec<String>,
}

/// Writes the page as one HTML file that needs no network.
///
/// # Errors
///
/// It cannot be written.
pub fn write_combination(path: &Path, page: &CombinationPage) -> Result<(), InsightError> {
    let written = write_whole(path, text(page).as_bytes());
    Ok(written.map_err(ModelError::from)?)
}

fn text(page: &CombinationPage) -> String {
    let mut sections = vec![section("models", "Models", models(page))];
    if let Some(spread) = page.spread.filter(|spread| spread.models > 1) {
        sections.push(section("variance", "Variance", variance(&spread)));
    }
    let head = el("head")
        .with(el("meta").attr("charset", "utf-8"))
        .with(
            el("meta")
                .attr("name", "viewport")
                .attr("content", "width=device-width, initial-scale=1"),
        )
        .with(
            el("meta")
                .attr("http-equiv", "Content-Security-Policy")
                .attr(
                    "content",
                    "default-src 'none'; img-src data:; style-src 'unsafe-inline'",
                ),
        )
        .with(el("link").attr("rel", "icon").attr("href", "data:,"))
        .with(el("title").text(format!("{} – rekindle", page.title)))
        .with(el("style").own(include_str!("style.css")));
    let header = el("header")
        .with(el("h1").text(&page.title))
        .with(el("p").class("faint").text(&page.subtitle));
    let skip = el("a")
        .class("skip")
        .attr("href", "#models")
        .text("To the models");
    let body = el("body")
        .with(skip)
        .with(header)
        .with(el("main").with_all(sections));
    format!(
        "<!doctype html>\n{}\n",
        el("html").attr("lang", "en").with(head).with(body)
    )
}

fn section(id: &'static str, title: &'static str, elements: Vec<Element>) -> Element {
    let heading = format!("h-{id}");
    el("section")
        .attr("id", id)
        .attr("aria-labelledby", &heading)
        .with(el("h2").attr("id", &heading).text(title))
        .with_all(elements)
}

fn models(page: &CombinationPage) -> Vec<Element> {
    let column = |text: &String| el("th").attr("scope", "col").text(text);
    let first = el("th").attr("scope", "col").text("model");
    let head = el("tr")
        .with(first)
        .with_all(page.headings.iter().map(column));
    let row = |(name, cells): &(String, Vec<String>)| {
        let cells = cells.iter().map(|cell| el("td").text(cell));
        let name = el("th").attr("scope", "row").attr("title", name).text(name);
        el("tr").with(name).with_all(cells)
    };
    let table = el("table")
        .with(el("thead").with(head))
        .with(el("tbody").with_all(page.rows.iter().map(row)));
    let scroll = el("div")
        .class("scroll")
        .attr("tabindex", 0)
        .attr("role", "group")
        .attr("aria-label", "Figures of each model")
        .with(table);
    let notes = page.notes.iter().map(|note| el("p").text(note));
    std::iter::once(scroll).chain(notes).collect()
}

fn variance(spread: &Spread) -> Vec<Element> {
    let models = spread.models;
    let bars = [
        ("one model, σ²".to_owned(), spread.variance),
        (format!("mean of {models}, as measured"), spread.of_mean),
        ("ρσ² + (1 − ρ)σ²/n".to_owned(), spread.by_formula()),
        ("σ²/n, if independent".to_owned(), spread.if_independent()),
    ];
    let figure = el("figure")
        .class("chart")
        .with(el("figcaption").text("Variance of the error of a probability"))
        .with(drawing(&bars));
    let share = match spread.variance > 0.0 {
        true => 100.0 * (1.0 - spread.of_mean / spread.variance),
        false => 0.0,
    };
    let words = format!(
        "The errors of two of the {models} models correlate by ρ = {:.3}, so the mean has {share:.1} % less variance than one of them; were \
         their errors independent, it would have {:.1} % less.",
        spread.correlation,
        100.0 * (1.0 - 1.0 / models as f64)
    );
    vec![el("p").text(words), el("div").class("charts").with(figure)]
}

fn drawing(bars: &[(String, f64)]) -> Element {
    let largest = bars
        .iter()
        .map(|bar| bar.1)
        .fold(f64::MIN_POSITIVE, f64::max);
    let room = WIDTH - LEFT - 65.0;
    let said = bars
        .iter()
        .map(|(name, value)| format!("{name} {value:.5}"));
    let mut svg = el("svg")
        .attr(
            "viewBox",
            format!("0 0 {WIDTH} {}", ROW * bars.len() as f64 + 8.0),
        )
        .attr("role", "img")
        .attr("aria-label", said.collect::<Vec<_>>().join("; "));
    for (place, (name, value)) in bars.iter().enumerate() {
        let top = ROW * place as f64 + 6.0;
        let width = (room * value / largest).max(1.0);
        let middle = top + 17.0;
        let name = el("text")
            .attr("x", LEFT - 10.0)
            .attr("y", middle)
            .attr("text-anchor", "end")
            .text(name);
        let bar = el("rect")
            .class("bar")
            .attr("x", LEFT)
            .attr("y", top)
            .attr("width", format!("{width:.1}"))
            .attr("height", ROW - 10.0);
        let number = el("text")
            .attr("x", format!("{:.1}", LEFT + width + 8.0))
            .attr("y", middle)
            .text(format!("{value:.5}"));
        svg = svg.with(name).with(bar).with(number);
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> CombinationPage {
        CombinationPage {
            title: "<three>".into(),
            subtitle: "mean of probabilities on 60 images".into(),
            headings: vec!["accuracy".into()],
            rows: vec![("runs/<a>".into(), vec!["80.0 %".into()])],
            spread: Some(Spread {
                models: 3,
                variance: 0.04,
                correlation: 0.5,
                of_mean: 0.08 / 3.0,
            }),
            notes: vec!["A note.".into()],
        }
    }

    #[test]
    fn the_page_has_the_figures_the_formula_and_no_markup_of_names() {
        let text = text(&page());
        for words in [
            "80.0 %",
            "ρ = 0.500",
            "33.3 % less",
            "0.02667",
            "0.01333",
            "A note.",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("<three>") && !text.contains("<a>"));
    }

    #[test]
    fn one_model_has_no_variance_to_compare() {
        let mut one = page();
        one.spread = one.spread.map(|spread| Spread {
            models: 1,
            ..spread
        });
        assert!(!text(&one).contains("id=\"variance\""));
        one.spread = None;
        assert!(text(&one).contains("id=\"models\""));
    }
}
