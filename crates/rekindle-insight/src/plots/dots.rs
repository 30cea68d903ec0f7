//! Figures of several runs, a row of dots for each of the things compared.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::canvas::{
    COLOURS, FAINT, FONT, HEADING, INK, MESH, SMALL, TEXT, cut, sheet, width, write,
};
use crate::InsightError;

const WIDTH: u32 = 900;
/// Above the rows: the heading and the line below it.
const TOP: i32 = 66;
const ROW: i32 = 34;
/// Below the rows: the axis' numbers and its name.
const BELOW: i32 = 54;
/// Most and least room for the names, and that for the means.
const NAMES: [f64; 2] = [90.0, 320.0];
const RIGHT: i32 = 84;

/// A row of the plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// What people call it.
    pub name: String,
    /// A dot each.
    pub values: Vec<f64>,
    /// A line; none without dots.
    pub mean: Option<f64>,
    /// Whether its mean is the best.
    pub is_best: bool,
}

/// Rows of dots as SVG, 900 pixels wide; none where no row has any. `text` is a value as people read it.
///
/// # Errors
///
/// [`InsightError::Plot`].
pub fn dots_svg(
    heading: &str,
    axis: &str,
    legend: &str,
    rows: &[Dots],
    text: &dyn Fn(f64) -> String,
) -> Result<Option<String>, InsightError> {
    let values = rows.iter().flat_map(|row| row.values.iter().copied());
    let values = values.filter(|value| value.is_finite());
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let most = values.fold(f64::NEG_INFINITY, f64::max);
    if least > most {
        return Ok(None);
    }
    let edge = match most > least {
        true => 0.06 * (most - least),
        false => 0.05 * most.abs().max(1e-6),
    };
    let names = rows.iter().map(|row| width(&row.name, TEXT));
    let left = names.fold(NAMES[0], f64::max).min(NAMES[1]).ceil() as i32 + 20;
    let height = TOP + ROW * rows.len() as i32 + BELOW;
    sheet([WIDTH, height as u32], |area| {
        let room = f64::from(WIDTH) - 32.0;
        write(
            area,
            &cut(heading, HEADING, room),
            (16, 22),
            HEADING,
            INK,
            HPos::Left,
        )?;
        write(area, legend, (16, 46), SMALL, FAINT, HPos::Left)?;
        let part = area
            .clone()
            .shrink((0, TOP), (WIDTH, (ROW * rows.len() as i32 + BELOW) as u32));
        let rows_down = rows.len() as f64;
        let mut chart = ChartBuilder::on(&part)
            .margin_right(RIGHT)
            .set_label_area_size(LabelAreaPosition::Left, left)
            .set_label_area_size(LabelAreaPosition::Bottom, BELOW)
            .build_cartesian_2d(least - edge..most + edge, rows_down..0.0)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(MESH)
            .axis_style(FAINT)
            .label_style((FONT, SMALL).into_font().color(&FAINT))
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(8)
            .x_label_formatter(&|value| text(*value))
            .x_desc(axis)
            .draw()?;
        for (place, row) in rows.iter().enumerate() {
            let down = place as f64 + 0.5;
            let middle = ROW * place as i32 + ROW / 2;
            let name = cut(&row.name, TEXT, f64::from(left - 20));
            write(&part, &name, (left - 12, middle), TEXT, INK, HPos::Right)?;
            let colour = COLOURS[if row.is_best { 1 } else { 0 }];
            let dots = row.values.iter().filter(|value| value.is_finite());
            let dot = |value: &f64| Circle::new((*value, down), 5, colour.mix(0.5).filled());
            chart.draw_series(dots.map(dot))?;
            let Some(mean) = row.mean.filter(|mean| mean.is_finite()) else {
                continue;
            };
            let line = [(mean, down - 0.34), (mean, down + 0.34)];
            chart.draw_series([PathElement::new(line, INK.stroke_width(2))])?;
            let right = WIDTH as i32 - RIGHT + 10;
            write(&part, &text(mean), (right, middle), TEXT, INK, HPos::Left)?;
        }
        Ok(())
    })
    .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, values: &[f64]) -> Dots {
        Dots {
            name: name.into(),
            values: values.to_vec(),
            mean: Some(values.iter().sum::<f64>() / values.len() as f64),
            is_best: name == "b",
        }
    }

    fn draw(rows: &[Dots]) -> Option<String> {
        dots_svg("a & b", "accuracy", "dots", rows, &|value| {
            format!("{value:.2}")
        })
        .unwrap()
    }

    #[test]
    fn every_value_has_a_dot_and_every_mean_a_number() {
        let long = "a very long name of a variant that no row has room for in any case";
        let rows = [
            row("<b>", &[0.5, 0.75]),
            row("b", &[0.7; 3]),
            row(long, &[f64::NAN]),
        ];
        let svg = draw(&rows).unwrap();
        assert_eq!(svg.matches("<circle").count(), 5);
        assert!(
            svg.contains("0.62") && svg.contains("0.70") && !svg.contains("NaN"),
            "{svg}"
        );
        assert!(svg.contains("&lt;b&gt;") && svg.contains('…'));
        let image = crate::plots::pixels(&svg).unwrap();
        assert_eq!(image.dimensions(), (900, 66 + 3 * 34 + 54));
    }

    #[test]
    fn one_value_is_drawn_and_none_is_no_plot() {
        assert!(draw(&[row("a", &[0.5])]).is_some());
        assert!(draw(&[row("a", &[0.0, 0.0])]).is_some());
        assert_eq!(draw(&[]), None);
        assert_eq!(draw(&[row("a", &[f64::NAN])]), None);
    }
}
