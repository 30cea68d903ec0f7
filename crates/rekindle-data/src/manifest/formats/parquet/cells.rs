//! Columns and values of a Parquet file.

use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type as PhysicalType};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use serde_json::{Map, Value};

use super::names::Features;

/// The column of the pictures.
#[derive(Debug, Clone)]
pub(super) struct ImageColumn {
    pub(super) name: String,
    /// Whether it is a structure of `bytes` and `path`; else it is the bytes alone.
    pub(super) is_structure: bool,
}

impl ImageColumn {
    /// The column that the file or the setting calls one of pictures; else the first that holds bytes, by itself or under `bytes`.
    pub(super) fn find(root: &Type, features: &Features, set: Option<&str>) -> Option<Self> {
        let of = |field: &Type| {
            let is_structure = field.is_group()
                && field
                    .get_fields()
                    .iter()
                    .any(|part| part.name() == "bytes" && is_binary(part));
            (is_structure || is_binary(field)).then(|| Self {
                name: field.name().to_owned(),
                is_structure,
            })
        };
        let fields = root.get_fields();
        let called = |name: &str| fields.iter().find(|field| field.name() == name);
        if let Some(name) = set {
            return of(called(name)?);
        }
        let described = features.images.iter().filter_map(|name| called(name));
        described
            .filter_map(|field| of(field))
            .chain(fields.iter().filter_map(|field| of(field)))
            .next()
    }
}

/// Bytes that are no text. Large and view types of Arrow are the same in a Parquet file.
fn is_binary(field: &Type) -> bool {
    if !field.is_primitive() || field.get_physical_type() != PhysicalType::BYTE_ARRAY {
        return false;
    }
    let basic = field.get_basic_info();
    basic.logical_type_ref().is_none_or(|kind| {
        !matches!(
            kind,
            LogicalType::String | LogicalType::Enum | LogicalType::Json
        )
    }) && matches!(basic.converted_type(), ConvertedType::NONE)
}

/// The columns without the bytes of the pictures.
pub(super) fn without_images(root: &Type, image: &ImageColumn) -> Type {
    let fields = root.get_fields().iter().filter_map(|field| {
        if field.name() != image.name {
            return Some(field.clone());
        }
        let others: Vec<_> = match field.is_group() {
            true => field.get_fields().to_vec(),
            false => Vec::new(),
        };
        let others: Vec<_> = others
            .into_iter()
            .filter(|part| part.name() != "bytes")
            .collect();
        (!others.is_empty()).then(|| Arc::new(group(field, others)))
    });
    let fields = fields.collect();
    group(root, fields)
}

/// The bytes of the pictures alone.
pub(super) fn images_alone(root: &Type, image: &ImageColumn) -> Type {
    let fields = root.get_fields().iter();
    let own = fields.filter(|field| field.name() == image.name);
    let own = own.map(|field| match image.is_structure {
        true => {
            let bytes = field.get_fields().iter();
            let bytes = bytes.filter(|part| part.name() == "bytes");
            Arc::new(group(field, bytes.cloned().collect()))
        }
        false => field.clone(),
    });
    let own = own.collect();
    group(root, own)
}

/// The group with other fields.
fn group(of: &Type, fields: Vec<Arc<Type>>) -> Type {
    let basic = of.get_basic_info();
    let mut builder = Type::group_type_builder(of.name()).with_fields(fields);
    if basic.has_repetition() {
        builder = builder.with_repetition(basic.repetition());
    }
    match builder.build() {
        Ok(group) => group,
        Err(error) => unreachable!("a group without an annotation is always one: {error}"),
    }
}

/// A row as an object, whose values are texts, numbers and lists.
pub(super) fn object(row: Row) -> Map<String, Value> {
    let columns = row.into_columns().into_iter();
    columns.map(|(name, field)| (name, value(field))).collect()
}

fn value(field: Field) -> Value {
    match field {
        Field::Null => Value::Null,
        Field::Bool(value) => value.into(),
        Field::Byte(value) => value.into(),
        Field::Short(value) => value.into(),
        Field::Int(value) => value.into(),
        Field::Long(value) => value.into(),
        Field::UByte(value) => value.into(),
        Field::UShort(value) => value.into(),
        Field::UInt(value) => value.into(),
        Field::ULong(value) => value.into(),
        Field::Float16(value) => f64::from(value).into(),
        Field::Float(value) => f64::from(value).into(),
        Field::Double(value) => value.into(),
        Field::Str(text) => text.into(),
        Field::Group(row) => Value::Object(object(row)),
        Field::ListInternal(list) => {
            let elements = list.elements().iter();
            Value::Array(elements.map(|element| value(element.clone())).collect())
        }
        // Bytes that are no text, dates, decimals and maps are no labels.
        other => Value::String(other.to_string()),
    }
}
