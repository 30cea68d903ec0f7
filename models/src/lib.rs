//! Cards of pretrained backbones, and the one bundled set of weights.
//!
//! A card says what a set of weights is: architecture, source, licence and the preprocessing that belongs to it. The crate
//! `rekindle-backbone` parses them. The feature `bundled` (on by default) embeds the weights of `tf_efficientnet_lite0.in1k`,
//! 9.4 MB of f16, so that a program needs no file and no network.
//!
//! Both are found when the crate is built: every file in `cards/` is a card, every `.safetensors` file in `weights/` is bundled.

/// Every card, as TOML: the default one first, the others by name. The first card of an architecture is the one that its bare name
/// stands for.
pub const CARDS: &[&str] = include!(concat!(env!("OUT_DIR"), "/cards.rs"));

/// The card that is used where none is named; its weights are the bundled ones.
pub const DEFAULT_CARD: &str = "tf_efficientnet_lite0.in1k";

/// The weights that timm 1.0.31 has for families of convolutional networks, and which of them a bare name means: CSV with a header, from
/// `make_timm.py`. No value has a comma or quotes.
pub const TIMM: &str = include_str!("../timm.csv");

/// File name and bytes of what is bundled; empty where the feature `bundled` is off.
const WEIGHTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/weights.rs"));

/// The bytes of a bundled `.safetensors` file, by file name.
///
/// None where there is no such file, or where the feature `bundled` is off.
pub fn bundled_weights(file: &str) -> Option<&'static [u8]> {
    let found = WEIGHTS.iter().find(|(name, _)| *name == file);
    found.map(|(_, bytes)| *bytes)
}

/// The names of the bundled files.
pub fn bundled_files() -> impl Iterator<Item = &'static str> {
    WEIGHTS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands under a key of the outermost table.
    fn value<'a>(card: &'a str, key: &str) -> &'a str {
        let line = card.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|line| line.strip_prefix(" = \""))
            .and_then(|line| line.strip_suffix('"'))
            .unwrap_or_else(|| panic!("no `{key}` in {card}"))
    }

    #[test]
    fn every_file_is_a_card_and_named_as_its_card() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cards");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut names: Vec<String> = CARDS
            .iter()
            .map(|card| format!("{}.toml", value(card, "name")))
            .collect();
        files.sort();
        names.sort();
        assert_eq!(files, names);
    }

    #[test]
    fn the_default_card_comes_first_and_its_weights_are_bundled() {
        assert_eq!(value(CARDS[0], "name"), DEFAULT_CARD);
        let expected = cfg!(feature = "bundled").then_some("tf_efficientnet_lite0.f16.safetensors");
        assert_eq!(
            bundled_files().collect::<Vec<_>>(),
            Vec::from_iter(expected)
        );
        assert!(bundled_weights("other.safetensors").is_none());
        if let Some(file) = expected {
            assert!(CARDS[0].contains(file));
            assert_eq!(bundled_weights(file).map(<[u8]>::len), Some(9_409_928));
        }
    }

    #[test]
    fn the_bare_name_of_an_architecture_stands_for_the_card_it_always_did() {
        let first = |architecture: &str| {
            let card = CARDS
                .iter()
                .find(|card| value(card, "architecture") == architecture);
            value(card.unwrap(), "name")
        };
        // A card that would change one of these belongs behind it: see `FIRST` in build.rs.
        for name in [
            "tf_efficientnet_lite0.in1k",
            "efficientnet_lite0.ra_in1k",
            "mobilenetv3_large_100.ra_in1k",
            "mobilenetv3_rw.rmsp_in1k",
            "mobilenetv3_small_050.lamb_in1k",
            "mobilenetv3_small_075.lamb_in1k",
            "mobilenetv3_small_100.lamb_in1k",
            "resnet101.a1_in1k",
            "resnet101d.ra2_in1k",
            "resnet152.a1_in1k",
            "resnet152d.ra2_in1k",
            "resnet18.a1_in1k",
            "resnet18d.ra2_in1k",
            "resnet26.bt_in1k",
            "resnet26d.bt_in1k",
            "resnet34.a1_in1k",
            "resnet34d.ra2_in1k",
            "resnet50.a1_in1k",
            "resnet50d.a1_in1k",
            "resnext101_32x4d.gluon_in1k",
            "resnext101_32x8d.tv_in1k",
            "resnext101_64x4d.c1_in1k",
            "resnext50_32x4d.a1_in1k",
            "resnext50d_32x4d.bt_in1k",
            "tf_efficientnet_lite1.in1k",
            "tf_efficientnet_lite2.in1k",
            "tf_efficientnet_lite3.in1k",
            "tf_efficientnet_lite4.in1k",
            "tf_mobilenetv3_large_075.in1k",
            "tf_mobilenetv3_large_100.in1k",
            "tf_mobilenetv3_large_minimal_100.in1k",
            "tf_mobilenetv3_small_075.in1k",
            "tf_mobilenetv3_small_100.in1k",
            "tf_mobilenetv3_small_minimal_100.in1k",
            "wide_resnet101_2.tv2_in1k",
            "wide_resnet50_2.racm_in1k",
        ] {
            let architecture = name.split_once('.').unwrap().0;
            assert_eq!(first(architecture), name);
        }
    }
}
