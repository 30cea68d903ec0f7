//! What an export wrote, and how well it agrees with the model.

use std::path::Path;

use rekindle_export::{Agreement, OnnxFile, TimmFiles};

/// How well an export and its model agree.
fn agreement(found: &Agreement) -> String {
    format!(
        "{} generated images, {} differ from the model's by at most {:.1e} (the largest is {:.3})",
        found.images, found.what, found.difference, found.largest
    )
}

/// An ONNX file.
pub fn onnx(path: &Path, bytes: usize, file: &OnnxFile, found: &Agreement) -> String {
    let contents = file.contents();
    let value = |(name, sizes): &(String, Vec<Option<usize>>)| {
        let size = |size: &Option<usize>| size.map_or("batch".into(), |size| size.to_string());
        let sizes: Vec<String> = sizes.iter().map(size).collect();
        format!("{name} [{}]", sizes.join(", "))
    };
    let said = file.metadata();
    let range = said.get("input_range").map_or("", String::as_str);
    format!(
        "Wrote {}: {}, opset {}, {} operations, {:.2} M numbers\n\
         Input   {}, {range}\n\
         Output  {}\n\
         Checked by reading it back and computing it here:\n        {}\n",
        path.display(),
        size(bytes),
        contents.opset,
        contents.nodes,
        contents.numbers as f64 / 1e6,
        value(&contents.input),
        value(&contents.output),
        agreement(found)
    )
}

/// A folder for timm.
pub fn timm(folder: &Path, files: &TimmFiles, found: &Agreement) -> String {
    let mut text = format!(
        "Wrote {}: model.safetensors, {}, and config.json\n\
         Load    timm.create_model(\"local-dir:{}\", pretrained=True)\n\
         Checked by reading it back:\n        {}\n",
        folder.display(),
        size(files.weights.len()),
        folder.display(),
        agreement(found)
    );
    for note in &files.notes {
        text.push_str(&format!("Note    {note}\n"));
    }
    text
}

fn size(bytes: usize) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
