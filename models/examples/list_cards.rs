//! Lists the cards and the bundled files: `cargo run -p rekindle-models --example list_cards`.

fn main() {
    for card in rekindle_models::CARDS {
        let name = card.lines().next().unwrap_or_default();
        println!("{name}");
    }
    for file in rekindle_models::bundled_files() {
        let bytes = rekindle_models::bundled_weights(file).map_or(0, <[u8]>::len);
        println!("bundled: {file}, {bytes} bytes");
    }
}
