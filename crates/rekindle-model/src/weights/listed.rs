//! The list of backbones: every card, every architecture, and what each takes. Weights are not touched.

use rekindle_backbone::{Architecture, Card};

use super::cards::{card_from_name, cards};
use crate::{ModelError, device_from_name};

/// A backbone that can be named.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedBackbone {
    /// Its architecture.
    pub architecture: Architecture,
    /// Its weights; none where no weights are known for the architecture.
    pub card: Option<Card>,
    /// Whether the card is one of those shipped, with figures. Others are made of timm's list and have no accuracy.
    pub has_figures: bool,
}

/// What a network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackboneCost {
    /// Parameters, with a classifier of 1000 classes.
    pub parameters: u64,
    /// Multiply-adds for an image of the size of its weights, or of 224 pixels, with that classifier.
    pub multiply_adds: u64,
}

/// Classes of ImageNet, which the published figures of networks are for.
const CLASSES: u64 = 1000;

impl ListedBackbone {
    /// The name that it is asked for by: that of its weights, or of its architecture.
    pub fn name(&self) -> &str {
        let card = self.card.as_ref();
        card.map_or(self.architecture.name, |card| &card.name)
    }

    /// Height and width of its input.
    pub fn input_size(&self) -> [usize; 2] {
        let card = self.card.as_ref();
        card.map_or([224; 2], |card| card.preprocessing.input_size)
    }

    /// What the network takes. It is built to be counted, without weights.
    ///
    /// # Errors
    ///
    /// There is no CPU to build it on.
    pub fn cost(&self) -> Result<BackboneCost, ModelError> {
        let backbone = self.architecture.init(&device_from_name("cpu")?);
        let [height, width] = self.input_size();
        let stages = backbone.summary(height, width);
        let classifier = backbone.channels() as u64 * CLASSES;
        let parameters = stages.iter().map(|stage| stage.parameters as u64);
        let multiply_adds = stages.iter().map(|stage| stage.multiply_adds);
        Ok(BackboneCost {
            parameters: parameters.sum::<u64>() + classifier + CLASSES,
            multiply_adds: multiply_adds.sum::<u64>() + classifier,
        })
    }
}

/// Backbones whose names have all these words, whatever their case: the cards in their order, then the architectures without one in the
/// order of their families, with the weights that timm means by their names. Without words all of them.
///
/// # Errors
///
/// As [`cards`].
pub fn listed_backbones(words: &[String]) -> Result<Vec<ListedBackbone>, ModelError> {
    let mut found = Vec::new();
    for card in cards()? {
        found.push(ListedBackbone {
            architecture: Architecture::from_name(&card.architecture)?,
            card: Some(card),
            has_figures: true,
        });
    }
    let without = |found: &[ListedBackbone], name: &str| {
        let mut all = found.iter();
        !all.any(|one| one.architecture.name == name)
    };
    for architecture in Architecture::all() {
        if without(&found, architecture.name) {
            found.push(ListedBackbone {
                card: card_from_name(architecture.name).ok(),
                architecture,
                has_figures: false,
            });
        }
    }
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    found.retain(|one| {
        words
            .iter()
            .all(|word| one.name().to_lowercase().contains(word))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = listed_backbones(&words).unwrap();
        found.iter().map(|one| one.name().to_owned()).collect()
    }

    #[test]
    fn every_architecture_and_every_card_is_listed_once() {
        let all = listed_backbones(&[]).unwrap();
        for architecture in Architecture::all() {
            assert!(all.iter().any(|one| one.architecture == architecture));
        }
        let cards = cards().unwrap().len();
        assert!(all[..cards].iter().all(|one| one.has_figures));
        assert!(all[cards..].iter().all(|one| !one.has_figures));
        let mut names: Vec<&str> = all.iter().map(ListedBackbone::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn all_words_are_in_the_name_whatever_their_case() {
        assert!(names(&["RESNET18", "a1"]).contains(&"resnet18.a1_in1k".to_owned()));
        assert!(names(&["resnet18", "convnext"]).is_empty());
    }

    #[test]
    fn costs_are_those_that_are_published() {
        for (name, parameters, multiply_adds) in [
            // torchvision's table: 11.69 M and 1.81 G, 25.56 M and 4.09 G, 138.36 M and 15.47 G.
            ("resnet18", 11_689_512, 1.814e9),
            ("resnet50", 25_557_032, 4.089e9),
            ("vgg16", 138_357_544, 15.470e9),
        ] {
            let one = ListedBackbone {
                architecture: Architecture::from_name(name).unwrap(),
                card: None,
                has_figures: false,
            };
            let found = one.cost().unwrap();
            assert_eq!(found.parameters, parameters, "{name}");
            let share = found.multiply_adds as f64 / multiply_adds;
            assert!((share - 1.0).abs() < 0.001, "{name}: {found:?}");
        }
    }
}
