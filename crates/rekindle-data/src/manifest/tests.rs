//! Manifests that are right and manifests that are not; the images they name are never looked for.

use std::fs;

use crate::TaskKind;

use super::*;
use crate::{ClassIndex, Sample, open_data, open_data_as};

/// A folder with one manifest in it.
fn manifest(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn open(name: &str, text: &str) -> Result<ImageFolder, DataError> {
    let (_folder, path) = manifest(name, text);
    open_data(path, &SourceOptions::default())
}

fn error(name: &str, text: &str) -> String {
    open(name, text).unwrap_err().to_string()
}

/// Key, class name, split and group name of each sample.
fn samples(folder: &ImageFolder) -> Vec<(String, &str, Option<SplitName>, Option<&str>)> {
    let describe = |sample: &Sample| {
        let class = folder.classes.name(sample.class().unwrap()).unwrap();
        let group = sample.group.map(|group| &*folder.groups[group as usize]);
        (sample.key(), class, sample.split, group)
    };
    folder.samples.iter().map(describe).collect()
}

const CSV: &str = "\
\u{feff}path,label,split,group,width
b/2.png,dog,train,g1,7
\"a, b/1.png\",\"the \"\"cat\"\"\",train,,7
./c//3.png,dog, VAL ,g2,7

d/4.png,\"the \"\"cat\"\"\",test,g1,7
";

fn check(folder: &ImageFolder) {
    let (train, cat) = (Some(SplitName::Train), "the \"cat\"");
    let expected = [
        ("b/2.png".to_owned(), "dog", train, Some("g1")),
        ("a, b/1.png".to_owned(), cat, train, None),
        (
            "c/3.png".to_owned(),
            "dog",
            Some(SplitName::Validation),
            Some("g2"),
        ),
        ("d/4.png".to_owned(), cat, Some(SplitName::Test), Some("g1")),
    ];
    assert_eq!(samples(folder), expected);
    assert_eq!(folder.classes.names(), ["dog", cat]);
    let texts: Vec<String> = folder.warnings.iter().map(ToString::to_string).collect();
    let told = |part: &str| texts.iter().any(|text| text.contains(part));
    assert!(told("columns that are not used: `width`"), "{texts:?}");
    assert!(
        told("groups with images in more than one of train, validation and test: `g1`"),
        "{texts:?}"
    );
    assert!(
        told("classes without validation images: `the \"cat\"`"),
        "{texts:?}"
    );
}

#[test]
fn csv_tsv_and_json_lines_say_the_same() {
    let csv = open("labels.csv", CSV).unwrap();
    check(&csv);
    check(
        &open(
            "labels.csv",
            &CSV.replace(',', ";").replace("\"a; b", "\"a, b"),
        )
        .unwrap(),
    );
    check(
        &open(
            "labels.TSV",
            &CSV.replace(',', "\t").replace("\"a\t b", "\"a, b"),
        )
        .unwrap(),
    );
    let lines = "\
\u{feff}{\"path\": \"b/2.png\", \"label\": \"dog\", \"split\": \"train\", \"width\": 7, \"group\": \"g1\"}
{\"path\": \"a, b/1.png\", \"label\": \"the \\\"cat\\\"\", \"split\": \"train\", \"group\": null}

{\"label\": \"dog\", \"path\": \"./c//3.png\", \"split\": \"VAL\", \"group\": \"g2\"}
{\"path\": \"d/4.png\", \"label\": \"the \\\"cat\\\"\", \"split\": \"test\", \"group\": \"g1\"}
";
    check(&open("labels.jsonl", lines).unwrap());
    check(&open("labels.ndjson", lines).unwrap());
}

#[test]
fn numbers_are_names_of_classes() {
    let csv = open(
        "a.csv",
        "file,class\n1.png,10\n2.png,2\n3.png,10\n4.png,2\n",
    )
    .unwrap();
    assert_eq!(csv.classes.names(), ["10", "2"]);
    let lines = "{\"file\": \"1.png\", \"class\": 10}\n{\"file\": \"2.png\", \"class\": 2}\n\
        {\"file\": \"3.png\", \"class\": \"10\"}\n{\"file\": \"4.png\", \"class\": 2}\n";
    let lines = open("a.jsonl", lines).unwrap();
    assert_eq!(lines.classes, csv.classes);
    assert_eq!(lines.samples, csv.samples);
}

#[test]
fn a_key_that_only_later_rows_have_is_used() {
    let lines = "{\"path\": \"1\", \"label\": \"x\"}\n{\"path\": \"2\", \"label\": \"y\"}\n\
        {\"path\": \"3\", \"label\": \"x\", \"group\": 7}\n{\"path\": \"4\", \"label\": \"y\"}\n";
    let folder = open("a.jsonl", lines).unwrap();
    let groups: Vec<_> = samples(&folder)
        .into_iter()
        .map(|sample| sample.3)
        .collect();
    assert_eq!(groups, [None, Some("7"), None, None]);
}

#[test]
fn paths_start_from_the_manifest_or_the_root_and_absolute_ones_are_kept() {
    let (folder, path) = manifest("labels.csv", "");
    let inside = folder.path().join("in/1.png");
    let outside = std::env::temp_dir().join("out.png");
    let rows = format!(
        "path,label\n{},x\n{},x\n2.png,y\n3.png,y\n",
        inside.display(),
        outside.display()
    );
    fs::write(&path, rows).unwrap();
    let found = open_data(&path, &SourceOptions::default()).unwrap();
    assert_eq!(found.root, folder.path());
    let paths: Vec<_> = found
        .samples
        .iter()
        .map(|sample| found.path_of(sample))
        .collect();
    assert!(
        paths.contains(&inside) && paths.contains(&outside),
        "{paths:?}"
    );
    assert!(
        found
            .samples
            .iter()
            .any(|sample| sample.key() == "in/1.png")
    );

    let options = SourceOptions {
        root: Some("elsewhere".into()),
        ..SourceOptions::default()
    };
    let found = open_data(&path, &options).unwrap();
    let last = found.samples.last().unwrap();
    assert_eq!(found.path_of(last), Path::new("elsewhere/3.png"));
}

#[test]
fn mistakes_are_told_with_their_line() {
    let text = error("a.csv", "path,label\n1.png,x\n2.png,y,z\n");
    assert!(
        text.contains("a.csv`, line 3: it has 3 fields, expected 2"),
        "{text}"
    );
    let text = error("a.csv", "path,label\n1.png,x\n2.png,\n");
    assert!(text.contains("line 3: the label is empty"), "{text}");
    let text = error("a.csv", "path,label,split\n1.png,x,trian\n");
    assert!(
        text.contains("line 2: the split is `trian` (did you mean `train`?)"),
        "{text}"
    );
    let text = error(
        "a.jsonl",
        "{\"path\": \"1\", \"label\": \"x\"}\n{\"path\": \"2\", \n",
    );
    assert!(
        text.contains("line 2: ")
            && text.contains("expected an object such as")
            && !text.contains("line 1"),
        "{text}"
    );
    let text = error("a.jsonl", "{\"path\": \"1\", \"label\": [\"x\", \"y\"]}\n");
    assert!(
        text.contains("line 1: `label` is [\"x\",\"y\"], expected a text or a number"),
        "{text}"
    );
    let text = error("a.jsonl", "\n[1]\n");
    assert!(
        text.contains("line 2: ") && text.contains("expected an object"),
        "{text}"
    );
    let text = error("a.csv", "1.png,x,7\n2.png,y,7\n");
    assert!(
        text.contains("has no column for the path") && text.contains("`1.png`, `x`"),
        "{text}"
    );
    let text = error("a.csv", "");
    assert!(text.contains("has no column for the path"), "{text}");
    let text = error("a.jsonl", "");
    assert!(text.contains("names no images"), "{text}");
    let text = error("a.csv", "path,label\n");
    assert!(text.contains("names no images"), "{text}");
}

#[test]
fn files_that_are_no_text_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for (name, header) in [("a.csv", "path,label\n"), ("a.jsonl", "\n")] {
        let path = folder.path().join(name);
        let bytes = [header.as_bytes(), b"\xff\xfe,x\n"].concat();
        fs::write(&path, bytes).unwrap();
        let text = open_data(&path, &SourceOptions::default())
            .unwrap_err()
            .to_string();
        assert!(text.contains("line 2") && text.contains("UTF-8"), "{text}");
    }
    let none = folder.path().join("none.csv");
    let text = open_data(&none, &SourceOptions::default())
        .unwrap_err()
        .to_string();
    assert!(text.contains("none.csv` cannot be read"), "{text}");
}

#[test]
fn evaluation_keeps_the_classes_of_the_model() {
    let (_folder, path) = manifest("labels.csv", "path,label\n1.png,cat\n2.png,ant\n");
    let classes = |names: &[&str]| {
        ClassIndex::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    };
    let options = SourceOptions::default();
    let folder = open_data_as(
        &path,
        &options,
        TaskKind::Classification,
        &classes(&["dog", "cat", "ant"]),
    )
    .unwrap();
    let found: Vec<_> = folder
        .samples
        .iter()
        .map(|sample| sample.class().unwrap())
        .collect();
    assert_eq!(found, [1, 2]);
    assert_eq!(folder.least_per_class, 0);
    let error = open_data_as(
        &path,
        &options,
        TaskKind::Classification,
        &classes(&["cat", "dog"]),
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the classes of the model: `ant`"),
        "{error}"
    );
}

/// Key and target in words of each sample.
fn targets(folder: &ImageFolder) -> Vec<(String, String)> {
    let words = |sample: &Sample| sample.target.words(folder.classes.names());
    let samples = folder.samples.iter();
    samples
        .map(|sample| (sample.key(), words(sample)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, words): &(&str, &str)| ((*key).to_owned(), (*words).to_owned());
    expected.iter().map(owned).collect()
}

#[test]
fn several_labels_are_read_alike_in_all_formats() {
    let csv = "path,labels\n1.png,round | red\n2.png,red\n3.png,\n4.png,round|red\n5.png,round\n";
    let lines = "{\"path\": \"1.png\", \"labels\": [\"round\", \"red\"]}\n\
        {\"path\": \"2.png\", \"labels\": [\"red\"]}\n{\"path\": \"3.png\", \"labels\": []}\n\
        {\"path\": \"4.png\", \"labels\": [\"red\", \"round\"]}\n{\"path\": \"5.png\", \"labels\": [\"round\"]}\n";
    let expected = pairs(&[
        ("1.png", "red, round"),
        ("2.png", "red"),
        ("3.png", "no labels"),
        ("4.png", "red, round"),
        ("5.png", "round"),
    ]);
    for (name, text) in [
        ("a.csv", csv.to_owned()),
        ("a.csv", csv.replace(',', ";")),
        ("a.tsv", csv.replace(',', "\t")),
        ("a.jsonl", lines.to_owned()),
    ] {
        let folder = open(name, &text).unwrap();
        assert_eq!(folder.task, TaskKind::Multilabel);
        assert_eq!(folder.classes.names(), ["red", "round"]);
        assert_eq!(targets(&folder), expected, "{name}");
        let all: Vec<usize> = (0..5).collect();
        assert_eq!(folder.class_counts(&all), [3, 3]);
    }
    let options = SourceOptions {
        label_separator: "; ".into(),
        ..SourceOptions::default()
    };
    let (_folder, path) = manifest("a.csv", &csv.replace('|', "; ").replace(" ; ", "; "));
    assert_eq!(targets(&open_data(path, &options).unwrap()), expected);
    let rows = "path,labels\n1.png,a;b\n2.png,a;b\n3.png,c\n4.png,c\n";
    let folder = open("a.csv", rows).unwrap();
    let told = folder.warnings.iter().any(|warning| {
        let text = warning.to_string();
        text.contains("`a;b`") && text.contains("data.label_separator")
    });
    assert!(told, "{:?}", folder.warnings);
}

#[test]
fn numbers_are_read_with_the_names_of_their_columns() {
    let csv = "file,number:height,number:width,colour\n1.png,1.5,-2e3,red\n2.png,0.25,7,blue\n";
    let folder = open("a.csv", csv).unwrap();
    assert_eq!(folder.task, TaskKind::Regression);
    assert_eq!(folder.classes.names(), ["height", "width"]);
    let expected = [
        ("1.png", "height 1.5, width -2000"),
        ("2.png", "height 0.25, width 7"),
    ];
    assert_eq!(targets(&folder), pairs(&expected));
    let lines =
        "{\"path\": \"1.png\", \"number\": 3}\n{\"path\": \"2.png\", \"number\": \"0.5\"}\n";
    let folder = open("a.jsonl", lines).unwrap();
    assert_eq!(targets(&folder), pairs(&[("1.png", "3"), ("2.png", "0.5")]));

    // The numbers of a model are found by name, and a folder has none.
    let names = |names: &[&str]| {
        ClassIndex::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    };
    let (place, path) = manifest("a.csv", csv);
    let options = SourceOptions::default();
    let known = open_data_as(&path, &options, TaskKind::Regression, &names(&["width"]));
    assert_eq!(targets(&known.unwrap())[0].1, "-2000");
    let error = open_data_as(&path, &options, TaskKind::Multilabel, &names(&["red"]));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("no column for the labels")
    );
    let error = open_data_as(place.path(), &options, TaskKind::Regression, &names(&["x"]));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the model is for regression"), "{error}");
}

#[test]
fn mistakes_in_labels_and_numbers_are_told_with_line_and_column() {
    let text = error("a.csv", "path,labels\n1.png,x\n2.png,x||y\n");
    assert!(
        text.contains("line 3: `labels` has an empty label"),
        "{text}"
    );
    let text = error("a.csv", "path,labels\n1.png,x|y|x\n");
    assert!(text.contains("line 2: `labels` names `x` twice"), "{text}");
    let text = error("a.csv", "path,labels\n1.png,\n2.png,\n");
    assert!(
        text.contains("names no label for any training image"),
        "{text}"
    );
    let text = error("a.csv", "path,number\n1.png,1\n2.png,\n");
    assert!(text.contains("a.csv`, line 3: `number` is empty"), "{text}");
    let text = error("a.csv", "path,number:x\n1.png,inf\n");
    assert!(
        text.contains("line 2: `number:x` is inf, expected a finite"),
        "{text}"
    );
    let text = error("a.csv", "path,number\n1.png,1\n");
    assert!(
        text.contains("1 usable training images are too few"),
        "{text}"
    );
    let text = error("a.csv", "path,label,labels\n1.png,x,y\n");
    assert!(
        text.contains("several kinds of targets: `label`, `labels`"),
        "{text}"
    );
    let text = error("a.csv", "path,number\n1.png,1\n1.png,2\n");
    assert!(
        text.contains("`1.png`: 1 (line 2) and 2 (line 3)"),
        "{text}"
    );
    let text = error("a.csv", "path,labels\n1.png,x\n1.png,\n");
    assert!(
        text.contains("`x` (line 2) and no labels (line 3)"),
        "{text}"
    );
    let text = error("a.jsonl", "{\"path\": \"1\", \"labels\": \"x\"}\n");
    assert!(
        text.contains("line 1: `labels` is \"x\", expected a list of labels"),
        "{text}"
    );
    let rows = "{\"path\": \"1\", \"labels\": [\"x\"]}\n{\"path\": \"2\"}\n";
    let text = error("a.jsonl", rows);
    assert!(text.contains("line 2: `labels` is missing"), "{text}");
    let rows =
        "{\"path\": \"1\", \"number:a\": 1}\n{\"path\": \"2\", \"number:a\": 1, \"number:b\": 2}\n";
    let text = error("a.jsonl", rows);
    assert!(
        text.contains("line 2: `number:b` is not in the rows before"),
        "{text}"
    );
}
