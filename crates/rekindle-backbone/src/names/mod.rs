//! Which tensor of a file is which of the network: wrappers around a state dict (`state_dict.`, `module.`) and other people's names.
//!
//! Works on names alone, so that a checkpoint's optimiser is never read. Nothing is loaded here, and nothing is loosened: what is taken
//! goes through the strict loading of `load.rs`, under the network's own names.
//!
//! A table of other people's names is one file of this folder and one line of [`TABLES`].

mod efficientnet_pytorch;
mod torchvision_mobilenet;

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Param, RunningState};
use burn::tensor::{Tensor, TensorData};

use crate::layers::Part;
use crate::{Backbone, Named, StateDict, StateVisitor};

/// Whose names are known beside timm's. torchvision names its ResNets as timm does.
const TABLES: &[Table] = &[efficientnet_pytorch::TABLE, torchvision_mobilenet::TABLE];

/// One way of naming the tensors of networks that are here.
struct Table {
    /// Whose names they are, as a note says it.
    whose: &'static str,
    /// What comes first in a key, and what timm has in its place. The first entry that fits counts.
    ///
    /// Dots divide a key into words. `{block}` is a block's number over all stages, which becomes `stage.number`; `{block+1}` the same,
    /// counted from 1. What follows the matched words stays.
    renames: &'static [Rename],
    /// The epsilon of their batch norms, where networks of other epsilons take the weights too.
    epsilon: Option<f64>,
}

/// From, to, and a key that the file must have for this entry to count, if any.
struct Rename(&'static str, &'static str, Option<&'static str>);

/// Words that stand around a state dict and mean nothing: keys of a training program's checkpoint, and what wrappers of modules add.
/// Averaged weights come first, since they are what a training program evaluates; timm takes them first too.
const WRAPPERS: &[&str] = &[
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "ema_model",
    "ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "_orig_mod",
    "backbone",
    "encoder",
];

/// Which tensors of a file a network takes, under which names.
#[derive(Debug, Clone, Default)]
pub struct NameFit {
    /// The name in the file and the name in the network, of each tensor that is taken.
    pub taken: Vec<(String, String)>,
    /// What was done, in words, where the names in the file are not the network's own.
    pub notes: Vec<String>,
    /// What is added to running variances, so that the network's epsilon gives what the file's own one does.
    variance_shift: BTreeMap<String, f32>,
    renamed: bool,
}

impl Backbone {
    /// Looks for this network's tensors among the names of a file.
    ///
    /// Where the names are the network's own, all are taken as they are. Else those behind the wrapper (`state_dict.`, `module.`,
    /// `model.`, `_orig_mod.`, `backbone.` and their like, also one in another) under which the most fit; where none does, other people's
    /// names are tried. Averaged weights (`model_ema`) are preferred to the plain ones beside them. Keys outside the wrapper belong to
    /// other things (an optimiser, a detector's head) and are passed over; the notes say so.
    pub fn fit_names<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> NameFit {
        let names: BTreeSet<&str> = names.into_iter().collect();
        let network = Shapes::of(self);
        let mut best: Option<Candidate> = None;
        for prefix in prefixes(&names) {
            let under: BTreeSet<&str> = names
                .iter()
                .filter_map(|name| name.strip_prefix(prefix.as_str()))
                .collect();
            let own = Candidate::own(&prefix, &under, &network);
            let tables = TABLES
                .iter()
                .map(|table| Candidate::renamed(&prefix, &under, &network, table));
            for candidate in std::iter::once(own).chain(tables) {
                let better = |best: &Candidate| candidate.found > best.found;
                if candidate.found > 0 && best.as_ref().is_none_or(better) {
                    best = Some(candidate);
                }
            }
        }
        match best {
            Some(candidate) => candidate.fit(&names, &network),
            // Nothing fits under any name: strict loading says what is missing.
            None => NameFit {
                taken: names.iter().map(|name| pair(name, name)).collect(),
                ..NameFit::default()
            },
        }
    }
}

impl NameFit {
    /// The network's state of the tensors that were taken, which `state` has under the network's names already.
    ///
    /// A layer that its author has as a product of matrices and the network as a convolution of one pixel (`[out, in]` and
    /// `[out, in, 1, 1]`) gets the network's shape; running variances are shifted where the epsilons differ.
    pub fn adapt(&self, backbone: &Backbone, mut state: StateDict) -> StateDict {
        if !self.renamed {
            return state;
        }
        let network = Shapes::of(backbone);
        for (name, data) in &mut state {
            let Some(expected) = network.shapes.get(name) else {
                continue;
            };
            let shape = data.shape().to_vec();
            let with_ones = expected.len() > shape.len()
                && expected.starts_with(&shape)
                && expected[shape.len()..].iter().all(|side| *side == 1);
            let shift = self.variance_shift.get(name);
            if !with_ones && shift.is_none() {
                continue;
            }
            let Ok(mut values) = data.clone().try_into_vec::<f32>() else {
                continue;
            };
            if let Some(shift) = shift {
                values.iter_mut().for_each(|value| *value += shift);
            }
            let shape = match with_ones {
                true => expected.clone(),
                false => shape,
            };
            *data = TensorData::new(values, shape);
        }
        state
    }
}

/// One way to read the names, and how many of the network's it finds.
struct Candidate {
    prefix: String,
    table: Option<&'static Table>,
    /// Name behind the prefix, name in the network.
    taken: Vec<(String, String)>,
    found: usize,
}

impl Candidate {
    fn own(prefix: &str, under: &BTreeSet<&str>, network: &Shapes) -> Self {
        let taken: Vec<_> = under.iter().map(|name| pair(name, name)).collect();
        Self::new(prefix, None, taken, network)
    }

    fn renamed(
        prefix: &str,
        under: &BTreeSet<&str>,
        network: &Shapes,
        table: &'static Table,
    ) -> Self {
        let taken: Vec<_> = under
            .iter()
            .map(|name| match table.rename(name, under, network) {
                Some(new) => (name.to_string(), new),
                None => pair(name, name),
            })
            .collect();
        Self::new(prefix, Some(table), taken, network)
    }

    fn new(
        prefix: &str,
        table: Option<&'static Table>,
        taken: Vec<(String, String)>,
        network: &Shapes,
    ) -> Self {
        let found = taken.iter().filter(|(_, to)| network.has(to)).count();
        Self {
            prefix: prefix.to_owned(),
            table,
            taken,
            found,
        }
    }

    fn fit(self, names: &BTreeSet<&str>, network: &Shapes) -> NameFit {
        let mut notes = Vec::new();
        if !self.prefix.is_empty() {
            let outside: Vec<&str> = names
                .iter()
                .filter(|name| !name.starts_with(self.prefix.as_str()))
                .copied()
                .collect();
            let mut note = format!("took the tensors under `{}`", self.prefix);
            if !outside.is_empty() {
                let firsts: BTreeSet<&str> = outside.iter().map(|name| first_word(name)).collect();
                let firsts: Vec<&str> = firsts.into_iter().take(5).collect();
                note += &format!(
                    " and passed over {} others (`{}`)",
                    outside.len(),
                    firsts.join("`, `")
                );
            }
            notes.push(note);
        }
        let mut variance_shift = BTreeMap::new();
        if let Some(table) = self.table {
            notes.push(format!("its tensors have the names of {}", table.whose));
            if let Some(theirs) = table.epsilon {
                variance_shift.extend(self.taken.iter().filter_map(|(_, to)| {
                    let shift = theirs - network.epsilons.get(to)?;
                    (shift.abs() > 1e-12).then(|| (to.clone(), shift as f32))
                }));
            }
            if let Some(shift) = variance_shift.values().next() {
                notes.push(format!(
                    "{shift} was added to its running variances, whose batch norms have another epsilon: the outputs are the same"
                ));
            }
        }
        NameFit {
            taken: self
                .taken
                .into_iter()
                .map(|(from, to)| (format!("{}{from}", self.prefix), to))
                .collect(),
            notes,
            variance_shift,
            renamed: self.table.is_some(),
        }
    }
}

impl Table {
    /// The network's name of a key, if this table has one.
    fn rename(&self, key: &str, file: &BTreeSet<&str>, network: &Shapes) -> Option<String> {
        self.renames.iter().find_map(|Rename(from, to, needs)| {
            let (block, rest) = matched(from, key)?;
            if let Some(needs) = needs
                && !file.contains(filled(needs, block).as_str())
            {
                return None;
            }
            let place = match block {
                Some(block) => network.blocks.get(block.index)?.as_str(),
                None => "",
            };
            Some(format!("{}{rest}", to.replace("{block}", place)))
        })
    }
}

/// A block's number as the file has it, and counted from 0.
#[derive(Clone, Copy)]
struct Block {
    written: usize,
    index: usize,
}

/// The block's number and what follows, if the key begins with the words of the pattern.
fn matched<'a>(pattern: &str, key: &'a str) -> Option<(Option<Block>, &'a str)> {
    let mut rest = key;
    let mut block = None;
    for (index, word) in pattern.split('.').enumerate() {
        if index > 0 {
            rest = rest.strip_prefix('.')?;
        }
        let end = rest.find('.').unwrap_or(rest.len());
        let (found, behind) = rest.split_at(end);
        let from_one = match word {
            "{block}" => 0,
            "{block+1}" => 1,
            word if word == found => {
                rest = behind;
                continue;
            }
            _ => return None,
        };
        let written: usize = found.parse().ok()?;
        let index = written.checked_sub(from_one)?;
        block = Some(Block { written, index });
        rest = behind;
    }
    Some((block, rest))
}

/// The pattern with the number that the file has.
fn filled(pattern: &str, block: Option<Block>) -> String {
    match block {
        Some(block) => pattern
            .replace("{block+1}", &block.written.to_string())
            .replace("{block}", &block.written.to_string()),
        None => pattern.to_owned(),
    }
}

/// The prefixes of wrappers that the names have, the one of none first, averaged weights before others.
fn prefixes(names: &BTreeSet<&str>) -> Vec<String> {
    let mut found = BTreeSet::from([(Vec::new(), String::new())]);
    for name in names {
        let mut ranks = Vec::new();
        let mut length = 0;
        // More than four in one another are nobody's checkpoint.
        for word in name.split('.').take(4) {
            let Some(rank) = WRAPPERS.iter().position(|wrapper| *wrapper == word) else {
                break;
            };
            ranks.push(rank);
            length += word.len() + 1;
            if length < name.len() {
                found.insert((ranks.clone(), name[..length].to_owned()));
            }
        }
    }
    found.into_iter().map(|(_, prefix)| prefix).collect()
}

/// What the network expects.
#[derive(Default)]
struct Shapes {
    shapes: BTreeMap<String, Vec<usize>>,
    /// The epsilon of each running variance's batch norm.
    epsilons: BTreeMap<String, f64>,
    /// `stage.number` of each block, in the network's order; none where its blocks are named otherwise.
    blocks: Vec<String>,
}

impl Shapes {
    fn of(backbone: &Backbone) -> Self {
        let mut shapes = Self::default();
        backbone.clone().visit_state(&mut shapes);
        for stage in backbone.stages() {
            stage.clone().with_parts(|part| {
                if let Part::ConvNorm(_, Some(norm)) | Part::Norm(norm) = part {
                    let key = format!("{}.running_var", norm.key());
                    shapes.epsilons.insert(key, norm.epsilon());
                }
            });
        }
        shapes
    }

    fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    fn tensor(&mut self, key: &str, shape: Vec<usize>) {
        let mut words = key.split('.');
        if let (Some("blocks"), Some(stage), Some(number)) =
            (words.next(), words.next(), words.next())
        {
            let block = format!("{stage}.{number}");
            if self.blocks.last() != Some(&block) {
                self.blocks.push(block);
            }
        }
        self.shapes.insert(key.to_owned(), shape);
    }
}

impl StateVisitor for Shapes {
    fn parameter<const D: usize>(&mut self, key: &str, parameter: &mut Param<Tensor<D>>) {
        self.tensor(key, parameter.lazy_shape().to_vec());
    }

    fn buffer(&mut self, key: &str, buffer: &mut RunningState<Tensor<1>>) {
        self.tensor(key, buffer.value().dims().to_vec());
    }
}

fn pair(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

fn first_word(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
