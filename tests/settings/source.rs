//! Reads the types of settings out of the sources: fields and variants with their documentation, as rustfmt lays them out.
//!
//! Owns no key and no wording; `page.rs` makes rows of what is found here. A type that is written otherwise than these is not found, and
//! the page's test then says so.

use std::collections::BTreeMap;
use std::path::Path;

/// A field of a struct, or of a variant.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub doc: String,
    pub of: String,
}

/// A variant of an enum.
#[derive(Debug, Clone)]
pub struct Variant {
    /// As a recipe writes it.
    pub name: String,
    pub doc: String,
    /// The type that holds its settings, of a variant with one.
    pub holds: Option<String>,
    /// Its settings, of a variant that has them itself.
    pub fields: Vec<Field>,
}

/// A type of settings.
#[derive(Debug, Clone)]
pub enum Kind {
    Struct(Vec<Field>),
    /// The settings of another type.
    Same(String),
    /// The key that tells the variants apart, none where they are words.
    Enum(Option<String>, Vec<Variant>),
}

/// Every struct and enum of the folder's sources that serde reads, by name.
pub fn types(folder: &Path) -> BTreeMap<String, Kind> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                read(&text, &mut found);
            }
        }
    }
    let types = found.clone();
    for kind in found.values_mut() {
        if let Kind::Same(of) = kind
            && let Some(other) = types.get(of)
        {
            *kind = other.clone();
        }
    }
    found
}

fn read(text: &str, found: &mut BTreeMap<String, Kind>) {
    let mut lines = text.lines();
    let mut before = Before::default();
    while let Some(line) = lines.next() {
        if before.takes(line) {
            continue;
        }
        let item = ["pub struct ", "pub enum "]
            .iter()
            .find_map(|start| Some((*start, line.strip_prefix(start)?)));
        let read_by_serde = before.attributes.contains("Serialize");
        if let Some(("pub struct ", rest)) = item
            && line.ends_with(['}', ';'])
            && !line.contains('(')
            && read_by_serde
        {
            // One without settings.
            let name = rest.split([' ', ';']).next().unwrap();
            found.insert(name.into(), Kind::Struct(Vec::new()));
        } else if let Some((name, of)) = line
            .strip_prefix("pub struct ")
            .and_then(|rest| rest.strip_suffix(");")?.split_once("(pub "))
            && read_by_serde
        {
            found.insert(name.into(), Kind::Same(of.into()));
        } else if let Some((start, rest)) = item
            && line.ends_with('{')
            && read_by_serde
        {
            let name = rest.split([' ', '<', '(']).next().unwrap().to_owned();
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
            let kind = match start {
                "pub struct " => Kind::Struct(fields(&body, "    pub ")),
                _ => {
                    let tag = argument(&before.attributes, "tag");
                    Kind::Enum(tag, variants(&body, &before.attributes))
                }
            };
            found.insert(name, kind);
        } else if ["transform_specs! {", "losses! {", "optimisers! {"].contains(&line) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
            let (name, tag) = match line {
                "losses! {" => ("LossConfig", "name"),
                "optimisers! {" => ("OptimizerSpec", "name"),
                _ => ("TransformSpec", "op"),
            };
            found.insert(name.into(), Kind::Enum(Some(tag.into()), listed(&body)));
        }
        before = Before::default();
    }
}

/// What stands before an item: its documentation and its attributes.
#[derive(Debug, Default)]
struct Before {
    doc: String,
    attributes: String,
    /// An attribute goes on over several lines.
    open: bool,
}

impl Before {
    /// Whether the line is part of it.
    fn takes(&mut self, line: &str) -> bool {
        let line = line.trim();
        if self.open {
            self.attributes.push_str(line);
            self.open = line != ")]";
            return true;
        }
        if let Some(doc) = line.strip_prefix("///") {
            self.doc.push_str(doc);
            self.doc.push('\n');
            return true;
        }
        if line.starts_with("#[") {
            self.attributes.push_str(line);
            self.open = !line.ends_with(']');
            return true;
        }
        line.is_empty()
    }
}

fn fields(body: &[&str], start: &str) -> Vec<Field> {
    let mut found = Vec::new();
    let mut before = Before::default();
    for line in body {
        if before.takes(line) {
            continue;
        }
        if let Some((name, of)) = line
            .strip_prefix(start)
            .and_then(|rest| rest.split_once(": "))
        {
            found.push(Field {
                name: name.into(),
                doc: std::mem::take(&mut before.doc),
                of: of.trim_end_matches(',').into(),
            });
        }
        before = Before::default();
    }
    found
}

fn variants(body: &[&str], attributes: &str) -> Vec<Variant> {
    let all = argument(attributes, "rename_all").unwrap_or_default();
    let mut found = Vec::new();
    let mut before = Before::default();
    let mut lines = body.iter();
    while let Some(line) = lines.next() {
        if before.takes(line) {
            continue;
        }
        let text = line.trim();
        let name = text.split([',', '(', ' ']).next().unwrap();
        let fields = match text.ends_with('{') {
            true => {
                let inside = lines.by_ref().take_while(|line| **line != "    },");
                fields(&inside.copied().collect::<Vec<_>>(), "        ")
            }
            false => Vec::new(),
        };
        if before.attributes.contains("serde(skip)") {
            // No recipe has it.
            before = Before::default();
            continue;
        }
        found.push(Variant {
            name: argument(&before.attributes, "rename").unwrap_or_else(|| renamed(name, &all)),
            doc: std::mem::take(&mut before.doc),
            holds: held(text),
            fields,
        });
        before = Before::default();
    }
    found
}

/// The entries of a macro's list: `file::Type = "name",`, `name::Type,` or `name::Variant(Type),`.
fn listed(body: &[&str]) -> Vec<Variant> {
    let mut found = Vec::new();
    let mut before = Before::default();
    for line in body {
        if before.takes(line) {
            continue;
        }
        let text = line.trim().trim_end_matches(',');
        if let Some((file, rest)) = text.split_once("::") {
            let holds = held(rest);
            let holds = holds.unwrap_or_else(|| rest.split(['<', ' ']).next().unwrap().to_owned());
            let name = rest.split('"').nth(1).unwrap_or(file);
            found.push(Variant {
                name: name.into(),
                doc: std::mem::take(&mut before.doc),
                holds: Some(holds),
                fields: Vec::new(),
            });
        }
        before = Before::default();
    }
    found
}

fn held(variant: &str) -> Option<String> {
    let inside = variant.split_once('(')?.1;
    Some(inside.split(')').next()?.to_owned())
}

/// `value` of `key = "value"` in attributes.
fn argument(attributes: &str, key: &str) -> Option<String> {
    let rest = attributes.split(&format!("{key} = \"")).nth(1)?;
    Some(rest.split('"').next()?.to_owned())
}

fn renamed(name: &str, all: &str) -> String {
    match all {
        "snake_case" => {
            let mut text = String::new();
            for letter in name.chars() {
                if letter.is_uppercase() && !text.is_empty() {
                    text.push('_');
                }
                text.extend(letter.to_lowercase());
            }
            text
        }
        "lowercase" => name.to_lowercase(),
        _ => name.to_owned(),
    }
}
