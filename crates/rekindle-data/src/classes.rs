//! The list of class names, the only place where a class has a number.

use serde::{Deserialize, Serialize};

use super::DataError;

/// Class names in the order of their indices: class `i` of every target and every output is `names()[i]`.
///
/// [`scan_folder`](super::scan_folder) sorts the names by their bytes, so upper case comes before lower case and `100` before `2`. The
/// list is saved in the model file; predictions print names and never rely on the order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ClassIndex {
    names: Vec<String>,
    /// The indices in the order of the names, to find one among thousands.
    sorted: Vec<u32>,
}

impl ClassIndex {
    /// Classes with these names, in this order.
    ///
    /// # Errors
    /// [`DataError::DuplicateClass`] when a name occurs twice.
    pub fn new(names: Vec<String>) -> Result<Self, DataError> {
        // No list in memory has 2^32 names.
        let mut sorted: Vec<u32> = (0..names.len() as u32).collect();
        sorted.sort_by(|a, b| names[*a as usize].cmp(&names[*b as usize]));
        let second = sorted
            .windows(2)
            .find(|pair| names[pair[0] as usize] == names[pair[1] as usize]);
        if let Some(pair) = second {
            let class = names[pair[1] as usize].clone();
            return Err(DataError::DuplicateClass { class });
        }
        Ok(Self { names, sorted })
    }

    /// The names, by index.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of one class, or `None` when there is no such index.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// The index of a class, or `None` when there is no such name. Names are compared exactly, in upper and lower case.
    pub fn index(&self, name: &str) -> Option<usize> {
        let name_at = |at: &u32| self.names[*at as usize].as_str();
        let place = self.sorted.binary_search_by(|at| name_at(at).cmp(name));
        place.ok().map(|place| self.sorted[place] as usize)
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How often each class occurs among `targets`, by class index.
    ///
    /// # Panics
    /// When a target is not an index of this list.
    pub fn counts(&self, targets: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut counts = vec![0; self.len()];
        for target in targets {
            counts[target] += 1;
        }
        counts
    }
}

impl TryFrom<Vec<String>> for ClassIndex {
    type Error = DataError;

    fn try_from(names: Vec<String>) -> Result<Self, DataError> {
        Self::new(names)
    }
}

impl From<ClassIndex> for Vec<String> {
    fn from(classes: ClassIndex) -> Self {
        classes.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(names: &[&str]) -> ClassIndex {
        ClassIndex::new(names.iter().map(|name| name.to_string()).collect()).unwrap()
    }

    #[test]
    fn names_and_indices_are_inverse() {
        let classes = classes(&["cat", "dog", "Ox"]);
        for index in 0..classes.len() {
            assert_eq!(classes.index(classes.name(index).unwrap()), Some(index));
        }
        assert_eq!(classes.index("ox"), None);
        assert_eq!(classes.name(3), None);
    }

    #[test]
    fn counts_include_classes_that_do_not_occur() {
        assert_eq!(classes(&["a", "b", "c"]).counts([2, 0, 2]), [1, 0, 2]);
    }

    #[test]
    fn a_repeated_name_is_refused_also_when_read_from_a_file() {
        let error = serde_json::from_str::<ClassIndex>(r#"["cat","dog","cat"]"#).unwrap_err();
        assert!(
            error.to_string().contains("`cat` is listed twice"),
            "{error}"
        );
    }

    #[test]
    fn the_file_form_is_a_plain_list() {
        let text = serde_json::to_string(&classes(&["cat", "dog"])).unwrap();
        assert_eq!(text, r#"["cat","dog"]"#);
        assert_eq!(
            serde_json::from_str::<ClassIndex>(&text).unwrap(),
            classes(&["cat", "dog"])
        );
    }
}
