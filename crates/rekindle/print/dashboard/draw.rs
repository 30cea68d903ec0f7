//! A run as a screen full of characters: curves, how far it is, the last lines.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType, LineGauge, Paragraph};
use rekindle_finetune::EpochRecord;

use super::Picture;
use crate::print::words;

/// Lines of text at most.
pub const MOST_LINES: usize = 12;
/// Columns below which there is room for one chart only.
const TWO_CHARTS: u16 = 60;

/// A curve: its name, its colour, and epochs with values.
struct Curve {
    name: String,
    colour: Color,
    points: Vec<(f64, f64)>,
}

/// Draws the whole screen.
pub fn draw(frame: &mut Frame, picture: &Picture, lines: &[String]) {
    // The charts get what is left, and two thirds of a low terminal.
    let most = usize::from(frame.area().height.saturating_sub(4) / 3);
    let shown = &lines[lines.len().saturating_sub(most)..];
    let rows = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(3),
        Constraint::Length(1),
        Constraint::Length(shown.len() as u16),
        Constraint::Length(1),
    ]);
    let [head, charts, gauge, text, foot] = frame.area().layout(&rows);
    let title = Line::from(picture.directory.as_str()).bold();
    let about = Line::from(picture.about.as_str());
    frame.render_widget(Paragraph::new(vec![title, about]), head);
    draw_charts(frame, charts, picture);
    draw_gauge(frame, gauge, picture);
    let shown: Vec<Line> = shown.iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Paragraph::new(Text::from(shown)), text);
    let help = Line::from("Ctrl-C saves the run and stops").dim();
    frame.render_widget(help, foot);
}

fn draw_charts(frame: &mut Frame, area: Rect, picture: &Picture) {
    let curve = |name: &str, colour, value: &dyn Fn(&EpochRecord) -> f64| {
        let epochs = picture.history.iter().enumerate();
        let points = epochs.map(|(place, record)| (place as f64 + 1.0, value(record)));
        Curve {
            name: name.to_owned(),
            colour,
            points: points.filter(|(_, value)| value.is_finite()).collect(),
        }
    };
    // A phase's state at its begin has no training loss.
    let train = curve("train", Color::Cyan, &|record| match record.epoch {
        0 => f64::NAN,
        _ => record.train_loss,
    });
    let validation = curve("val", Color::Yellow, &|record| record.validation("loss"));
    let figure = picture.figure.map(|figure| {
        let curve = curve("val", Color::Yellow, &|record| {
            record.validation(figure.name)
        });
        (figure, curve)
    });
    let halves = match (area.width >= TWO_CHARTS, &figure) {
        (true, Some(_)) => vec![Constraint::Fill(1); 2],
        _ => vec![Constraint::Fill(1)],
    };
    let halves = Layout::horizontal(halves).split(area);
    let number = |value: f64| format!("{value:.3}");
    draw_chart(frame, halves[0], "loss", &[train, validation], &number);
    if let (Some((figure, curve)), Some(area)) = (figure, halves.get(1)) {
        let text = |value: f64| figure.text(value);
        draw_chart(frame, *area, figure.label, &[curve], &text);
    }
}

fn draw_chart(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    curves: &[Curve],
    text: &dyn Fn(f64) -> String,
) {
    // In the title, since a legend would lie over the curves.
    let mut title = vec![Span::from(format!(" {title} "))];
    for curve in curves {
        if let Some((_, value)) = curve.points.last() {
            let words = format!(" {} {} ", curve.name, text(*value));
            title.push(Span::styled(words, curve.colour));
        }
    }
    let values = || curves.iter().flat_map(|curve| &curve.points);
    let (low, high) = values().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
        (low.min(point.1), high.max(point.1))
    });
    if low > high {
        let block = Block::bordered().title(Line::from(title));
        let words = Paragraph::new("no epoch yet").block(block);
        return frame.render_widget(words, area);
    }
    let margin = match high - low {
        0.0 => (high.abs() * 0.05).max(1e-3),
        range => range * 0.05,
    };
    let (low, high) = (low - margin, high + margin);
    let last = values().map(|point| point.0).fold(2.0, f64::max);
    let sets = curves.iter().map(|curve| {
        Dataset::default()
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(Style::new().fg(curve.colour))
            .data(&curve.points)
    });
    let labels = |values: &[f64], text: &dyn Fn(f64) -> String| -> Vec<String> {
        values.iter().map(|value| text(*value)).collect()
    };
    let epochs = labels(&[1.0, last], &|epoch| format!("epoch {epoch:.0}"));
    let x = Axis::default().bounds([1.0, last]).labels(epochs);
    let y = Axis::default()
        .bounds([low, high])
        .labels(labels(&[low, (low + high) / 2.0, high], text));
    let chart = Chart::new(sets.collect())
        .block(Block::bordered().title(Line::from(title)))
        .x_axis(x)
        .y_axis(y);
    frame.render_widget(chart, area);
}

fn draw_gauge(frame: &mut Frame, area: Rect, picture: &Picture) {
    let (share, words) = match picture.features {
        Some((done, of)) => (
            part(done, of),
            format!("features, once: {done} of {of} images"),
        ),
        None => {
            let done = picture.epoch.saturating_sub(1) * picture.of + picture.images;
            let all = picture.epochs * picture.of;
            (part(done, all), phase_words(picture, all - done.min(all)))
        }
    };
    let gauge = LineGauge::default()
        .ratio(share)
        .label(format!("{words} "))
        .filled_style(Style::new().fg(Color::Cyan));
    frame.render_widget(gauge, area);
}

/// `phase 2, epoch 3/8, 61 images/s, at most 2 min 10 s left`.
fn phase_words(picture: &Picture, left: usize) -> String {
    let mut words = picture.phase.clone();
    if picture.epoch > 0 {
        words.push_str(&format!(", epoch {}/{}", picture.epoch, picture.epochs));
    }
    let seconds = picture.time.as_secs_f64();
    if picture.trained > 0 && seconds > 0.0 {
        let rate = picture.trained as f64 / seconds;
        let left = picture.time.mul_f64(left as f64 / picture.trained as f64);
        let left = words::duration(left);
        words.push_str(&format!(", {rate:.0} images/s, at most {left} left"));
    }
    words
}

fn part(done: usize, of: usize) -> f64 {
    match of {
        0 => 0.0,
        of => (done as f64 / of as f64).clamp(0.0, 1.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use rekindle_data::TaskKind;

    use super::*;

    fn picture(epochs: usize) -> Picture {
        let record = |epoch: usize| EpochRecord {
            phase: "phase1".into(),
            epoch,
            lr: 1e-3,
            train_loss: match epoch {
                0 => f64::NAN,
                epoch => 2.0 / epoch as f64,
            },
            gradient_norm: 1.0,
            validation: [("loss", 1.5), ("accuracy", 0.25 + epoch as f64 / 100.0)]
                .map(|(name, value)| (format!("validation_{name}"), value))
                .into(),
            best: false,
        };
        Picture {
            directory: "runs/birds-1".into(),
            about: "tf_efficientnet_lite0.in1k on cpu, 80 training and 20 validation images".into(),
            phase: "phase 1".into(),
            epoch: 3,
            epochs: 10,
            images: 40,
            of: 80,
            trained: 120,
            time: Duration::from_secs(2),
            figure: TaskKind::Classification.figures().get(1),
            history: (0..epochs).map(record).collect(),
            ..Picture::default()
        }
    }

    fn screen(width: u16, height: u16, picture: &Picture, lines: &[&str]) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        terminal.draw(|frame| draw(frame, picture, &lines)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        (0..height).map(row).collect()
    }

    #[test]
    fn eighty_columns_have_curves_figures_progress_and_the_last_lines() {
        let lines = ["epoch  train loss", "    2      1.0000"];
        let rows = screen(80, 24, &picture(4), &lines);
        assert!(rows[0].starts_with("runs/birds-1"), "{rows:#?}");
        assert!(rows[1].starts_with("tf_efficientnet_lite0.in1k on cpu, 80"));
        assert!(rows[2].contains(" loss ") && rows[2].contains(" accuracy "));
        let all = rows.join("\n");
        // The last values.
        assert!(all.contains("train 0.667  val 1.500"), "{all}");
        assert!(all.contains("val 28.0 %"), "{all}");
        // 200 of 800 images at 60 a second.
        let gauge = "phase 1, epoch 3/10, 60 images/s, at most 10.0 s left";
        assert!(rows[20].starts_with(gauge), "{all}");
        assert!(rows[21].starts_with(lines[0]) && rows[22].starts_with(lines[1]));
        assert!(rows[23].starts_with("Ctrl-C saves"));
        // The curves are there: dots of both charts.
        let dots = |from: usize, to: usize| {
            rows[3..20]
                .iter()
                .flat_map(|row| row.chars().skip(from).take(to - from))
                .filter(|letter| ('\u{2801}'..='\u{28ff}').contains(letter))
                .count()
        };
        assert!(dots(0, 40) > 20 && dots(40, 80) > 20, "{all}");
    }

    #[test]
    fn before_the_first_epoch_and_in_any_size_there_is_a_picture() {
        let fresh = Picture {
            features: Some((16, 80)),
            ..picture(0)
        };
        let rows = screen(80, 24, &fresh, &[]).join("\n");
        assert!(rows.contains("no epoch yet"), "{rows}");
        assert!(rows.contains("features, once: 16 of 80 images"), "{rows}");
        for (width, height) in [(1, 1), (3, 2), (20, 6), (59, 10), (200, 60), (80, 1)] {
            for epochs in [0, 1, 2, 400] {
                let rows = screen(width, height, &picture(epochs), &["line"; 20]);
                assert_eq!(rows.len(), usize::from(height));
            }
        }
    }
}
