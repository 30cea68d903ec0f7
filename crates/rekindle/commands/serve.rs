//! `rekindle serve`: a model over HTTP, until a signal stops it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use rekindle_augment::DecodeLimits;
use rekindle_finetune::utc;
use rekindle_model::ensemble::TestTime;
use rekindle_model::{Predictor, device_from_name};
use rekindle_serve::{RequestLog, RequestRecord, ServeOptions, Server, Service, is_loopback};

use super::model::model_path;
use super::signals;
use crate::Ending;
use crate::args::at_least_one;
use crate::print;

const NOTES: &str = "\
Examples:
  rekindle serve runs/photos-1                         a page at http://127.0.0.1:8000 to drop pictures on
  curl --data-binary @cat.jpg http://127.0.0.1:8000/predict
  curl -F image=@cat.jpg -F image=@dog.jpg 'http://127.0.0.1:8000/predict?top=5'

Only this machine reaches it unless --host says otherwise. Ctrl-C or SIGTERM answers what is running and ends it. \
docs/serving.md has all routes, proxies and what /metrics counts.";

/// Serve a model over HTTP, with a page to drop pictures on
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// A model file, or the directory of a run
    pub model: PathBuf,
    /// Address to listen on; 0.0.0.0 is all networks of this machine
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 is any that is free
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub port: u16,
    /// Device to compute on: cpu, or a backend such as wgpu:0
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Most images that the model is run on at once; answers do not depend on it
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub batch_size: usize,
    /// Most images that wait; beyond, requests are told to come again (503)
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub queue: usize,
    /// Threads that decode [default: one per core]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub decoders: Option<usize>,
    /// Most MiB of a request's body
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = at_least_one)]
    pub max_body: usize,
    /// Most images of a request
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = at_least_one)]
    pub max_images: usize,
    /// Most pixels of an image [default: 178956970, as Pillow's]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub max_pixels: Option<usize>,
    /// Seconds that a request may take
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = at_least_one)]
    pub timeout: usize,
    /// Average predictions over further views: `flip`, scales such as 1.15, or both, as flip,1.15
    #[arg(long, value_name = "VIEWS")]
    pub tta: Option<TestTime>,
    /// A name that requests may be for, as behind a proxy; may be repeated [default: localhost alone, or any name with another --host]
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// An origin, such as `https://example.com`, whose pages may use the service (CORS); * is any; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,
    /// Print no line for each request
    #[arg(long)]
    pub quiet: bool,
}

/// Serves until a signal comes.
pub fn run(args: &Args) -> Result<Ending> {
    let device = device_from_name(&args.device)?;
    let path = model_path(&args.model)?;
    let mut predictor = Predictor::load(&path, &device)?;
    if let Some(views) = &args.tta {
        predictor = predictor.with_test_time(views);
    }
    let service = Service::new(predictor, options(args, name_of(&path)))?;
    let server = Server::bind(&args.host, args.port, service)?;
    let handle = server.handle();
    signals::upon_first(
        "\nanswering what is running; a second signal ends it at once",
        move || handle.stop(),
    )?;
    let address = server.address();
    if !address.ip().is_loopback() {
        print::note(
            "whoever reaches this machine can send pictures; put a proxy with TLS and passwords before it where that should not be",
        );
    }
    let mut out = io::stdout().lock();
    writeln!(out, "http://{address}  (Ctrl-C ends it)")?;
    out.flush()?;
    drop(out);
    server.run()?;
    Ok(Ending::Done)
}

fn options(args: &Args, name: String) -> ServeOptions {
    let plain = ServeOptions::default();
    let mib = 1 << 20;
    let body_bytes = args.max_body.saturating_mul(mib);
    // A name is checked where one alone is expected: on this machine, or where names are given.
    let checks = is_loopback(&args.host) || !args.allow_host.is_empty();
    ServeOptions {
        name,
        batch_images: args.batch_size,
        queue_images: args.queue,
        decoders: args.decoders.unwrap_or(plain.decoders),
        body_bytes,
        request_images: args.max_images,
        decode: DecodeLimits {
            max_pixels: args
                .max_pixels
                .map_or(plain.decode.max_pixels, |pixels| pixels as u64),
            ..plain.decode.clone()
        },
        timeout: Duration::from_secs(args.timeout as u64),
        allowed_hosts: checks.then(|| args.allow_host.clone()),
        allowed_origins: args.allow_origin.clone(),
        log: (!args.quiet).then(|| RequestLog::new(tell)),
        ..plain
    }
}

/// The name of a run's directory, or of a model file that lies elsewhere.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name);
    let name = match (stem == "model", parent) {
        (true, Some(run)) => run,
        _ => stem,
    };
    name.to_string_lossy().into_owned()
}

/// A line for each request on standard error.
fn tell(record: &RequestRecord) {
    let time = utc(SystemTime::now());
    let RequestRecord {
        method,
        route,
        status,
        ..
    } = record;
    let took = record.elapsed.as_secs_f64() * 1e3;
    let reason = record.reason.map(|reason| {
        let calm: String = reason
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        format!("  {calm}")
    });
    // There is no place left to tell that standard error cannot be written.
    let _ = writeln!(
        io::stderr(),
        "{time} {method} {route} {status} {took:.1} ms{}",
        reason.unwrap_or_default()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_after_its_run_or_its_own_file() {
        assert_eq!(
            name_of("runs/photos-1/model.safetensors".as_ref()),
            "photos-1"
        );
        assert_eq!(name_of("pets.safetensors".as_ref()), "pets");
        assert_eq!(name_of("model.safetensors".as_ref()), "model");
    }
}
