//! What folders and lists of frames are read as.

use std::fs;

use super::*;

fn touch(root: &Path, names: &[&str]) {
    for name in names {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
    }
}

fn frames(found: &Sequences, sequence: usize) -> Vec<String> {
    let frames = &found.frames.samples[found.frames_of(sequence)];
    frames.iter().map(Sample::key).collect()
}

fn names(found: &Sequences) -> Vec<String> {
    found.list.samples.iter().map(Sample::key).collect()
}

fn open(path: &Path) -> Result<Sequences, DataError> {
    Sequences::open(path, &SourceOptions::default())
}

#[test]
fn folders_of_frames_are_sequences_of_their_class_in_natural_order() {
    let place = tempfile::tempdir().unwrap();
    let all = [
        "up/s10/1.png",
        "up/s2/10.png",
        "up/s2/9.png",
        "down/a/x2.jpg",
        "down/a/x11.jpg",
        "down/b/deep/1.png",
    ];
    touch(place.path(), &all);
    let found = open(place.path()).unwrap();
    assert_eq!(names(&found), ["down/a", "down/b/deep", "up/s2", "up/s10"]);
    assert_eq!(frames(&found, 0), ["down/a/x2.jpg", "down/a/x11.jpg"]);
    assert_eq!(frames(&found, 2), ["up/s2/9.png", "up/s2/10.png"]);
    assert_eq!(found.list.classes.names(), ["down", "up"]);
    let split = found.split(0.5, 0).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (2, 2));

    let found = Sequences::open_unlabelled(&[place.path().join("up")], &SourceOptions::default());
    let found = found.unwrap();
    let ends = |found: &Sequences| -> Vec<bool> {
        let paths = found.list.samples.iter().map(|sample| &sample.path);
        paths
            .zip(["up/s2", "up/s10"])
            .map(|(path, end)| path.ends_with(end))
            .collect()
    };
    assert_eq!(ends(&found), [true, true]);
    assert!(frames(&found, 0)[0].ends_with("up/s2/9.png"));
}

#[test]
fn folders_of_splits_keep_them() {
    let place = tempfile::tempdir().unwrap();
    let all = [
        "train/a/1/1.png",
        "train/b/1/1.png",
        "val/a/2/1.png",
        "val/b/2/1.png",
        "test/a/3/1.png",
    ];
    touch(place.path(), &all);
    let found = open(place.path()).unwrap();
    let split = found.split(0.2, 0).unwrap();
    assert_eq!(split.train, [0, 1]);
    assert_eq!((split.validation, split.test), (vec![2, 3], vec![4]));
}

#[test]
fn pictures_in_the_folder_of_a_class_are_told_from_sequences() {
    let place = tempfile::tempdir().unwrap();
    touch(
        place.path(),
        &["a/1.png", "a/2.png", "b/s/1.png", "b/s/2.png"],
    );
    let error = open(place.path()).unwrap_err().to_string();
    assert!(
        error.contains("CLASS/SEQUENCE/FRAME") && error.contains("1.png"),
        "{error}"
    );
    let place = tempfile::tempdir().unwrap();
    touch(
        place.path(),
        &["a/s/1.png", "a/s/2.png", "b/s/1.png", "b/s/2.png"],
    );
    let error = open(place.path()).unwrap_err().to_string();
    assert!(
        error.contains("at least 2 of each class") && error.contains("1 of `a`"),
        "{error}"
    );
}

#[test]
fn rows_are_frames_of_their_group_in_the_order_of_their_numbers() {
    let place = tempfile::tempdir().unwrap();
    let list = place.path().join("list.csv");
    let text = "path,label,group,frame\n\
        1.png,up,p,1\n2.png,up,p,2\n3.png,up,p,10\n\
        3.png,down,q,1\n2.png,down,q,2\n1.png,down,q,10\n\
        2.png,up,r,10\n1.png,up,r,9.5\n1.png,down,s,0\n";
    fs::write(&list, text).unwrap();
    let found = open(&list).unwrap();
    assert_eq!(names(&found), ["q", "s", "p", "r"]);
    assert_eq!(frames(&found, 0), ["3.png", "2.png", "1.png"]);
    assert_eq!(frames(&found, 3), ["1.png", "2.png"]);
    assert!(found.list.warnings.is_empty(), "{:?}", found.list.warnings);

    // Without numbers the rows are in order; classes of a model are its own.
    fs::write(&list, "path,label,group\nb.png,up,p\na.png,up,p\n").unwrap();
    let classes = ClassIndex::new(vec!["down".into(), "up".into()]).unwrap();
    let found = Sequences::open_as(&list, &SourceOptions::default(), &classes).unwrap();
    assert_eq!(frames(&found, 0), ["b.png", "a.png"]);
    assert_eq!(found.list.samples[0].class(), Some(1));
    fs::write(&list, "path,group\nb.png,p\na.png,q\n").unwrap();
    let found = Sequences::open_unlabelled(&[&list], &SourceOptions::default()).unwrap();
    assert_eq!(names(&found), ["p", "q"]);
}

#[test]
fn rows_that_make_no_sequence_are_named_with_their_line() {
    let place = tempfile::tempdir().unwrap();
    let list = place.path().join("list.csv");
    let error = |text: &str| {
        fs::write(&list, text).unwrap();
        open(&list).unwrap_err().to_string()
    };
    for (text, words) in [
        (
            "path,label\na.png,x\nb.png,y\n",
            &["no column", "group", "data.group_column"][..],
        ),
        (
            "path,label,group\na.png,x,\nb.png,y,q\n",
            &["line 2", "group is empty"],
        ),
        (
            "path,label,group,frame\na.png,x,p,one\nb.png,y,q,1\n",
            &["line 2", "`one`", "number"],
        ),
        (
            "path,label,group,frame\na.png,x,p,1\nb.png,x,p,1.0\nb.png,y,q,1\n",
            &["line 3", "line 2"],
        ),
        (
            "path,label,group,frame\na.png,x,p,1\nb.png,x,p,\nb.png,y,q,1\n",
            &["line 3", "empty"],
        ),
        (
            "path,label,group\na.png,x,p\nb.png,y,p\n",
            &["line 3", "`p`", "`x`", "`y`"],
        ),
        (
            "path,number,group\na.png,1,p\nb.png,2,p\n",
            &["classification"],
        ),
    ] {
        let error = error(text);
        for word in words {
            assert!(error.contains(word), "no `{word}` in {error}");
        }
    }
    fs::write(place.path().join("a.tar"), b"x").unwrap();
    let error = open(place.path()).unwrap_err().to_string();
    assert!(error.contains("group (the sequence)"), "{error}");
}

#[test]
fn frames_can_be_left_out_but_not_all_of_a_sequence() {
    let place = tempfile::tempdir().unwrap();
    touch(
        place.path(),
        &[
            "a/1/1.png",
            "a/1/2.png",
            "a/1/3.png",
            "a/2/1.png",
            "b/1/1.png",
            "b/2/1.png",
        ],
    );
    let found = open(place.path()).unwrap();
    let fewer = found.clone().with_frames(&[0, 2, 3, 4, 5]).unwrap();
    assert_eq!(frames(&fewer, 0), ["a/1/1.png", "a/1/3.png"]);
    assert_eq!(frames(&fewer, 3), ["b/2/1.png"]);
    let error = found.with_frames(&[0, 1, 2, 4, 5]).unwrap_err().to_string();
    assert!(error.contains("`a/2`"), "{error}");
}
