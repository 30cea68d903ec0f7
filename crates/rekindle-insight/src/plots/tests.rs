//! Plots of runs of every kind and size, and what is in them.

use rekindle_data::{Meter, Target, TaskKind, TaskReport};
use serde_json::{Value, json};

use super::*;

fn epoch(phase: &str, epoch: usize, loss: f64) -> Value {
    json!({
        "phase": phase, "epoch": epoch, "lr": 1e-3 * loss, "train_loss": loss, "gradient_norm": 1.0,
        "validation_loss": loss * 1.1, "validation_accuracy": 1.0 / (1.0 + loss), "validation_rmse": loss, "best": false,
    })
}

fn record(task: TaskKind, classes: &[String], report: TaskReport) -> Value {
    let history = [("phase1", 1, 2.0), ("phase1", 2, 1.0), ("phase2", 1, 0.5)];
    let history = history.map(|(phase, number, loss)| epoch(phase, number, loss));
    json!({
        "status": "finished", "task": task, "classes": classes, "history": history, "best": ["phase1", 2],
        "validation": report,
    })
}

fn measured(task: TaskKind, names: usize) -> (Vec<String>, TaskReport) {
    let mut meter = Meter::new(task, names, None);
    for sample in 0..3 * names {
        let outputs: Vec<f32> = (0..names)
            .map(|output| ((sample * 7 + output * 13) % 11) as f32 / 3.0)
            .collect();
        let target = match task {
            TaskKind::Classification | TaskKind::Ordinal => Target::Class(sample % names),
            TaskKind::Multilabel => Target::Labels([sample as u32 % names as u32].into()),
            TaskKind::Regression => {
                Target::Numbers((0..names).map(|number| (sample * number) as f64).collect())
            }
        };
        meter.add(&outputs, &[&target]).unwrap();
    }
    let name = |number: usize| format!("class {number} & <more>");
    ((0..names).map(name).collect(), meter.report().unwrap())
}

fn run_of(value: Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.json"), value.to_string()).unwrap();
    folder
}

#[test]
fn runs_of_every_task_and_size_have_both_pictures() {
    for task in TaskKind::ALL {
        for names in [1, 2, 9, 100, 130] {
            let (classes, report) = measured(*task, names);
            let run = run_of(record(*task, &classes, report));
            let written = write_plots(run.path(), true).unwrap();
            let names: Vec<_> = written
                .iter()
                .map(|path| path.file_name().unwrap())
                .collect();
            assert_eq!(names, [CURVES, OUTCOME], "{task:?}");
            for path in written {
                let image = image::open(&path).unwrap().into_rgb8();
                assert!(
                    image.width() >= 400 && image.width() < 2000,
                    "{}",
                    image.width()
                );
                assert_eq!(image.get_pixel(0, 0).0, [255; 3]);
            }
        }
    }
}

#[test]
fn a_run_that_was_interrupted_has_curves_alone_and_one_without_an_epoch_none() {
    let (classes, report) = measured(TaskKind::Classification, 2);
    let mut value = record(TaskKind::Classification, &classes, report);
    let run = run_of(value.clone());
    assert_eq!(
        write_plots(run.path(), false).unwrap(),
        [run.path().join(CURVES)]
    );
    value["history"] = json!([]);
    let run = run_of(value);
    assert_eq!(write_plots(run.path(), false).unwrap(), [] as [PathBuf; 0]);
}

#[test]
fn phases_the_best_epoch_and_the_watched_figures_are_marked() {
    let (classes, report) = measured(TaskKind::Classification, 2);
    let run = run_of(record(TaskKind::Classification, &classes, report));
    let plan = "[[recipe.phase]]\nstopping.monitor = \"validation_macro_f1\"\n";
    std::fs::write(run.path().join("plan.toml"), plan).unwrap();
    let svg = curves_svg(&RunRecord::load(run.path()).unwrap())
        .unwrap()
        .unwrap();
    for text in [
        "Phase 1",
        "macro F1",
        "accuracy",
        "epoch 2",
        "Learning rate",
    ] {
        assert!(
            svg.to_lowercase().contains(&text.to_lowercase()),
            "{text}: {svg}"
        );
    }
}

#[test]
fn figures_that_are_no_numbers_leave_a_gap() {
    let (classes, report) = measured(TaskKind::Classification, 2);
    let mut value = record(TaskKind::Classification, &classes, report);
    value["history"][1]["train_loss"] = json!(1e300);
    value["history"][2]["train_loss"] = Value::Null;
    let run = run_of(value);
    // What cannot be read is an error and no panic.
    assert!(matches!(
        write_plots(run.path(), true),
        Err(InsightError::NoRun { .. })
    ));
    let mut run = RunRecord::load(
        run_of(record(
            TaskKind::Classification,
            &classes,
            measured(TaskKind::Classification, 2).1,
        ))
        .path(),
    )
    .unwrap();
    run.history
        .iter_mut()
        .for_each(|epoch| epoch.train_loss = f64::NAN);
    run.history[0].lr = 0.0;
    let svg = curves_svg(&run).unwrap().unwrap();
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn a_directory_without_a_run_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = write_plots(folder.path(), true).unwrap_err().to_string();
    assert!(error.contains("run.json"), "{error}");
}
