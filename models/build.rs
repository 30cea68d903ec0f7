//! Lists the cards and the bundled weights: a card is a file in `cards/`, and nothing else has to name it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The card that comes first; `src/lib.rs` has it as `DEFAULT_CARD`, and a test compares the two.
const DEFAULT: &str = "tf_efficientnet_lite0.in1k";

/// Cards that come before the others of their architecture, whose bare name stands for them. Without an entry the first by name does.
const FIRST: &[&str] = &[
    "convnext_base.fb_in22k_ft_in1k",
    "convnext_large.fb_in22k_ft_in1k",
    "convnext_nano.in12k_ft_in1k",
    "convnext_small.in12k_ft_in1k",
    "convnext_tiny.in12k_ft_in1k",
    "convnextv2_base.fcmae_ft_in22k_in1k",
    "convnextv2_large.fcmae_ft_in22k_in1k",
    "convnextv2_nano.fcmae_ft_in22k_in1k",
    "convnextv2_tiny.fcmae_ft_in22k_in1k",
    "efficientnet_b0.ra_in1k",
    "efficientnet_b1.ra4_e3600_r240_in1k",
    "inception_v3.tv_in1k",
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv4_conv_large.e600_r384_in1k",
    "mobilenetv4_conv_medium.e500_r256_in1k",
    "mobilenetv4_conv_small.e2400_r224_in1k",
    "regnetx_008.tv2_in1k",
    "regnetx_016.tv2_in1k",
    "regnetx_032.tv2_in1k",
    "regnetx_080.tv2_in1k",
    "regnetx_160.tv2_in1k",
    "regnetx_320.tv2_in1k",
    "regnety_004.tv2_in1k",
    "regnety_016.tv2_in1k",
    "regnety_032.ra_in1k",
    "regnety_040.ra3_in1k",
    "regnety_064.ra3_in1k",
    "regnety_080.ra3_in1k",
    "regnety_120.sw_in12k_ft_in1k",
    "regnety_160.sw_in12k_ft_in1k",
    "regnety_320.tv2_in1k",
    "resnext101_32x16d.fb_wsl_ig1b_ft_in1k",
    "seresnext50_32x4d.racm_in1k",
    "tf_efficientnet_b0.ns_jft_in1k",
    "tf_efficientnet_b1.ns_jft_in1k",
    "tf_efficientnet_b2.ns_jft_in1k",
    "tf_efficientnet_b3.ns_jft_in1k",
    "tf_efficientnet_b4.ns_jft_in1k",
    "tf_efficientnet_b5.ns_jft_in1k",
    "tf_efficientnet_b6.ns_jft_in1k",
    "tf_efficientnet_b7.ns_jft_in1k",
    "tf_efficientnet_l2.ns_jft_in1k_475",
    "tf_efficientnetv2_s.in21k_ft_in1k",
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut cards = files(&root.join("cards"), "toml")?;
    cards.sort_by_key(|(name, _)| rank(name));
    let weights = match env::var_os("CARGO_FEATURE_BUNDLED") {
        Some(_) => files(&root.join("weights"), "safetensors")?,
        None => Vec::new(),
    };

    let mut text = String::from("&[\n");
    for (_, path) in &cards {
        writeln!(text, "    include_str!({path:?}),").map_err(io::Error::other)?;
    }
    text.push_str("]\n");
    write("cards.rs", &text)?;

    let mut text = String::from("&[\n");
    for (name, path) in &weights {
        let file = format!("{name}.safetensors");
        writeln!(text, "    ({file:?}, include_bytes!({path:?}) as &[u8]),")
            .map_err(io::Error::other)?;
    }
    text.push_str("]\n");
    write("weights.rs", &text)
}

/// Where a card stands: the default one first, then by architecture, those of [`FIRST`] before their likes, then by name.
fn rank(name: &str) -> (bool, String, bool, String) {
    let architecture = name
        .split_once('.')
        .map_or(name, |(architecture, _)| architecture);
    (
        name != DEFAULT,
        architecture.to_owned(),
        !FIRST.contains(&name),
        name.to_owned(),
    )
}

/// The files of a folder with this extension, by name without it, sorted.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<(String, PathBuf)>> {
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            files.push((name.into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}

fn write(file: &str, text: &str) -> io::Result<()> {
    let folder = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join(file), text)
}
