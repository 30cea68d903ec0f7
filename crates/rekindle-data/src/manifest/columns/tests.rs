//! Columns chosen by their names, by the user, and by what is in them.

use super::*;

fn choose(found: &[&str], names: &ColumnNames) -> Result<Columns, ManifestError> {
    let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
    Columns::choose(Path::new("labels.csv"), &found, names, Wanted::Targets)
}

fn target(task: TaskKind, places: &[usize]) -> Option<TargetColumns> {
    let places = places.to_vec();
    let form = TargetForm::Plain;
    Some(TargetColumns { task, places, form })
}

#[test]
fn the_columns_say_what_is_to_be_learned() {
    let none = ColumnNames::default();
    let chosen = |found: &[&str], names: &ColumnNames| choose(found, names).unwrap();
    let columns = chosen(&["path", "Labels"], &none);
    assert_eq!(columns.target, target(TaskKind::Multilabel, &[1]));
    let columns = chosen(&["path", "number:width", "Number: height"], &none);
    assert_eq!(columns.target, target(TaskKind::Regression, &[1, 2]));
    let found = ["path", "number:width", "Number: height"].map(String::from);
    let names = columns.target.unwrap().number_names(&found);
    assert_eq!(names, ["width", "height"]);
    let given = ColumnNames {
        numbers: vec!["age".into()],
        ..ColumnNames::default()
    };
    let columns = chosen(&["path", "label", "age"], &given);
    assert_eq!(columns.target, target(TaskKind::Regression, &[2]));
    let error = choose(&["path", "label", "number"], &none).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("several kinds of targets: `label`, `number`"),
        "{error}"
    );
    let both = ColumnNames {
        label: Some("label".into()),
        ..given
    };
    assert!(choose(&["path", "label", "age"], &both).is_err());
}

#[test]
fn a_models_numbers_are_found_by_name_in_its_order() {
    let known = ClassIndex::new(vec!["width".into(), "height".into()]).unwrap();
    let wanted = Wanted::Known {
        task: TaskKind::Regression,
        names: &known,
    };
    let choose = |found: &[&str], names: &ColumnNames| {
        let found: Vec<String> = found.iter().map(|name| (*name).to_owned()).collect();
        Columns::choose(Path::new("a.csv"), &found, names, wanted)
    };
    let none = ColumnNames::default();
    let columns = choose(&["path", "label", "height", "number:width"], &none).unwrap();
    assert_eq!(columns.target, target(TaskKind::Regression, &[3, 2]));
    let error = choose(&["path", "width"], &none).unwrap_err().to_string();
    assert!(
        error.contains("no column `height` for the model's number"),
        "{error}"
    );
    let given = ColumnNames {
        numbers: vec!["w".into(), "h".into()],
        ..ColumnNames::default()
    };
    let columns = choose(&["path", "h", "w"], &given).unwrap();
    assert_eq!(columns.target, target(TaskKind::Regression, &[2, 1]));
}

#[test]
fn usual_names_are_found_in_any_case_and_the_rest_is_listed() {
    let columns = choose(
        &["width", "Class", "FILE", "Split"],
        &ColumnNames::default(),
    );
    let columns = columns.unwrap();
    assert_eq!(columns.path, 2);
    assert_eq!(columns.target, target(TaskKind::Classification, &[1]));
    assert_eq!((columns.split, columns.group), (Some(3), None));
    assert_eq!(columns.unused, ["width"]);
}

#[test]
fn less_usual_names_are_taken_where_no_usual_one_is_there_and_told() {
    let columns = choose(
        &["id", "Image ID", "target", "is_valid"],
        &ColumnNames::default(),
    );
    let columns = columns.unwrap();
    assert_eq!(columns.path, 1);
    assert_eq!(columns.target, target(TaskKind::Classification, &[2]));
    assert_eq!(columns.split_flag, Some(SplitName::Validation));
    assert_eq!(columns.notes.len(), 3, "{:?}", columns.notes);
    assert_eq!(columns.split_text("True".into()).unwrap(), "val");
    assert_eq!(columns.split_text("0".into()).unwrap(), "train");
    assert_eq!(columns.split_text("test".into()).unwrap(), "test");
    assert!(columns.split_text("perhaps".into()).is_err());
    let usual = choose(&["id", "file", "target", "label"], &ColumnNames::default());
    let usual = usual.unwrap();
    assert_eq!((usual.path, usual.notes.len()), (1, 0));
    assert_eq!(usual.target, target(TaskKind::Classification, &[3]));
}

#[test]
fn a_given_name_is_taken_exactly() {
    let names = ColumnNames {
        label: Some("breed".into()),
        group: Some("dog".into()),
        ..ColumnNames::default()
    };
    let columns = choose(&["path", "label", "breed", "dog"], &names).unwrap();
    assert_eq!(columns.target, target(TaskKind::Classification, &[2]));
    assert_eq!(columns.group, Some(3));
    assert_eq!(columns.unused, ["label"]);
    let error = choose(&["path", "bread"], &names).unwrap_err().to_string();
    assert!(
        error.contains("no column `breed` (did you mean `bread`?) for the label"),
        "{error}"
    );
    assert!(error.contains("data.label_column=NAME"), "{error}");
}

#[test]
fn a_missing_or_doubtful_column_is_an_error_with_what_there_is() {
    let none = ColumnNames::default();
    let error = choose(&["cat/1.png", "cat"], &none)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("for the path, such as `path`; it has `cat/1.png`, `cat`"),
        "{error}"
    );
    let error = choose(&["path", "image", "label"], &none)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("may hold the path: `path`, `image`"),
        "{error}"
    );
}
