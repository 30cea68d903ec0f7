//! COCO's JSON: `images`, `annotations` with a category each, `categories`. Of an image, the categories of its annotations are its labels.
//!
//! Boxes and outlines are left aside: an image with two dogs has the label `dog` once.

use std::collections::HashMap;

use serde::Deserialize;

use super::{ListFile, ListFormat, json_array::parsed};
use crate::manifest::{
    ManifestError, RowReader,
    labelled::{Labelled, Unlabelled, take_all},
};

/// See the file's head.
pub struct Coco;

#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

/// Numbers in COCO itself, texts in camera traps' lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
struct Image {
    id: Id,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: Id,
    category_id: Id,
}

#[derive(Deserialize)]
struct Category {
    id: Id,
    name: String,
}

impl ListFormat for Coco {
    fn recognises(&self, file: &ListFile) -> bool {
        file.is_called(&["json"])
            && file.text.trim_start().starts_with('{')
            && ["\"images\"", "\"categories\""]
                .iter()
                .all(|key| file.text.contains(key))
    }

    fn read(&self, file: &ListFile, reader: &mut RowReader) -> Result<(), ManifestError> {
        let coco: File = parsed(file, reader)?;
        let names: HashMap<Id, String> = coco
            .categories
            .into_iter()
            .map(|category| (category.id, category.name))
            .collect();
        let mut rows = Vec::with_capacity(coco.images.len());
        let mut places = HashMap::with_capacity(coco.images.len());
        for image in coco.images {
            places.insert(image.id, rows.len());
            rows.push(Labelled {
                path: image.file_name,
                ..Labelled::default()
            });
        }
        let mut of_none = 0;
        for annotation in coco.annotations {
            let Some(name) = names.get(&annotation.category_id) else {
                let reason = format!(
                    "an annotation has the category {:?}, which `categories` does not name",
                    annotation.category_id
                );
                return Err(reader.wrong(1, reason));
            };
            match places.get(&annotation.image_id) {
                Some(place) => rows[*place].labels.push(name.clone()),
                None => of_none += 1,
            }
        }
        reader.leave_out("annotations of images that are not listed", of_none);
        take_all(
            reader,
            rows,
            Unlabelled::HasNone,
            "the categories of the images in COCO's form",
        )
    }
}
