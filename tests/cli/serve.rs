//! `serve`: answers are those of `predict`, whatever else is asked at the same time; limits hold; it ends well.

mod client;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use self::client::{Running, base64, read};
use crate::support::{Place, TINY, trained};

/// What `predict --json` says of images, by path, without the path.
fn predicted(place: &Place, model: &str, images: &str, more: &[&str]) -> BTreeMap<String, Value> {
    let words = [&["predict", model, images, "--json"], more].concat();
    let found = place.rekindle(&words).success().json();
    let entries = found.as_array().unwrap().iter().map(|entry| {
        let mut entry = entry.clone();
        let path = entry.as_object_mut().unwrap().remove("path").unwrap();
        (path.as_str().unwrap().to_owned(), entry)
    });
    entries.collect()
}

/// What `predict` prints against a file that is no image.
fn complaint(place: &Place, file: &str) -> String {
    let found = place.rekindle(&["predict", "runs/done", file]);
    assert_eq!(found.code, Some(2), "{found:?}");
    found.stderr
}

/// Whether two predictions say the same. Which images are computed together can change the last digit of a number.
#[track_caller]
fn assert_same(found: &Value, expected: &Value) {
    let near =
        |found: f64, expected: f64| (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            assert_eq!(
                found.len(),
                expected.len(),
                "{found:?} against {expected:?}"
            );
            for (key, value) in expected {
                assert_same(&found[key], value);
            }
        }
        (Value::Number(a), Value::Number(b)) => {
            assert!(
                near(a.as_f64().unwrap(), b.as_f64().unwrap()),
                "{a} against {b}"
            );
        }
        _ => assert_eq!(found, expected),
    }
}

fn without_file(entry: &Value) -> Value {
    let mut entry: Map<String, Value> = entry.as_object().unwrap().clone();
    entry.remove("file");
    entry.into()
}

fn bad_image(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bad");
    fs::read(folder.join(name)).unwrap()
}

/// Images that no decoder takes, with the status that they get.
const BAD: [(&str, u16); 6] = [
    ("truncated.jpg", 422),
    ("zero_byte.png", 422),
    ("text_named.jpg", 415),
    ("heic_header.heic", 415),
    ("bomb.gif", 413),
    ("corrupt.webp", 422),
];

#[test]
fn good_and_bad_requests_of_many_threads_get_the_answers_of_predict() {
    let place = trained();
    let expected = predicted(place, "runs/done", "photos", &[]);
    let good: Vec<(String, Vec<u8>)> = expected
        .keys()
        .map(|path| (path.clone(), place.read(path)))
        .collect();
    let bad: Vec<(Vec<u8>, u16, String)> = BAD
        .iter()
        .map(|(name, status)| {
            place.add_bad(name, &format!("bad/{name}"));
            let words = complaint(place, &format!("bad/{name}"));
            (bad_image(name), *status, words)
        })
        .collect();
    let running = Running::start(place, "runs/done", &["--batch-size", "7"]);
    let (images, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let (running, good, bad, expected) = (&running, &good, &bad, &expected);
            let (images, refused) = (&images, &refused);
            scope.spawn(move || {
                for turn in 0..30usize {
                    let at = |more: usize| &good[(thread * 5 + turn + more) % good.len()];
                    let (path, bytes) = at(0);
                    let (worse, status, words) = &bad[(thread + turn) % bad.len()];
                    let (asked, wrong) = match turn % 5 {
                        0 => {
                            let found = running.predict(bytes).prediction();
                            assert_same(&found, &expected[path]);
                            (1, 0)
                        }
                        1 => {
                            let error = running.predict(worse).error(*status);
                            assert!(words.contains(&error), "{error} is not in {words}");
                            (0, 1)
                        }
                        2 => {
                            let encoded = base64(bytes);
                            let document = json!({ "image": encoded });
                            let found = running.post_json("/predict", &document).prediction();
                            assert_same(&found, &expected[path]);
                            (1, 0)
                        }
                        3 => {
                            let files: Vec<(&str, &[u8])> = (0..4)
                                .map(|more| (at(more).0.as_str(), at(more).1.as_slice()))
                                .collect();
                            let found = running.predict_files("/predict", &files).json();
                            let found = found["predictions"].as_array().unwrap();
                            assert_eq!(found.len(), 4);
                            for (entry, (path, _)) in found.iter().zip(&files) {
                                assert_eq!(entry["file"], **path);
                                assert_same(&without_file(entry), &expected[*path]);
                            }
                            (4, 0)
                        }
                        _ => {
                            // A bad one among good ones takes none of their answers.
                            let files = [
                                (path.as_str(), bytes.as_slice()),
                                ("worse", worse.as_slice()),
                                (at(1).0.as_str(), at(1).1.as_slice()),
                            ];
                            let answer = running.predict_files("/predict", &files);
                            assert_eq!(answer.status, 200, "{answer:?}");
                            let found = answer.json()["predictions"].clone();
                            assert_same(&without_file(&found[0]), &expected[path]);
                            assert_eq!(found[1]["status"], *status);
                            let error = found[1]["error"].as_str().unwrap();
                            assert!(words.contains(error), "{error} is not in {words}");
                            assert_same(&without_file(&found[2]), &expected[&at(1).0]);
                            (2, 1)
                        }
                    };
                    images.fetch_add(asked, Ordering::SeqCst);
                    refused.fetch_add(wrong, Ordering::SeqCst);
                }
            });
        }
    });
    let (images, refused) = (images.into_inner() as f64, refused.into_inner() as f64);
    let of = |name: &str| running.metric(name);
    let count = |result: &str| of(&format!("rekindle_images_total{{result=\"{result}\"}}"));
    assert_eq!(count("answered"), images);
    assert_eq!(count("refused"), refused);
    assert_eq!((count("failed"), count("abandoned")), (0.0, 0.0));
    assert_eq!(of("rekindle_batch_images_sum"), images);
    assert_eq!(of("rekindle_decode_seconds_count"), images + refused);
    assert_eq!(of("rekindle_queue_images"), 0.0);
    let requests: f64 = [200, 413, 415, 422]
        .map(|status| {
            of(&format!(
                "rekindle_requests_total{{route=\"/predict\",status=\"{status}\"}}"
            ))
        })
        .iter()
        .sum();
    assert_eq!(requests, 8.0 * 30.0);
    let largest = of("rekindle_batch_images_bucket{le=\"8\"}");
    assert_eq!(largest, of("rekindle_batch_images_count"));
}

#[test]
fn requests_that_are_not_as_they_should_be_are_told_why() {
    let place = trained();
    let running = Running::start(
        place,
        "runs/done",
        &["--max-body", "1", "--max-images", "2"],
    );
    let image = place.read("photos/sky/1.png");
    let refused = |line: &str, headers: &[(&str, &str)], body: &[u8], status, words: &str| {
        let error = running.request(line, headers, body).error(status);
        assert!(error.contains(words), "no `{words}` in {error}");
    };
    for (line, words) in [
        ("POST /predict?tpo=1", "did you mean `top`"),
        ("POST /predict?top=0", "from 1 on"),
        ("POST /predict?threshold=0.5", "several labels"),
        ("POST /explain?class=skye", "did you mean `sky`"),
    ] {
        refused(line, &[], &image, 400, words);
    }
    let json = [("Content-Type", "application/json")];
    refused("POST /predict", &json, b"{\"image\": 5}", 400, "BASE64");
    refused("POST /predict", &json, b"{\"images\": []}", 400, "no image");
    let form = [("Content-Type", "multipart/form-data; boundary=x")];
    refused("POST /predict", &form, b"no form", 400, "form");
    refused("POST /predict", &form[..0], b"", 422, "empty");
    let large = vec![7; (1 << 20) + 1];
    refused("POST /predict", &[], &large, 413, "1048576 bytes");
    let file = ("a.png", image.as_slice());
    let three = running.predict_files("/predict", &[file; 3]);
    assert!(three.error(413).contains("more than 2 images"));
    assert_eq!(running.predict_files("/predict", &[file; 2]).status, 200);
    refused("GET /predict", &[], b"", 405, "/openapi.json");
    for path in [
        "/../../../etc/passwd",
        "/%2e%2e/plan.toml",
        "/model.safetensors",
    ] {
        refused(&format!("GET {path}"), &[], b"", 404, "nothing at");
    }
    assert_eq!(running.raw(b"nonsense\r\n\r\n").status, 400);
    // Strangers' files get less room than a user's own, which `predict` reads.
    let bomb = running.predict(&bad_image("bomb.png")).error(413);
    assert!(bomb.contains("limit of 178956970 pixels"), "{bomb}");
    let pixels = Running::start(place, "runs/done", &["--max-pixels", "1000"]);
    let error = pixels.predict(&image).error(413);
    assert!(error.contains("limit of 1000 pixels"), "{error}");
}

#[test]
fn a_full_queue_tells_when_to_come_again() {
    let place = trained();
    let running = Running::start(place, "runs/done", &["--queue", "1", "--batch-size", "1"]);
    let image = place.read("photos/sky/1.png");
    let expected = &predicted(place, "runs/done", "photos/sky/1.png", &[])["photos/sky/1.png"];
    let busy = Mutex::new(0);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let answer = running.predict(&image);
                    if answer.status == 200 {
                        assert_same(&answer.prediction(), expected);
                    } else {
                        let words = answer.error(503);
                        assert!(words.contains("of 1 that may"), "{words}");
                        let seconds = answer.header("retry-after").unwrap();
                        assert!(seconds.parse::<u32>().unwrap() >= 1);
                        *busy.lock().unwrap() += 1;
                    }
                    if *busy.lock().unwrap() > 5 {
                        return;
                    }
                }
            });
        }
    });
    assert!(busy.into_inner().unwrap() > 5);
    assert_same(&running.predict(&image).prediction(), expected);
}

#[test]
fn only_this_machine_and_its_own_pages_are_answered_unless_told() {
    let place = trained();
    let running = Running::start(place, "runs/done", &[]);
    let ask = |headers: &[(&str, &str)]| running.request("GET /model", headers, b"");
    let rebound = ask(&[("Host", "evil.example:8000")]).error(403);
    assert!(rebound.contains("--allow-host"), "{rebound}");
    assert_eq!(ask(&[("Host", "localhost:8000")]).status, 200);
    let foreign = ask(&[("Origin", "https://evil.example")]);
    assert!(foreign.error(403).contains("--allow-origin"));
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    let own = format!("http://{}", running.address);
    assert_eq!(ask(&[("Origin", &own)]).status, 200);
    let allowed = Running::start(
        place,
        "runs/done",
        &[
            "--allow-origin",
            "https://photos.example",
            "--allow-host",
            "photos.internal",
        ],
    );
    let origin = ("Origin", "https://photos.example");
    let answer = allowed.request("GET /model", &[origin, ("Host", "photos.internal")], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://photos.example")
    );
    let asks = ("Access-Control-Request-Method", "POST");
    let before = allowed.request("OPTIONS /predict", &[origin, asks], b"");
    assert_eq!(before.status, 204);
    assert_eq!(
        before.header("access-control-allow-headers"),
        Some("content-type")
    );
}

#[test]
fn the_description_lists_each_route_and_each_route_is_there() {
    let place = trained();
    let running = Running::start(place, "runs/done", &[]);
    let document = running.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let image = place.read("photos/sky/1.png");
    let paths = document["paths"].as_object().unwrap();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let line = format!("{} {path}", method.to_uppercase());
            let answer = running.request(&line, &[], &image);
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            let kind = answer.header("content-type").unwrap();
            let kind = kind.split(';').next().unwrap();
            let content = &operation["responses"]["200"]["content"];
            assert!(content.get(kind).is_some(), "{line}: {kind} in {content}");
        }
    }
    let known: Vec<&str> = paths.keys().map(String::as_str).collect();
    let all = [
        "/",
        "/predict",
        "/explain",
        "/model",
        "/health",
        "/ready",
        "/metrics",
        "/openapi.json",
    ];
    assert_eq!(known, all);
    // Every schema that is named is there.
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1) {
        let name = name.split('"').next().unwrap();
        assert!(
            document["components"]["schemas"].get(name).is_some(),
            "{name}"
        );
    }
    let model = running.get("/model").json();
    assert_eq!(model["name"], "done");
    assert_eq!(model["classes"], json!(["apple", "leaf", "sky"]));
    assert_eq!(model["input_size"], json!([32, 32]));
    assert_eq!(model["explain"], true);
}

#[test]
fn a_heat_map_comes_as_json_and_as_a_picture() {
    let place = trained();
    let running = Running::start(place, "runs/done", &[]);
    let image = place.read("photos/sky/1.png");
    let said = running.request("POST /explain", &[], &image).json();
    let predicted = running.predict(&image).prediction();
    assert_eq!(said["output"], predicted["class"]);
    assert_eq!(said["method"], "grad-cam");
    let address = said["overlay"].as_str().unwrap();
    let leaf = running.request("POST /explain?class=leaf", &[], &image);
    assert_eq!(leaf.json()["output"], "leaf");
    let png = running.request("POST /explain", &[("Accept", "image/png")], &image);
    assert_eq!(png.header("content-type"), Some("image/png"));
    assert!(address.ends_with(&base64(&png.body)));
    let drawn = image::load_from_memory(&png.body).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (32, 32));
    // A form may be as large as any other body.
    let padded = [image.as_slice(), &[0; 3 << 20]].concat();
    let large = running
        .predict_files("/predict", &[("a.png", &padded)])
        .prediction();
    assert_same(&without_file(&large), &predicted);
    let text = running.request("POST /explain", &[], b"no image at all, really");
    assert!(text.error(415).contains("not a known image format"));
    // The page may run its own script and style, and nothing else.
    let page = running.get("/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

/// A model of a list with one picture for each of two labels, or with two numbers.
fn of_a_list(heading: &str, rows: fn(usize) -> String) -> Place {
    let place = Place::with_photos();
    let mut csv = format!("{heading}\n");
    for (place, class) in ["apple", "leaf", "sky"].iter().enumerate() {
        for number in 0..8 {
            csv.push_str(&format!("{class}/{number}.png,{}\n", rows(place + number)));
        }
    }
    place.write("photos/list.csv", csv);
    let settings = [
        TINY,
        &["--set", "phase1.epochs=1", "--set", "phase2.epochs=0"],
    ]
    .concat();
    let words = ["train", "photos/list.csv", "--name", "of-list"];
    place.rekindle(&[&words[..], &settings].concat()).success();
    place
}

#[test]
fn labels_and_numbers_are_answered_as_predict_does() {
    let labels = of_a_list("path,labels", |number| {
        ["red", "bright", "red|bright"][number % 3].into()
    });
    let numbers = of_a_list("path,number:age,number:width_mm", |number| {
        format!("{number},{}", 1000 - number * number)
    });
    let image = "photos/sky/2.png";
    for (place, more, query) in [
        (&labels, &[][..], ""),
        (&labels, &["--threshold", "0.3"][..], "?threshold=0.3"),
        (&numbers, &[][..], ""),
    ] {
        let expected = predicted(place, "runs/of-list", image, more);
        let running = Running::start(place, "runs/of-list", &[]);
        let line = format!("POST /predict{query}");
        let found = running.request(&line, &[], &place.read(image)).prediction();
        assert_same(&found, &expected[image]);
        assert_eq!(
            running
                .request("POST /explain", &[], &place.read(image))
                .status,
            200
        );
        let error = running.request("POST /predict?top=1", &[], b"").error(400);
        assert!(error.contains("one class of several"), "{error}");
    }
}

#[test]
fn several_networks_with_a_threshold_may_answer_unknown() {
    let place = Place::with_photos();
    let run = trained().path("runs/done").display().to_string();
    place
        .train("other", &["--seed", "3", "--set", "phase2.epochs=0"])
        .success();
    let both = ["ensemble", &run, "runs/other", "-o", "both.safetensors"];
    place.rekindle(&both).success();
    for class in ["apple", "leaf", "sky"] {
        place.add_images(&format!("held/{class}"), class, 16);
    }
    // Some that are wrong, so that there is something to be calibrated.
    place.add_images("wrong", "sky", 20);
    for number in 16..20 {
        let to = place.path(&format!("held/apple/wrong-{number}.png"));
        fs::copy(place.path(&format!("wrong/{number}.png")), to).unwrap();
    }
    let words = [
        "calibrate",
        "both.safetensors",
        "--data",
        "held",
        "--precision",
        "0.9",
        "-o",
        "careful.safetensors",
    ];
    place.rekindle(&words).success();
    let running = Running::start(&place, "careful.safetensors", &["--tta", "flip"]);
    let model = running.get("/model").json();
    assert_eq!(
        (&model["name"], &model["networks"]),
        (&json!("careful"), &json!(2))
    );
    assert!(model["threshold"].is_number());
    for (path, expected) in predicted(
        &place,
        "careful.safetensors",
        "photos",
        &["--tta", "flip", "--top", "1"],
    ) {
        let found = running.request("POST /predict?top=1", &[], &place.read(&path));
        assert_same(&found.prediction(), &expected);
    }
    // What decided is what decided for all of them.
    let image = place.read("photos/sky/1.png");
    let said = running.request("POST /predict", &[], &image).prediction();
    let found = running
        .request("POST /explain?class=sky", &[], &image)
        .json();
    let [ours, theirs] = [&found["probability"], &said["probabilities"]["sky"]];
    let apart = ours.as_f64().unwrap() - theirs.as_f64().unwrap();
    assert!(apart.abs() < 1e-4, "{ours} {theirs}");
    assert_eq!(found["size"], json!([2, 2]));
    assert_eq!(running.get("/model").json()["explain"], true);
}

#[test]
fn a_body_that_does_not_come_is_waited_for_no_longer_than_told() {
    let place = trained();
    let running = Running::start(place, "runs/done", &["--timeout", "2"]);
    let image = place.read("photos/sky/1.png");
    let whole = running.bytes("POST /predict", &[], &image);
    let mut stream = running.connect();
    stream.write_all(&whole[..whole.len() - 1]).unwrap();
    let error = read(&mut stream).error(408);
    assert!(error.contains("within 2 s"), "{error}");
    // Others were answered meanwhile, and are now.
    assert_eq!(running.predict(&image).status, 200);
}

#[cfg(unix)]
#[test]
fn what_is_running_is_answered_before_it_ends() {
    use crate::interrupt::send;
    let place = trained();
    let image = place.read("photos/sky/1.png");
    let expected = &predicted(place, "runs/done", "photos/sky/1.png", &[])["photos/sky/1.png"];
    for signal in ["TERM", "INT"] {
        let running = Running::start(place, "runs/done", &[]);
        assert_eq!(running.get("/ready").status, 200);
        let whole = running.bytes("POST /predict", &[], &image);
        let half = whole.len() / 2;
        let mut streams: Vec<_> = (0..6).map(|_| running.connect()).collect();
        for stream in &mut streams {
            stream.write_all(&whole[..half]).unwrap();
        }
        // A connection that is only kept open does not hold the end up.
        let mut idle = running.connect();
        let kept = String::from_utf8(running.bytes("GET /ready", &[], b"")).unwrap();
        let kept = kept.replace("Connection: close", "Connection: keep-alive");
        idle.write_all(kept.as_bytes()).unwrap();
        assert_eq!(read(&mut idle).status, 200);
        // The six, and the one that asks.
        while running.metric("rekindle_requests_running") < 7.0 {
            std::thread::yield_now();
        }
        send(signal, running.process());
        while std::net::TcpStream::connect(&running.address).is_ok() {
            std::thread::yield_now();
        }
        for stream in &mut streams {
            stream.write_all(&whole[half..]).unwrap();
            assert_same(&read(stream).prediction(), expected);
        }
        assert_eq!(running.exit_code(), Some(0));
    }
}

#[test]
fn each_request_is_a_line_unless_it_is_to_be_quiet() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;
    let place = trained();
    let words = ["serve", "runs/done", "--port", "0"];
    let mut child = place
        .command(&words)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .split_whitespace()
        .next()
        .unwrap()
        .replace("http://", "");
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    let request =
        format!("GET /a%1b[31mb?secret=1 HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(read(&mut stream).status, 404);
    let mut log = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut log)
        .unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(log.contains("Z GET (none) 404 "), "{log:?}");
    assert!(!log.trim_end().chars().any(char::is_control), "{log:?}");
    assert!(!log.contains("secret"), "{log:?}");
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let place = trained();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    place
        .rekindle(&["serve", "runs/done", "--port", &port])
        .error(&["cannot listen on 127.0.0.1", "choose another port"]);
    place
        .rekindle(&["serve", "runs/nothing"])
        .error(&["there is no model `runs/nothing`"]);
    place
        .rekindle(&["serve", "runs/done", "--allow-origin", "photos.example"])
        .error(&["photos.example", "https://example.com"]);
    let words = ["serve", "runs/done", "--queue", "0"];
    assert_eq!(place.rekindle(&words).code, Some(2));
}
