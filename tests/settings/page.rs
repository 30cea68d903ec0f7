//! Makes docs/settings.md of the types that `source.rs` found and of the defaults that the program has.

use std::collections::BTreeMap;
use std::fmt::Write;

use rekindle_augment::{MixSpec, RescaleSpec, TransformSpec};
use rekindle_finetune::Recipe;
use rekindle_finetune::clip::ClipSpec;
use rekindle_finetune::optim::OptimizerSpec;
use rekindle_finetune::schedule::ScheduleSpec;
use rekindle_head::LossConfig;
use rekindle_settings::{read, write};
use toml::{Table, Value};

use crate::source::{Field, Kind, Variant};

const HEAD: &str = "\
# Settings

Every setting of a recipe: `rekindle train photos --set KEY=VALUE`, or a line of a file given with `--recipe FILE.toml`. The program has
this page too: `rekindle settings` prints it, `rekindle settings WORD` the part of it with that word. `rekindle train DATA --dry-run` shows
what a run would use.

Settings of a phase begin with its name, `phase1.epochs`, and are the same for each. `phase1` trains the head alone, `phase2` the last
stages too; a recipe may list others under `[[phase]]`.

This page is made from the documentation in the source. After a change there:
`REKINDLE_WRITE_DOCS=1 cargo test --test settings`.
";

/// The whole page.
pub fn page(types: &BTreeMap<String, Kind>) -> String {
    let defaults = write(&Recipe::default()).unwrap();
    let mut page = Page {
        types,
        text: HEAD.into(),
        later: Vec::new(),
    };
    let Some(Kind::Struct(recipe)) = types.get("Recipe") else {
        panic!("the struct `Recipe` is not found");
    };
    let (tables, plain): (Vec<&Field>, Vec<&Field>) =
        recipe.iter().partition(|field| page.is_table(&field.of));
    page.section("The run");
    for field in plain {
        page.row(&field.name, field, defaults.get(&field.name));
    }
    for field in tables {
        page.section(&format!("`{}`", field.name));
        let inner = inner(&field.of);
        match field.name.as_str() {
            "phase" => page.phases(&defaults["phase"]),
            _ => page.all_of(inner, &field.name, defaults.get(&field.name)),
        }
        while !page.later.is_empty() {
            for (key, of) in std::mem::take(&mut page.later) {
                page.choice(&key, &of);
            }
        }
    }
    page.text
}

/// What a choice may hold that has no settings of its own.
const NUMBERS: [&str; 6] = ["u8", "u32", "usize", "f32", "f64", "[f64; 2]"];

struct Page<'a> {
    types: &'a BTreeMap<String, Kind>,
    text: String,
    /// Choices with settings of their own, whose tables follow.
    later: Vec<(String, String)>,
}

impl Page<'_> {
    fn section(&mut self, title: &str) {
        let _ = write!(
            self.text,
            "\n## {title}\n\n| setting | value | default | |\n|---|---|---|---|\n"
        );
    }

    /// Whether the type has settings of its own that are no choice.
    fn is_table(&self, of: &str) -> bool {
        let of = inner(of);
        of == "LossRecipe" || matches!(self.types.get(of), Some(Kind::Struct(_)))
    }

    fn all_of(&mut self, of: &str, key: &str, defaults: Option<&Value>) {
        if of == "LossRecipe" {
            self.later.push((key.into(), "LossConfig".into()));
            let doc = " Which loss. Default by the task: `cross_entropy` with `label_smoothing = 0.1` of classes, \
                `binary_cross_entropy` of labels, `mean_squared_error` of numbers, `corn` of levels.";
            let field = Field {
                name: "name".into(),
                doc: doc.into(),
                of: "LossConfig".into(),
            };
            return self.write_row(
                "loss.name",
                &self.words("LossConfig"),
                "by the task",
                &field.doc,
            );
        }
        let Some(Kind::Struct(fields)) = self.types.get(of) else {
            panic!("the type `{of}` of `{key}` is not found; page.rs has to know it");
        };
        let own = own_defaults(of);
        for field in fields.clone() {
            let value = defaults
                .and_then(|table| table.get(&field.name))
                .or_else(|| own.as_ref()?.get(&field.name));
            let key = format!("{key}.{}", field.name);
            match self.is_table(&field.of) {
                true => self.all_of(inner(&field.of), &key, value),
                false => self.row(&key, &field, value),
            }
        }
    }

    fn phases(&mut self, defaults: &Value) {
        let Some(Kind::Struct(fields)) = self.types.get("PhaseRecipe") else {
            panic!("the struct `PhaseRecipe` is not found");
        };
        for field in fields.clone() {
            let [one, two] = [0, 1].map(|place| defaults[place].get(&field.name));
            let key = format!("PHASE.{}", field.name);
            if field.of == "StoppingSpec" {
                self.all_of(&field.of, &key, one);
                let patience = two.and_then(|two| two.get("patience")).map(shown);
                let place = self.text.rfind("| `PHASE.stopping.patience`").unwrap();
                let row = self.text[place..].replacen(
                    "| 10 |",
                    &format!("| 10; {} in `phase2` |", patience.unwrap()),
                    1,
                );
                self.text.replace_range(place.., &row);
                continue;
            }
            let default = match (one, two) {
                (Some(one), Some(two)) if one != two => {
                    format!("{}; {} in `phase2`", shown(one), shown(two))
                }
                (one, _) => one.map_or_else(|| "none".into(), shown),
            };
            let words = self.words(&field.of);
            self.note_choice(&key, &field.of);
            self.write_row(&key, &words, &default, &field.doc);
        }
    }

    fn row(&mut self, key: &str, field: &Field, default: Option<&Value>) {
        let default = default.map_or_else(|| "none".into(), shown);
        let words = self.words(&field.of);
        self.note_choice(key, &field.of);
        self.write_row(key, &words, &default, &field.doc);
    }

    fn write_row(&mut self, key: &str, words: &str, default: &str, doc: &str) {
        let cells = [format!("`{key}`"), words.into(), default.into(), said(doc)];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    fn note_choice(&mut self, key: &str, of: &str) {
        let of = inner(of);
        let settings = |variant: &Variant| variant.holds.is_some() || !variant.fields.is_empty();
        let nested = key.matches("transforms").count() > 1;
        if let Some(Kind::Enum(_, variants)) = self.types.get(of)
            && !["Unfreeze", "Ordinal"].contains(&of)
            && !nested
            && variants.iter().any(settings)
        {
            self.later.push((key.into(), of.into()));
        }
    }

    /// The settings of each variant.
    fn choice(&mut self, key: &str, of: &str) {
        let Some(Kind::Enum(tag, variants)) = self.types.get(of) else {
            panic!("the type `{of}` of `{key}` is not found; page.rs has to know it");
        };
        let (tag, variants) = (tag.clone(), variants.clone());
        for variant in &variants {
            let title = match &tag {
                Some(tag) => format!("`{key}` with `{tag} = \"{}\"`", variant.name),
                None => format!("`{key}.{}`", variant.name),
            };
            let fields = match (&variant.holds, variant.fields.is_empty()) {
                (Some(holds), _) => match self.types.get(holds.as_str()) {
                    Some(Kind::Struct(fields)) => fields.clone(),
                    // Numbers alone have no settings.
                    None if NUMBERS.contains(&holds.as_str()) => Vec::new(),
                    _ => {
                        panic!("the type `{holds}` of `{key}` is not found; page.rs has to know it")
                    }
                },
                (None, _) => variant.fields.clone(),
            };
            if fields.is_empty() && tag.is_none() {
                continue;
            }
            let defaults = defaults_of(of, &variant.name);
            let doc = said(&variant.doc);
            let _ = write!(self.text, "\n### {title}\n\n{doc}\n");
            if fields.is_empty() {
                continue;
            }
            let _ = write!(
                self.text,
                "\n| setting | value | default | |\n|---|---|---|---|\n"
            );
            let place = match (&tag, key.ends_with("transforms")) {
                (_, true) => format!("{key}[N]"),
                (Some(_), _) => key.to_owned(),
                (None, _) => format!("{key}.{}", variant.name),
            };
            for field in fields {
                let value = defaults.as_ref().and_then(|table| table.get(&field.name));
                let key = format!("{place}.{}", field.name);
                let default = match (value, optional(&field)) {
                    (Some(value), _) => shown(value),
                    (None, true) => "none".into(),
                    (None, false) => "has to be given".into(),
                };
                self.write_row(&key, &self.words(&field.of), &default, &field.doc);
            }
        }
    }

    /// What a value of the type is.
    fn words(&self, of: &str) -> String {
        let numbers = "list of numbers";
        match of {
            "usize" | "u8" | "u32" | "u64" => "whole number".into(),
            "f32" | "f64" => "number".into(),
            "bool" => "`true` or `false`".into(),
            "String" => "text".into(),
            "PathBuf" => "path".into(),
            "Vec<f32>" => numbers.into(),
            "Vec<usize>" => "list of whole numbers".into(),
            "Vec<String>" => "text, or a list of texts".into(),
            "Vec<T>" => "list of transforms".into(),
            "Map<String, Value>" => "table".into(),
            "BTreeMap<String, f64>" => "table of numbers".into(),
            "Unfreeze" => "`head`, `all`, a stage, or a number of last stages".into(),
            "Ordinal" => "`true`, or the names of all levels in a list".into(),
            "Monitor" => "name of a figure, such as `validation_accuracy`".into(),
            "[f32; 2]" => "two numbers".into(),
            "[u8; 2]" | "[u32; 2]" => "two whole numbers".into(),
            "[usize; 2]" => "whole number, or two: height and width".into(),
            "[u8; 3]" => "three whole numbers from 0 to 255".into(),
            "[f32; CHANNELS]" => "three numbers".into(),
            _ => match of.strip_prefix("Option<") {
                Some(rest) => self.words(rest.strip_suffix('>').unwrap_or(rest)),
                None => match (self.types.get(inner(of)), of.starts_with("Vec<")) {
                    (Some(Kind::Enum(tag, variants)), list) => {
                        let names: Vec<String> = variants
                            .iter()
                            .map(|variant| format!("`{}`", variant.name))
                            .collect();
                        match (tag, list) {
                            (Some(tag), true) => format!("list of tables with `{tag}`, see below"),
                            (Some(tag), false) => format!("table, `{tag}` is {}", or(&names)),
                            (None, _) => or(&names),
                        }
                    }
                    _ => panic!("the type `{of}` is not found; page.rs has to know it"),
                },
            },
        }
    }
}

fn or(names: &[String]) -> String {
    match names {
        [first @ .., before, last] if !first.is_empty() => {
            format!("{}, {before} or {last}", first.join(", "))
        }
        _ => names.join(" or "),
    }
}

/// `T` of `Option<T>`, `Vec<T>` and `T` itself.
fn inner(of: &str) -> &str {
    let rest = ["Option<", "Vec<"]
        .iter()
        .find_map(|start| of.strip_prefix(start));
    rest.map_or(of, |rest| rest.strip_suffix('>').unwrap_or(rest))
}

fn optional(field: &Field) -> bool {
    field.of.starts_with("Option<") || field.doc.contains("Default none")
}

/// The defaults of a table that a recipe has none of by default.
fn own_defaults(of: &str) -> Option<Table> {
    (of == "MixSpec").then(|| write(&MixSpec::default()).unwrap())
}

/// The defaults of a variant, where it needs no settings.
fn defaults_of(of: &str, name: &str) -> Option<Table> {
    let tagged = |tag: &str| Value::Table(Table::from_iter([(tag.to_owned(), name.into())]));
    match of {
        "OptimizerSpec" => write(&read::<OptimizerSpec>(tagged("name")).ok()?).ok(),
        "ScheduleSpec" => write(&read::<ScheduleSpec>(tagged("name")).ok()?).ok(),
        "ClipSpec" => write(&read::<ClipSpec>(tagged("name")).ok()?).ok(),
        "LossConfig" => write(&read::<LossConfig>(tagged("name")).ok()?).ok(),
        "TransformSpec" => {
            let mut table = Table::from_iter([("op".to_owned(), name.into())]);
            let inside: Value =
                toml::toml! { x = [{ op = "invert" }, { op = "hue" }] }["x"].clone();
            let needs = [
                ("transforms", inside),
                ("times", 2.into()),
                ("count", 1.into()),
            ];
            let read_spec = |table: &Table| read::<TransformSpec>(Value::Table(table.clone()));
            let mut given: Vec<&str> = Vec::new();
            for (key, value) in needs {
                if read_spec(&table).is_err() && !table.contains_key(key) {
                    let mut more = table.clone();
                    more.insert(key.into(), value);
                    let unknown = read_spec(&more).err().is_some_and(|error| {
                        error.to_string().contains(&format!("no setting `{key}`"))
                    });
                    if !unknown {
                        table = more;
                        given.push(key);
                    }
                }
            }
            let mut found = write(&read_spec(&table).ok()?).ok()?;
            for key in given {
                found.remove(key);
            }
            Some(found)
        }
        "RescaleSpec" => {
            let inside = Value::Table(Table::from_iter([(
                name.to_owned(),
                Value::Table(Table::new()),
            )]));
            let spec = read::<RescaleSpec>(inside).ok()?;
            let Value::Table(mut whole) = Value::try_from(spec).ok()? else {
                return None;
            };
            match whole.remove(name)? {
                Value::Table(found) => Some(found),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A default as a recipe writes it; those that are long are told by what they are.
fn shown(value: &Value) -> String {
    match value {
        Value::Float(number) => {
            // Settings of 32 bits are written with their own digits.
            let short = format!("{}", *number as f32);
            let exact = short.parse::<f64>() == Ok(*number) || f64::from(*number as f32) == *number;
            match exact {
                true if *number != 0.0 && number.abs() < 1e-3 => format!("{number:e}"),
                true => short,
                false => format!("{number}"),
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            let names = items.iter().filter_map(|item| item.get("op")?.as_str());
            names
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => match table.get("name").and_then(Value::as_str) {
            Some(name) => format!("`{name}`"),
            None => value.to_string(),
        },
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

/// The documentation in one line: without links, and without pictures and what follows the first paragraph.
fn said(doc: &str) -> String {
    let first: Vec<&str> = doc
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let text = first.join(" ");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("[`") {
        plain.push_str(&rest[..at]);
        let Some(end) = rest[at..].find("`]") else {
            break;
        };
        plain.push_str(&rest[at + 1..at + end + 1]);
        rest = &rest[at + end + 2..];
        if rest.starts_with('(')
            && let Some(close) = rest.find(')')
        {
            rest = &rest[close + 1..];
        }
    }
    plain.push_str(rest);
    plain.trim().to_owned()
}
