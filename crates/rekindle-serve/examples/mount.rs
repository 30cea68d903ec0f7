//! A model inside a program of one's own: its routes below `/photos`, and a route of the program's that asks the same model.
//!
//!     cargo run --release --example mount -p rekindle-serve -- runs/photos-1/model.safetensors
//!     curl --data-binary @cat.jpg http://127.0.0.1:3000/photos/predict
//!     curl --data-binary @cat.jpg http://127.0.0.1:3000/is-it-a-cat

use std::error::Error;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Router, serve};
use rekindle_model::{Predictor, device_from_name};
use rekindle_serve::{Picture, Refusal, ServeOptions, Service, router};

#[tokio::main(flavor = "multi_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("give a model file")?;
    let model = Predictor::load(path.as_ref(), &device_from_name("cpu")?)?;
    let options = ServeOptions {
        name: "photos".into(),
        // This program listens on a loopback address, so no other name should reach it.
        allowed_hosts: Some(Vec::new()),
        ..ServeOptions::default()
    };
    let service = Service::new(model, options)?;
    let app = Router::new()
        .route(
            "/",
            get(async || "A program with a model in it. Its page is at /photos.\n"),
        )
        .route("/is-it-a-cat", post(is_it_a_cat))
        .with_state(service.clone())
        .nest("/photos", router(service));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}", listener.local_addr()?);
    serve(listener, app).await?;
    Ok(())
}

/// Its images are batched together with those of `/photos/predict`.
async fn is_it_a_cat(State(service): State<Service>, bytes: Bytes) -> Result<String, Refusal> {
    let picture = Picture { name: None, bytes };
    let said = service.predict(vec![picture]).await?.remove(0)?;
    let classes = &service.model().info().classes;
    let cat = classes.iter().position(|class| class == "cat");
    Ok(match cat {
        Some(cat) => format!("{:.1} %\n", 100.0 * said.values[cat]),
        None => format!("The model knows no cats, only {}.\n", classes.join(", ")),
    })
}
