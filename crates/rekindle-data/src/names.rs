//! Names by number: those of labels and groups while rows are read.

use std::collections::HashMap;
use std::sync::Arc;

/// Names that occur in many rows, kept once each.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, u32>,
    pub(crate) names: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name; a new one gets the next. No list in memory has 2^32 names.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The names, by their numbers.
    pub fn into_names(self) -> Vec<Arc<str>> {
        self.names
    }
}
