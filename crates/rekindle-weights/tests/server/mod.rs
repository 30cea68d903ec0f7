//! A hub on 127.0.0.1: repositories in timm's shape, the headers that the real one sends, and whatever goes wrong on request.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rekindle_weights::{Hub, HubFile, HubSettings};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What is said of a request that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub range: Option<String>,
    pub token: Option<String>,
}

/// An answer in place of the right one, to the next request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// No fault: the right answer.
    None,
    /// This status, with headers, and a body.
    Status(u16, Vec<(&'static str, String)>, &'static [u8]),
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// The connection ends without an answer.
    Close,
    /// The whole file with status 200, though a range was asked for.
    IgnoreRange,
    /// The right headers without these.
    Without(&'static [&'static str]),
    /// Other bytes of the same length.
    OtherBytes,
    /// So many bytes more, or less, are announced and sent.
    Longer(i64),
    /// A header in place of the right one.
    Header(&'static str, String),
}

struct State {
    files: Vec<(String, Vec<u8>, bool)>,
    faults: VecDeque<Fault>,
    asked: Vec<Asked>,
    redirect: Option<String>,
    stop: bool,
}

pub struct Server {
    pub address: String,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A repository with these files; `lfs` ones have a SHA-256 and lie behind a redirect.
    pub fn new(files: &[(&str, &[u8], bool)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            files: files
                .iter()
                .map(|(name, bytes, lfs)| (name.to_string(), bytes.to_vec(), *lfs))
                .collect(),
            faults: VecDeque::new(),
            asked: Vec::new(),
            redirect: None,
            stop: false,
        }));
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            // No test asks more often.
            for stream in listener.incoming().take(200).flatten() {
                if shared.lock().unwrap().stop {
                    return;
                }
                let _ = answer(stream, &shared);
            }
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    /// What happens to the next requests, in order.
    pub fn faults(&self, faults: &[Fault]) {
        self.state.lock().unwrap().faults = faults.to_vec().into();
    }

    /// Another host that large files lie on.
    pub fn redirect_to(&self, host: &str) {
        self.state.lock().unwrap().redirect = Some(host.to_owned());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().unwrap().asked.clone()
    }

    pub fn forget(&self) {
        self.state.lock().unwrap().asked.clear();
    }

    pub fn settings(&self, cache: &std::path::Path) -> HubSettings {
        HubSettings {
            timeout: Duration::from_secs(5),
            pause: Duration::from_millis(1),
            patience: Duration::from_secs(3),
            retries: 3,
            ..HubSettings::new(self.address.as_str(), cache)
        }
    }

    pub fn hub(&self, cache: &std::path::Path) -> Hub {
        Hub::new(self.settings(cache))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.lock().unwrap().stop = true;
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn git(bytes: &[u8]) -> String {
    let mut sha = Sha1::new();
    sha.update(format!("blob {}\0", bytes.len()));
    sha.update(bytes);
    sha.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

pub fn file(text: &str) -> HubFile {
    text.parse().unwrap()
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (
        words.next().unwrap_or("").to_owned(),
        words.next().unwrap_or("").to_owned(),
    );
    let (mut range, mut token) = (None, None);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = header.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.trim().to_owned()),
                "authorization" => token = Some(value.trim().to_owned()),
                _ => {}
            }
        }
    }
    let mut state = state.lock().unwrap();
    state.asked.push(Asked {
        method: method.clone(),
        path: path.clone(),
        range: range.clone(),
        token,
    });
    let fault = state.faults.pop_front().unwrap_or(Fault::None);
    if matches!(fault, Fault::Close) {
        return Ok(());
    }
    let head = method == "HEAD";
    if let Fault::Status(status, headers, body) = &fault {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        return send(&mut stream, *status, &headers, body, body.len(), head, None);
    }
    // `/o/n/resolve/REV/FILE`, and `/cdn/FILE` for what lies behind a redirect.
    let name = match path.strip_prefix("/cdn/") {
        Some(name) => name.split('?').next().unwrap_or(name).to_owned(),
        None => path.split('/').skip(5).collect::<Vec<_>>().join("/"),
    };
    let Some((_, bytes, lfs)) = state.files.iter().find(|(file, ..)| *file == name).cloned() else {
        let headers = [("x-error-code".to_owned(), "EntryNotFound".to_owned())];
        return send(
            &mut stream,
            404,
            &headers,
            b"Entry not found",
            15,
            head,
            None,
        );
    };
    let mut headers = vec![
        ("x-repo-commit".to_owned(), COMMIT.to_owned()),
        ("accept-ranges".into(), "bytes".into()),
    ];
    let behind = path.starts_with("/cdn/");
    if behind {
        headers.clear();
    } else if lfs {
        headers.push(("x-linked-etag".into(), format!("\"{}\"", sha256(&bytes))));
        headers.push(("x-linked-size".into(), bytes.len().to_string()));
        headers.push(("etag".into(), "W/\"of-the-redirect\"".into()));
        let host = state.redirect.clone().unwrap_or_default();
        headers.push(("location".into(), format!("{host}/cdn/{name}?signature=s")));
    } else {
        headers.push(("etag".into(), format!("W/\"{}\"", git(&bytes))));
    }
    match &fault {
        Fault::Without(names) => headers.retain(|(name, _)| !names.contains(&name.as_str())),
        Fault::Header(name, value) => {
            headers.retain(|(header, _)| header != name);
            headers.push((name.to_string(), value.clone()));
        }
        _ => {}
    }
    if lfs && !behind {
        return send(&mut stream, 302, &headers, b"", 0, head, None);
    }
    let from = range.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse::<usize>()
            .ok()
    });
    let mut body = bytes.clone();
    if matches!(fault, Fault::OtherBytes) {
        body.iter_mut().for_each(|byte| *byte ^= 1);
    }
    if let Fault::Longer(more) = fault {
        body.resize((body.len() as i64 + more) as usize, 7);
    }
    let (status, body) = match from {
        Some(from) if from >= body.len() => return send(&mut stream, 416, &[], b"", 0, head, None),
        Some(from) if !matches!(fault, Fault::IgnoreRange) => {
            headers.push((
                "content-range".into(),
                format!("bytes {from}-{}/{}", body.len() - 1, body.len()),
            ));
            (206, body[from..].to_vec())
        }
        _ => (200, body),
    };
    let cut = match fault {
        Fault::Cut(at) => Some(at),
        _ => None,
    };
    send(&mut stream, status, &headers, &body, body.len(), head, cut)
}

fn send(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
    length: usize,
    head: bool,
    cut: Option<usize>,
) -> std::io::Result<()> {
    let mut text = format!("HTTP/1.1 {status} Said\r\nconnection: close\r\n");
    if !headers.iter().any(|(name, _)| name == "content-length") {
        text += &format!("content-length: {length}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{text}\r\n").as_bytes())?;
    if !head {
        stream.write_all(&body[..cut.unwrap_or(body.len()).min(body.len())])?;
    }
    stream.flush()
}
