//! Odd lists through their readers: none panics or hangs, whatever a file holds.
//!
//! Lists are made by the grammar of their kinds (tables, JSON of every known form, lists of lines, tar shards), and half of them have bytes
//! changed. A thousand run with the other tests. More by hand, the same ones every time:
//!
//! ```text
//! MUTATIONS=1000000 MUTATIONS_FROM=0 cargo test --release -p rekindle-data --test list_mutations -- --nocapture
//! ```

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use rekindle_data::{SourceOptions, open_data, open_data_to_check, open_unlabelled};
use serde_json::{Value, json};

/// Longest time for one small list.
const LONGEST: Duration = Duration::from_secs(2);

/// Xorshift, so that a failure can be repeated by its number.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const COLUMNS: [&str; 30] = [
    "path",
    "file",
    "image",
    "image_id",
    "id",
    "filename",
    "file_name",
    "image_url",
    "label",
    "labels",
    "class",
    "category",
    "split",
    "is_valid",
    "group",
    "number",
    "number:height",
    "frame",
    "cat",
    "dog",
    "bird",
    "",
    " ",
    "Label ",
    "choice",
    "image;label",
    "a\"b",
    "\u{feff}x",
    "0",
    "set",
];
const CELLS: [&str; 44] = [
    "a.png",
    "b.png",
    "c.jpg",
    "sub/d.png",
    "./a.png",
    "a",
    "b",
    "../a.png",
    "/data/upload/a.png",
    "C:\\photos\\a.png",
    "gs://bucket/a.png",
    "http://x/y/a.png",
    "A.PNG",
    "caf\u{e9}.png",
    "",
    " ",
    "cat",
    "dog",
    "Cat",
    "cat|dog",
    "cat, dog",
    "[\"cat\",\"dog\"]",
    "{\"choices\": [\"cat\"]}",
    "1",
    "0",
    "-1",
    "1.5",
    "nan",
    "inf",
    "1e999",
    "train",
    "val",
    "test",
    "valid",
    "TRUE",
    "False",
    "\"",
    "\"\"",
    "'",
    "x\ny",
    "\u{0}",
    "\u{200b}",
    "9999999999999999999999",
    "n01440764",
];

/// A list, and the ending of its name.
fn list(random: &mut Random) -> (&'static str, Vec<u8>) {
    match random.below(10) {
        0..=3 => table(random),
        4 => ("jsonl", json_lines(random)),
        5 | 6 => ("json", json_list(random).to_string().into_bytes()),
        7 => (random.one(&["lst", "txt"]), lines(random)),
        _ => ("tar", shard(random)),
    }
}

fn table(random: &mut Random) -> (&'static str, Vec<u8>) {
    let ending = random.one(&["csv", "csv", "csv", "tsv"]);
    let usual = if ending == "tsv" { "\t" } else { "," };
    let separator = random.one(&[usual, usual, usual, ";", "\t", "|"]);
    let end = random.one(&["\n", "\n", "\r\n", "\r"]);
    let width = 1 + random.below(5);
    let mut text = String::new();
    if random.below(10) == 0 {
        text += &format!("sep={separator}{end}");
    }
    let row = |text: &mut String, random: &mut Random, from: &[&str]| {
        let count = match random.below(12) {
            0 => random.below(8),
            _ => width,
        };
        for place in 0..count {
            if place > 0 {
                *text += separator;
            }
            let cell = random.one(from);
            match random.below(6) {
                0 => *text += &format!("\"{}\"", cell.replace('"', "\"\"")),
                1 if random.below(8) == 0 => *text += &format!("\"{cell}"),
                _ => *text += cell,
            }
        }
        *text += end;
    };
    if random.below(8) > 0 {
        let known = ["path", "label", "split", "labels", "number"];
        match random.below(3) {
            0 => row(&mut text, random, &COLUMNS),
            _ => {
                text += &known[..width.min(known.len())].join(separator);
                text += end;
            }
        }
    }
    for _ in 0..random.below(10) {
        row(&mut text, random, &CELLS);
    }
    let bytes = match random.below(12) {
        0 => [b"\xef\xbb\xbf".to_vec(), text.into_bytes()].concat(),
        1 => {
            let words = text.encode_utf16().flat_map(u16::to_le_bytes);
            [vec![0xff, 0xfe], words.collect()].concat()
        }
        2 => {
            let words = text.encode_utf16().flat_map(u16::to_be_bytes);
            [vec![0xfe, 0xff], words.collect()].concat()
        }
        _ => text.into_bytes(),
    };
    (ending, bytes)
}

/// Any value, mostly a cell.
fn value(random: &mut Random, depth: usize) -> Value {
    match random.below(12) {
        0 => Value::Null,
        1 => json!(random.below(3) == 0),
        2 => json!(random.below(5)),
        3 => json!(random.below(100) as f64 / 7.0),
        4 if depth < 3 => (0..random.below(4))
            .map(|_| value(random, depth + 1))
            .collect(),
        5 if depth < 3 => object(random, depth + 1),
        6 => json!(i64::MIN),
        _ => json!(random.one(&CELLS)),
    }
}

fn object(random: &mut Random, depth: usize) -> Value {
    let mut found = serde_json::Map::new();
    for _ in 0..random.below(5) {
        let key = random.one(&COLUMNS);
        found.insert(key.to_owned(), value(random, depth));
    }
    Value::Object(found)
}

fn json_lines(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    for _ in 0..random.below(10) {
        let line = match random.below(5) {
            0 => object(random, 0),
            1 => {
                json!({"imageGcsUri": random.one(&CELLS), "classificationAnnotation": {"displayName": value(random, 1)}})
            }
            2 => json!({"image_url": random.one(&CELLS), "label": value(random, 1)}),
            3 => json!({"file_name": random.one(&CELLS), "label": random.one(&CELLS)}),
            _ => json!({"path": random.one(&CELLS), "labels": value(random, 0)}),
        };
        text += &line.to_string();
        text += random.one(&["\n", "\n", "\r\n", "\n\n", ","]);
    }
    text.into_bytes()
}

fn json_list(random: &mut Random) -> Value {
    let several = |random: &mut Random, one: fn(&mut Random) -> Value| -> Value {
        (0..random.below(6)).map(|_| one(random)).collect()
    };
    match random.below(6) {
        0 => value(random, 0),
        1 => {
            let image = |random: &mut Random| json!({"id": random.below(4), "file_name": random.one(&CELLS)});
            let annotation = |random: &mut Random| json!({"image_id": random.below(5), "category_id": random.below(4)});
            let category =
                |random: &mut Random| json!({"id": random.below(4), "name": random.one(&CELLS)});
            json!({
                "images": several(random, image),
                "annotations": several(random, annotation),
                "categories": several(random, category),
            })
        }
        2 => {
            let task = |random: &mut Random| {
                let choices = value(random, 2);
                json!({"data": {"image": random.one(&CELLS)}, "annotations": [{"result": [{"type": "choices", "value": {"choices": choices}}]}]})
            };
            several(random, task)
        }
        3 => several(
            random,
            |random| json!({"image": random.one(&CELLS), "choice": value(random, 1)}),
        ),
        4 => several(random, |random| object(random, 0)),
        _ => {
            json!({"labels": [[random.one(&CELLS), random.below(3)], [random.one(&CELLS), value(random, 1)]]})
        }
    }
}

fn lines(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    for number in 0..random.below(10) {
        let [path, label] = [random.one(&CELLS), random.one(&CELLS)];
        text += &match random.below(4) {
            0 => format!("{number}\t{label}\t{path}\n"),
            1 => format!("{path} {label}\n"),
            2 => format!("{path}\n"),
            _ => format!("{path}\t{label}\r\n"),
        };
    }
    text.into_bytes()
}

fn shard(random: &mut Random) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..random.below(8) {
        let key = random.one(&["a", "b", "c/d", "img.b0", ".x", "\u{e9}"]);
        let field = random.one(&[
            "png", "jpg", "cls", "txt", "json", "ome.tif", "npy", "PNG", "dcm",
        ]);
        let content = match field {
            "json" => object(random, 0).to_string().into_bytes(),
            "cls" | "txt" => random.one(&CELLS).as_bytes().to_vec(),
            _ => vec![7; random.below(700)],
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let name = match random.below(3) {
            0 => format!("{key}.{field}"),
            _ => format!("{key}{}.{field}", number / 2),
        };
        if builder
            .append_data(&mut header, name, &content[..])
            .is_err()
        {
            break;
        }
    }
    let mut bytes = builder.into_inner().unwrap_or_default();
    if random.below(6) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
    bytes
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const ODD: [u8; 16] = *b"\0\"',;:{}[]\\\n\r\t\xff|";
    for _ in 0..1 + random.below(5) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] = random.one(&ODD),
            2 => bytes.insert(at, random.one(&ODD)),
            3 => {
                bytes.remove(at);
            }
            _ => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
        }
    }
}

/// Opens a list in each way; whether any of them gave images.
fn open(path: &Path, random: &mut Random) -> bool {
    let mut options = SourceOptions::default();
    match random.below(6) {
        0 => options.columns.label = Some(random.one(&COLUMNS).to_owned()),
        1 => options.columns.path = Some(random.one(&COLUMNS).to_owned()),
        2 => options.label_separator = random.one(&["|", ",", " "]).to_owned(),
        _ => {}
    }
    match random.below(3) {
        0 => open_data(path, &options).is_ok(),
        1 => open_data_to_check(path, &options).is_ok(),
        _ => open_unlabelled(&[path], &options).is_ok(),
    }
}

#[test]
fn odd_lists_are_errors_or_images_in_time() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let first = number("MUTATIONS_FROM", 0);
    let count = number("MUTATIONS", 1000);
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir(place.path().join("sub")).unwrap();
    for name in ["a.png", "b.png", "c.jpg", "sub/d.png"] {
        std::fs::write(place.path().join(name), name).unwrap();
    }
    let mut seen: BTreeMap<&str, (u64, u64, Duration)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for number in first..first + count {
        let mut random = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.next();
        let (ending, mut bytes) = list(&mut random);
        if random.below(2) == 0 {
            damage(&mut bytes, &mut random);
        }
        let path = place.path().join(format!("list.{ending}"));
        std::fs::write(&path, &bytes).unwrap();
        let start = Instant::now();
        let found = catch_unwind(AssertUnwindSafe(|| open(&path, &mut random)));
        let taken = start.elapsed();
        std::fs::remove_file(&path).unwrap();
        let seen = seen.entry(ending).or_default();
        seen.0 += 1;
        seen.1 += u64::from(matches!(found, Ok(true)));
        seen.2 = seen.2.max(taken);
        if taken >= LONGEST {
            wrong.push(format!("case {number} ({ending}) took {taken:?}"));
        }
        if found.is_err() {
            wrong.push(format!("case {number} ({ending}) panicked"));
        }
        assert!(wrong.len() < 20, "{}", wrong.join("\n"));
    }
    println!("{count} cases from {first} on");
    for (ending, (cases, images, slowest)) in &seen {
        println!("{ending}: {cases} cases, {images} of them images, the slowest {slowest:?}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.values().any(|(_, images, _)| *images > 0));
}
