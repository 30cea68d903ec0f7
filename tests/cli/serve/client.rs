//! A running service, and a client that writes requests byte by byte, so that it can also write bad ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::Place;

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.iter();
        let found = all.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The one prediction of an answer that must be one.
    #[track_caller]
    pub fn prediction(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        let all = self.json()["predictions"].clone();
        assert_eq!(all.as_array().map(Vec::len), Some(1), "{self:?}");
        all[0].clone()
    }

    /// The words of an error with this status.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let error = self.json()["error"].as_str().map(str::to_owned);
        error.unwrap_or_else(|| panic!("no error in {self:?}"))
    }
}

/// The program while it serves; it ends with this value.
#[derive(Debug)]
pub struct Running {
    child: Child,
    pub address: String,
}

impl Running {
    /// Serves a model of a place on a free port.
    pub fn start(place: &Place, model: &str, more: &[&str]) -> Self {
        let words = ["serve", model, "--port", "0", "--quiet"];
        let mut command = place.command(&[&words[..], more].concat());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.split_whitespace().next().unwrap_or_default();
        let address = address.strip_prefix("http://").unwrap_or_default();
        assert!(!address.is_empty(), "{line:?}");
        Self {
            address: address.to_owned(),
            child,
        }
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end of the program, and gives its exit code.
    pub fn exit_code(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Sends bytes as they are, and reads the answer.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read(&mut stream)
    }

    /// A request with headers of its own beside the usual ones.
    pub fn request(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.raw(&self.bytes(line, headers, body))
    }

    /// The bytes of a request; `Host` is left out where the headers have one.
    pub fn bytes(&self, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
        let mut head = format!("{line} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head.push_str(&format!("Host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        [head.as_bytes(), body].concat()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[], b"")
    }

    /// An image as the body itself.
    pub fn predict(&self, image: &[u8]) -> Answer {
        self.request("POST /predict", &[("Content-Type", "image/png")], image)
    }

    /// Images as files of a form.
    pub fn predict_files(&self, path: &str, files: &[(&str, &[u8])]) -> Answer {
        let mut body = Vec::new();
        for (name, bytes) in files {
            body.extend(
                format!(
                    "--limit\r\nContent-Disposition: form-data; name=\"image\"; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n"
                )
                .as_bytes(),
            );
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--limit--\r\n");
        let kind = ("Content-Type", "multipart/form-data; boundary=limit");
        self.request(&format!("POST {path}"), &[kind], &body)
    }

    /// A JSON document as the body.
    pub fn post_json(&self, path: &str, document: &Value) -> Answer {
        let kind = ("Content-Type", "application/json");
        let text = document.to_string();
        self.request(&format!("POST {path}"), &[kind], text.as_bytes())
    }

    /// The value of a line of `/metrics`, 0 where it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics");
        let mut lines = text.text().lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads an answer to its end, which is the connection's.
pub fn read(stream: &mut TcpStream) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{line:?} is no answer"));
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Answer {
        status,
        headers,
        body,
    }
}

/// Base64 as RFC 4648 has it, written down here so that the service's own reading is not its witness.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let of = |place: usize| u32::from(three.get(place).copied().unwrap_or(0));
        let bits = of(0) << 16 | of(1) << 8 | of(2);
        for place in 0..4 {
            text.push(match place <= three.len() {
                true => LETTERS[(bits >> (18 - 6 * place) & 63) as usize] as char,
                false => '=',
            });
        }
    }
    text
}
