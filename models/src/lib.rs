//! Cards of pretrained backbones, and the one bundled set of weights.
//!
//! A card says what a set of weights is: architecture, source, licence and the preprocessing that belongs to it. The crate
//! `rekindle-backbone` parses them. The feature `bundled` (on by default) embeds the weights of `tf_efficientnet_lite0.in1k`,
//! 9.4 MB of f16, so that a program needs no file and no network.

/// Every card, as TOML.
pub const CARDS: &[&str] = &[
    include_str!("../cards/tf_efficientnet_lite0.in1k.toml"),
    include_str!("../cards/efficientnet_lite0.ra_in1k.toml"),
    include_str!("../cards/mobilenetv3_large_100.ra_in1k.toml"),
    include_str!("../cards/mobilenetv3_large_100.miil_in21k.toml"),
    include_str!("../cards/mobilenetv3_large_100.miil_in21k_ft_in1k.toml"),
    include_str!("../cards/mobilenetv3_large_100.ra4_e3600_r224_in1k.toml"),
    include_str!("../cards/mobilenetv3_rw.rmsp_in1k.toml"),
    include_str!("../cards/mobilenetv3_small_050.lamb_in1k.toml"),
    include_str!("../cards/mobilenetv3_small_075.lamb_in1k.toml"),
    include_str!("../cards/mobilenetv3_small_100.lamb_in1k.toml"),
    include_str!("../cards/resnet101.a1_in1k.toml"),
    include_str!("../cards/resnet101d.ra2_in1k.toml"),
    include_str!("../cards/resnet152.a1_in1k.toml"),
    include_str!("../cards/resnet152d.ra2_in1k.toml"),
    include_str!("../cards/resnet18.a1_in1k.toml"),
    include_str!("../cards/resnet18d.ra2_in1k.toml"),
    include_str!("../cards/resnet26.bt_in1k.toml"),
    include_str!("../cards/resnet26d.bt_in1k.toml"),
    include_str!("../cards/resnet34.a1_in1k.toml"),
    include_str!("../cards/resnet34d.ra2_in1k.toml"),
    include_str!("../cards/resnet50.a1_in1k.toml"),
    include_str!("../cards/resnet50d.a1_in1k.toml"),
    include_str!("../cards/resnext101_32x4d.gluon_in1k.toml"),
    include_str!("../cards/resnext101_32x8d.tv_in1k.toml"),
    include_str!("../cards/resnext101_64x4d.c1_in1k.toml"),
    include_str!("../cards/resnext50_32x4d.a1_in1k.toml"),
    include_str!("../cards/resnext50d_32x4d.bt_in1k.toml"),
    include_str!("../cards/tf_efficientnet_lite1.in1k.toml"),
    include_str!("../cards/tf_efficientnet_lite2.in1k.toml"),
    include_str!("../cards/tf_efficientnet_lite3.in1k.toml"),
    include_str!("../cards/tf_efficientnet_lite4.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_large_075.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_large_100.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_large_minimal_100.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_small_075.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_small_100.in1k.toml"),
    include_str!("../cards/tf_mobilenetv3_small_minimal_100.in1k.toml"),
    include_str!("../cards/wide_resnet101_2.tv2_in1k.toml"),
    include_str!("../cards/wide_resnet50_2.racm_in1k.toml"),
];

/// The card that is used where none is named; its weights are the bundled ones.
pub const DEFAULT_CARD: &str = "tf_efficientnet_lite0.in1k";

/// The bytes of a bundled `.safetensors` file, by file name.
///
/// None where there is no such file, or where the feature `bundled` is off.
pub fn bundled_weights(file: &str) -> Option<&'static [u8]> {
    match file {
        #[cfg(feature = "bundled")]
        "tf_efficientnet_lite0.f16.safetensors" => Some(include_bytes!(
            "../weights/tf_efficientnet_lite0.f16.safetensors"
        )),
        _ => None,
    }
}

/// The names of the bundled files.
pub fn bundled_files() -> &'static [&'static str] {
    if cfg!(feature = "bundled") {
        &["tf_efficientnet_lite0.f16.safetensors"]
    } else {
        &[]
    }
}
