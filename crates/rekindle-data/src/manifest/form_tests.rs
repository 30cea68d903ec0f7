//! Lists as other tools and other people's spreadsheets write them, with the rows that they mean.

use std::fs;

use super::*;
use crate::{ClassIndex, Sample, open_data, open_data_as};

/// A folder with pictures and a list, opened.
struct Set {
    place: tempfile::TempDir,
    list: PathBuf,
}

impl Set {
    /// The pictures are in the folder, empty: listing opens none.
    fn new(pictures: &[&str], name: &str, text: impl AsRef<[u8]>) -> Self {
        let place = tempfile::tempdir().unwrap();
        for picture in pictures {
            let path = place.path().join(picture);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
        let list = place.path().join(name);
        fs::write(&list, text).unwrap();
        Self { place, list }
    }

    fn beside(self, name: &str, text: &str) -> Self {
        fs::write(self.place.path().join(name), text).unwrap();
        self
    }

    fn open(&self) -> Result<ImageFolder, DataError> {
        open_data(&self.list, &SourceOptions::default())
    }

    fn open_with(&self, set: impl Fn(&mut SourceOptions)) -> Result<ImageFolder, DataError> {
        let mut options = SourceOptions::default();
        set(&mut options);
        open_data(&self.list, &options)
    }
}

const BIRDS: [&str; 4] = ["p/b0.png", "p/b1.png", "p/c0.png", "p/c1.png"];

/// Path and target of each sample, in words.
fn said(folder: &ImageFolder) -> Vec<String> {
    let words = |sample: &Sample| {
        let split = sample
            .split
            .map_or(String::new(), |split| format!(" ({split})"));
        let target = sample.target.words(folder.classes.names());
        format!("{}: {target}{split}", sample.key())
    };
    folder.samples.iter().map(words).collect()
}

fn told(folder: &ImageFolder) -> String {
    let texts = folder.warnings.iter().map(ToString::to_string);
    texts.collect::<Vec<_>>().join("\n")
}

const CLASSES: [&str; 4] = [
    "p/b0.png: bird",
    "p/b1.png: bird",
    "p/c0.png: car",
    "p/c1.png: car",
];

#[test]
fn two_spellings_of_one_class_are_named() {
    let csv = "path,label\np/b0.png,bird\np/b1.png,bird\np/c0.png,Car\np/c1.png,Car\np/c2.png,car\np/c3.png,car\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    assert_eq!(folder.classes.names(), ["Car", "bird", "car"]);
    assert!(
        told(&folder).contains("`Car` and `car`"),
        "{}",
        told(&folder)
    );
}

#[test]
fn a_stray_quote_loses_no_row() {
    let csv = "note,path,label\nok,p/b0.png,bird\n\"small,p/b1.png,bird\nok,p/c0.png,car\nbeak\" seen,p/c1.png,car\n";
    let folder = Set::new(&BIRDS, "a.csv", csv).open().unwrap();
    assert_eq!(said(&folder), CLASSES);
    assert!(told(&folder).contains("lines 3 to 5"), "{}", told(&folder));
}

#[test]
fn is_valid_is_the_split() {
    let csv = "path,label,is_valid\np/b0.png,bird,False\np/b1.png,bird,True\np/c0.png,car,0\np/c1.png,car,1\n";
    let folder = Set::new(&BIRDS, "a.csv", csv).open().unwrap();
    let expected = [
        "p/b0.png: bird (train)",
        "p/c0.png: car (train)",
        "p/b1.png: bird (validation)",
        "p/c1.png: car (validation)",
    ];
    assert_eq!(said(&folder), expected);
    assert!(told(&folder).contains("`is_valid` is taken for the split: true is validation"));
    let csv = csv.replace("True", "sometimes");
    let error = Set::new(&BIRDS, "a.csv", csv)
        .open()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 3") && error.contains("`sometimes`"),
        "{error}"
    );
}

#[test]
fn splits_in_a_column_are_known_by_all_their_names() {
    let csv = "path,label,split\na,x,Training\nb,y,training\nc,x,dev\nd,y,testing\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    let splits: Vec<_> = folder
        .samples
        .iter()
        .map(|sample| sample.split.unwrap())
        .collect();
    use SplitName::{Test, Train, Validation};
    assert_eq!(splits, [Train, Train, Validation, Test]);
}

#[test]
fn a_column_that_looks_like_the_split_is_told() {
    let csv = "filepaths,label,data set,kind\na,x,train,train\nb,y,train,train\nc,x,valid,train\nd,y,test,train\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    assert!(folder.samples.iter().all(|sample| sample.split.is_none()));
    let told = told(&folder);
    assert!(
        told.contains("--set data.split_column=\"data set\""),
        "{told}"
    );
    assert!(!told.contains("`kind` looks"), "{told}");
}

#[test]
fn a_column_of_0_and_1_is_a_label() {
    // One each: classes, as ISIC's lists have them.
    let one =
        "filename, bird, car\np/b0.png, 1, 0\np/b1.png, 1, 0\np/c0.png, 0, 1\np/c1.png, 0.0, 1.0\n";
    let set = Set::new(&BIRDS, "_classes.csv", one);
    let folder = set.open().unwrap();
    assert_eq!(folder.task, TaskKind::Classification);
    assert_eq!(said(&folder), CLASSES);
    assert!(
        told(&folder).contains("data.label_columns"),
        "{}",
        told(&folder)
    );
    // Named by the setting they are labels, whatever the rows hold.
    let columns = ["bird".to_owned(), "car".to_owned()];
    let named = |options: &mut SourceOptions| options.columns.indicators = columns.to_vec();
    let folder = set.open_with(named).unwrap();
    assert_eq!(folder.task, TaskKind::Multilabel);
    assert_eq!(said(&folder), CLASSES);
    // Any number: labels, as CheXpert's, with nothing said and -1 for not certain.
    let any = "Path,Age,Edema,Fracture\na.jpg,60,1.0,\nb.jpg,40,-1.0,0.0\nc.jpg,33,1.0,1.0\nd.jpg,9,,1.0\n";
    let folder = Set::new(&[], "a.csv", any).open().unwrap();
    assert_eq!(folder.task, TaskKind::Multilabel);
    let expected = [
        "a.jpg: Edema",
        "b.jpg: no labels",
        "c.jpg: Edema, Fracture",
        "d.jpg: Fracture",
    ];
    assert_eq!(said(&folder), expected);
    for part in [
        "`Age`",
        "-1 (not certain), read as 0: 1",
        "empty, read as 0: 2",
    ] {
        assert!(told(&folder).contains(part), "{part} in {}", told(&folder));
    }
    let error = Set::new(&[], "a.csv", "path,x,y\na,1,0\nb,2,1\n");
    let options = |options: &mut SourceOptions| options.columns.indicators = vec!["x".into()];
    let error = error.open_with(options).unwrap_err().to_string();
    assert!(
        error.contains("line 3: `x` is `2`, expected 1 or 0"),
        "{error}"
    );
    // A model's labels are found alike.
    let names = ClassIndex::new(vec!["Edema".into(), "Fracture".into()]).unwrap();
    let set = Set::new(&[], "a.csv", any);
    let options = SourceOptions::default();
    let known = open_data_as(&set.list, &options, TaskKind::Multilabel, &names).unwrap();
    assert_eq!(said(&known), expected);
}

#[test]
fn lists_in_cells_are_several_labels() {
    let csv = "path,label\na,\"[\"\"x\"\", \"\"y\"\"]\"\nb,\"{\"\"choices\"\": [\"\"x\"\"]}\"\nc,y\nd,\"['y', 'x']\"\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    assert_eq!(folder.task, TaskKind::Multilabel);
    assert_eq!(said(&folder), ["a: x, y", "b: x", "c: y", "d: x, y"]);
    let named = |options: &mut SourceOptions| options.columns.label = Some("label".into());
    let set = Set::new(&[], "a.csv", csv);
    let error = set.open_with(named).unwrap_err().to_string();
    assert!(error.contains("data.labels_column=label"), "{error}");
    // A list of one is a class.
    let csv = "path,label\na,[\"x\"]\nb,\"[\"\"x\"\"]\"\nc,y\nd,y\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    assert_eq!(said(&folder), ["a: x", "b: x", "c: y", "d: y"]);
}

#[test]
fn labels_with_blanks_between_are_named() {
    let csv = "path,tags\na,haze primary\nb,clear primary\nc,clear road\nd,haze road\ne,haze primary\nf,clear primary\ng,clear road\nh,haze road\n";
    let folder = Set::new(&[], "a.csv", csv).open().unwrap();
    let told = told(&folder);
    assert!(
        told.contains("`haze primary`") && told.contains("data.label_separator"),
        "{told}"
    );
    let split = |options: &mut SourceOptions| options.label_separator = " ".into();
    let folder = Set::new(&[], "a.csv", csv).open_with(split).unwrap();
    assert_eq!(folder.classes.names(), ["clear", "haze", "primary", "road"]);
}

#[test]
fn paths_of_other_systems_and_ids_are_found() {
    let rows = |path: fn(&str) -> String| {
        let row = |picture: &&str| {
            let label = if picture.contains('b') { "bird" } else { "car" };
            format!("{},{label}\n", path(picture))
        };
        BIRDS.iter().map(row).collect::<String>()
    };
    let backslashes = "path,label\n".to_owned() + &rows(|path| path.replace('/', "\\"));
    let drive =
        "path,label\n".to_owned() + &rows(|path| format!("C:\\data\\{}", path.replace('/', "\\")));
    let bucket = "image_url,label\n".to_owned() + &rows(|path| format!("gs://bucket/x/{path}"));
    let ids = "image_id,label\n".to_owned() + &rows(|path| path.replace(".png", ""));
    for csv in [&backslashes, &drive, &bucket, &ids] {
        let folder = Set::new(&BIRDS, "a.csv", csv).open().unwrap();
        assert_eq!(said(&folder), CLASSES, "{csv}");
    }
    let prefix = |options: &mut SourceOptions| options.path_prefix = Some("gs://bucket/x".into());
    let folder = Set::new(&[], "a.csv", &bucket).open_with(prefix).unwrap();
    assert_eq!(said(&folder), CLASSES);
    let other = |options: &mut SourceOptions| options.path_prefix = Some("s3://".into());
    let error = Set::new(&[], "a.csv", &bucket)
        .open_with(other)
        .unwrap_err();
    assert!(
        error.to_string().contains("no path begins with `s3://`"),
        "{error}"
    );
    let suffix = |options: &mut SourceOptions| options.suffix = Some(".png".into());
    let folder = Set::new(&[], "a.csv", &ids).open_with(suffix).unwrap();
    assert_eq!(said(&folder), CLASSES);
}

#[test]
fn spreadsheets_signs_and_encodings_are_read() {
    let csv = "path;label\np/b0.png;bird\np/b1.png;bird\np/c0.png;car\np/c1.png;car\n";
    let utf_16: Vec<u8> = csv
        .replace(';', "\t")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, text) in [
        ("a.csv", format!("sep=;\n{csv}").into_bytes()),
        ("a.csv", format!("\u{feff}sep=;\r\n{csv}").into_bytes()),
        ("a.csv", csv.replace(';', "\t").into_bytes()),
        (
            "a.csv",
            csv.replacen(";label", ";\"label, or class\"", 1)
                .replace("label, or class", "label")
                .into_bytes(),
        ),
        ("a.tsv", csv.replace(';', ",").into_bytes()),
        ("a.csv", [b"\xff\xfe".to_vec(), utf_16.clone()].concat()),
        ("a.tsv", utf_16),
    ] {
        let folder = Set::new(&BIRDS, name, text).open().unwrap();
        assert_eq!(said(&folder), CLASSES);
    }
    // The line of a mistake counts the line of the separator.
    let csv = "sep=;\npath;label\na;x\nb;\n";
    let error = Set::new(&[], "a.csv", csv).open().unwrap_err().to_string();
    assert!(error.contains("line 4: the label is empty"), "{error}");
}

#[test]
fn a_list_without_a_header_is_read_and_told() {
    let csv = "p/b0.png,bird\np/b1.png,bird\np/c0.png,car\np/c1.png,car\n";
    let folder = Set::new(&BIRDS, "a.csv", csv).open().unwrap();
    assert_eq!(said(&folder), CLASSES);
    assert!(
        told(&folder).contains("column 1 as the path, 2 as the label"),
        "{}",
        told(&folder)
    );
    // Vertex AI's tables.
    let csv = "TRAIN,gs://x/b0.png,bird\nTRAIN,gs://x/c0.png,car\nTEST,gs://x/b1.png,bird\n,gs://x/c1.png,car\nTRAIN,gs://x/b2.png,bird\n";
    let folder = Set::new(
        &["b0.png", "b1.png", "b2.png", "c0.png", "c1.png"],
        "a.csv",
        csv,
    )
    .open()
    .unwrap();
    let expected = [
        "b0.png: bird (train)",
        "b2.png: bird (train)",
        "c0.png: car (train)",
        "c1.png: car (train)",
        "b1.png: bird (test)",
    ];
    assert_eq!(said(&folder), expected);
    // Which of two columns is the label cannot be known.
    let error = Set::new(&[], "a.csv", "a.png,x,1\nb.png,y,2\n")
        .open()
        .unwrap_err();
    assert!(
        error.to_string().contains("no column for the path"),
        "{error}"
    );
}

#[test]
fn sagemakers_lst_has_numbers_and_paths_behind_tabs() {
    let lst = "5\t1.000000\tp/c0.png\n1\t0\tp/b0.png\n7\t1\tp/c1.png\n8\t0\tp/b1.png\n";
    let folder = Set::new(&BIRDS, "a.lst", lst).open().unwrap();
    assert_eq!(folder.classes.names(), ["0", "1"]);
    assert_eq!(said(&folder)[2], "p/c0.png: 1");
    let lst = "0\t1\t0\ta.png\n1\t1\t1\tb.png\n2\t0\t1\tc.png\n";
    let folder = Set::new(&[], "a.lst", lst).open().unwrap();
    assert_eq!(said(&folder), ["a.png: 0", "b.png: 0, 1", "c.png: 1"]);
    let error = Set::new(&[], "a.lst", "0\tcat\ta.png\n")
        .open()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 1: `cat` is no whole number"),
        "{error}"
    );
}

#[test]
fn image_nets_text_has_names_in_synsets() {
    let text = "p/b0.png 0\np/b1.png 0\n\"p/c0.png\" 1\np/c1.png 1\n";
    let set = Set::new(&BIRDS, "train.txt", text).beside("synsets.txt", "bird\ncar\nox\n");
    let folder = set.open().unwrap();
    assert_eq!(said(&folder), CLASSES);
    assert!(told(&folder).contains("synsets.txt"), "{}", told(&folder));
    let text = "a b.png 0 1\nc.png 1\nd.png\ne.png 0\n";
    let folder = Set::new(&[], "a.txt", text).open().unwrap();
    assert_eq!(
        said(&folder),
        ["a b.png: 0, 1", "c.png: 1", "d.png: no labels", "e.png: 0"]
    );
    let set = Set::new(&[], "a.txt", "a.png 7\n").beside("synsets.txt", "bird\n");
    let error = set.open().unwrap_err().to_string();
    assert!(
        error.contains("line 1: the class 7 is not among the 1"),
        "{error}"
    );
    let error = Set::new(&[], "a.txt", "some notes\n").open().unwrap_err();
    assert!(matches!(error, DataError::UnknownSource { .. }), "{error}");
}

#[test]
fn label_studios_exports_are_read() {
    let csv = "annotation_id,annotator,choice,created_at,id,image,lead_time,updated_at\n\
        1,1,bird,2026,1,/data/local-files/?d=p/b0.png,2.5,2026\n\
        2,1,bird,2026,2,/data/local-files/?d=p/b1.png,2.5,2026\n\
        3,1,car,2026,3,/data/local-files/?d=p/c0.png,2.5,2026\n\
        4,1,,2026,4,/data/local-files/?d=p/none.png,2.5,2026\n\
        5,1,car,2026,5,/data/local-files/?d=p/c1.png,2.5,2026\n";
    let tsv = csv.replace(',', "\t");
    let short = |choice: &str, path: &str| {
        format!(
            r#"{{"image": "/data/upload/1/{path}", "id": 1, "choice": {choice}, "annotator": 1, "annotation_id": 2, "lead_time": 1.5}}"#
        )
    };
    let short = format!(
        "[{}, {}, {}, {}]",
        short("\"bird\"", "p/b0.png"),
        short("\"bird\"", "p/b1.png"),
        short(r#"{"choices": ["car"]}"#, "p/c0.png"),
        short("\"car\"", "p/c1.png"),
    );
    let whole = |choices: &str, path: &str| {
        format!(
            r#"{{"id": 1, "annotations": [{{"was_cancelled": false, "result": [{{"type": "choices", "value": {{"choices": {choices}}}}}]}}], "data": {{"image": "/data/upload/1/{path}"}}}}"#
        )
    };
    let whole = format!(
        "[{}, {}, {}, {}, {}]",
        whole("[\"bird\"]", "p/b0.png"),
        whole("[\"bird\"]", "p/b1.png"),
        whole("[\"car\"]", "p/c0.png"),
        whole("[\"car\"]", "p/c1.png"),
        whole("[]", "p/none.png"),
    );
    for (name, text) in [
        ("a.csv", csv),
        ("result.csv", &tsv),
        ("a.json", &short),
        ("b.json", &whole),
    ] {
        let folder = Set::new(&BIRDS, name, text).open().unwrap();
        assert_eq!(said(&folder), CLASSES, "{name}");
        if name != "a.json" {
            let told = told(&folder);
            assert!(
                told.contains("of 5 rows 4 are used; left out: 1 without a label"),
                "{told}"
            );
        }
    }
    assert_eq!(whole.matches("car").count(), 2);
    let several = whole.replace("[\"car\"]", "[\"car\", \"red\"]");
    let folder = Set::new(&BIRDS, "b.json", several).open().unwrap();
    assert_eq!(said(&folder)[2], "p/c0.png: car, red");
}

#[test]
fn cocos_categories_are_labels() {
    let coco = |annotations: &str| {
        format!(
            r#"{{"info": {{}}, "images": [{{"id": 1, "file_name": "p/b0.png", "width": 9}}, {{"id": 2, "file_name": "p/b1.png"}},
            {{"id": 3, "file_name": "p/c0.png"}}, {{"id": 4, "file_name": "p/c1.png"}}],
            "categories": [{{"id": 7, "name": "bird"}}, {{"id": 9, "name": "car", "supercategory": "thing"}}],
            "annotations": [{annotations}]}}"#
        )
    };
    let of = |image: u32, category: u32| {
        format!(
            r#"{{"id": 1, "image_id": {image}, "category_id": {category}, "bbox": [1, 2, 3, 4]}}"#
        )
    };
    let one = [of(1, 7), of(1, 7), of(2, 7), of(3, 9), of(4, 9)].join(", ");
    let folder = Set::new(&BIRDS, "a.json", coco(&one)).open().unwrap();
    assert_eq!(folder.task, TaskKind::Classification);
    assert_eq!(said(&folder), CLASSES);
    let several = [of(1, 7), of(1, 9), of(2, 7), of(3, 9), of(8, 9)].join(", ");
    let folder = Set::new(&BIRDS, "a.json", coco(&several)).open().unwrap();
    let expected = [
        "p/b0.png: bird, car",
        "p/b1.png: bird",
        "p/c0.png: car",
        "p/c1.png: no labels",
    ];
    assert_eq!(said(&folder), expected);
    assert!(
        told(&folder).contains("1 annotations of images that are not listed"),
        "{}",
        told(&folder)
    );
    let error = Set::new(&BIRDS, "a.json", coco(&of(1, 5)))
        .open()
        .unwrap_err();
    assert!(error.to_string().contains("category"), "{error}");
}

#[test]
fn vertex_and_azure_lines_are_read() {
    let vertex = BIRDS.map(|path| {
        let (label, ml_use) = if path.contains('b') { ("bird", "training") } else { ("car", "training") };
        let ml_use = if path.ends_with("1.png") { "validation" } else { ml_use };
        format!(
            r#"{{"imageGcsUri": "gs://bucket/{path}", "classificationAnnotation": {{"displayName": "{label}"}}, "dataItemResourceLabels": {{"aiplatform.googleapis.com/ml_use": "{ml_use}"}}}}"#
        )
    });
    let folder = Set::new(&BIRDS, "a.jsonl", vertex.join("\n"))
        .open()
        .unwrap();
    let expected = [
        "p/b0.png: bird (train)",
        "p/c0.png: car (train)",
        "p/b1.png: bird (validation)",
        "p/c1.png: car (validation)",
    ];
    assert_eq!(said(&folder), expected);
    let azure = BIRDS.map(|path| {
        let label = if path.contains('b') { "\"bird\"" } else { "[\"car\"]" };
        format!(r#"{{"image_url": "azureml://subscriptions/1/datastores/s/paths/{path}", "label": {label}, "image_details": {{"format": "png"}}}}"#)
    });
    let folder = Set::new(&BIRDS, "a.jsonl", azure.join("\n"))
        .open()
        .unwrap();
    assert_eq!(said(&folder), CLASSES);
}

#[test]
fn a_json_file_with_a_list_of_objects_is_as_json_lines() {
    let json = "[{\"path\": \"a\", \"label\": \"x\"},\n {\"path\": \"b\", \"label\": \"x\"}, {\"path\": \"c\", \"label\": \"y\"}, {\"path\": \"d\", \"label\": \"y\"}]";
    let folder = Set::new(&[], "a.json", json).open().unwrap();
    assert_eq!(said(&folder), ["a: x", "b: x", "c: y", "d: y"]);
    let error = Set::new(&[], "a.json", "{\"some\": 1}").open().unwrap_err();
    assert!(matches!(error, DataError::UnknownSource { .. }), "{error}");
}

mod any_text {
    use proptest::prelude::*;

    use super::*;

    /// What lists are made of, so that texts come near to being one.
    const PIECES: [&str; 40] = [
        "path",
        "label",
        "labels",
        "is_valid",
        "split",
        "image_id",
        "filename",
        ",",
        ",",
        ",",
        ";",
        "\t",
        "\n",
        "\n",
        "\n",
        "\r\n",
        "\"",
        "\"",
        "a.png",
        "b/c.jpg",
        "cat",
        "dog",
        "0",
        "1",
        "train",
        "{",
        "}",
        "[",
        "]",
        ":",
        "\\",
        "'",
        "sep=",
        "\u{feff}",
        "é",
        "\u{0}",
        "\"images\"",
        "\"categories\"",
        "\"annotations\"",
        "\"data\"",
    ];

    fn text() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(&PIECES[..]);
        prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_text_panics(text in text(), cut in 0usize..40) {
            let place = tempfile::tempdir().unwrap();
            let bytes = &text.as_bytes()[cut.min(text.len())..];
            for name in ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.lst", "a.txt"] {
                let path = place.path().join(name);
                fs::write(&path, bytes).unwrap();
                let options = SourceOptions::default();
                let _ = open_data(&path, &options);
                let _ = crate::open_unlabelled(&[&path], &options);
            }
        }
    }
}
