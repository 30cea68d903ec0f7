//! Fetching from a hub on this machine that does what the real one does, and what networks do to it.
#![cfg(feature = "net")]

mod server;

use std::fs;
use std::path::Path;

use rekindle_weights::{Fetching, Hub, HubError, HubFile, HubSettings, TimmConfig, Verdict};
use server::{COMMIT, Fault, Server, file, git, sha256};

const CONFIG: &[u8] = br#"{"architecture": "resnet18", "num_classes": 1000, "num_features": 512, "pretrained_cfg": {"tag": "a1_in1k",
"input_size": [3, 224, 224], "interpolation": "bicubic", "crop_pct": 0.95, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}}"#;

fn weights() -> Vec<u8> {
    (0..200_000_u32)
        .flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

fn timm() -> Server {
    Server::new(&[
        ("config.json", CONFIG, false),
        ("model.safetensors", &weights(), true),
        ("sub/other.bin", b"other", true),
    ])
}

fn fetch(hub: &Hub, name: &str) -> Result<std::path::PathBuf, HubError> {
    hub.fetch(&file(name), None, &mut |_| {})
}

const MODEL: &str = "hf://timm/resnet18.a1_in1k";

/// Nothing of a file that was refused may have a name in the cache.
fn nothing_is_cached(cache: &Path, hub: &Hub, name: &str) {
    assert_eq!(hub.cached(&file(name)), None);
    let snapshots = cache.join("models--timm--resnet18.a1_in1k/snapshots");
    assert!(!snapshots.exists() || fs::read_dir(snapshots).unwrap().next().is_none());
    for blob in fs::read_dir(cache.join("models--timm--resnet18.a1_in1k/blobs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = blob.file_name().into_string().unwrap();
        assert!(name.ends_with(".incomplete"), "{name}");
    }
}

#[test]
fn a_repository_is_fetched_into_pythons_layout_once_and_read_offline_after() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let mut seen = Vec::new();
    let path = hub
        .fetch(&file(MODEL), None, &mut |at: Fetching<'_>| {
            seen.push((at.done, at.total))
        })
        .unwrap();
    assert_eq!(fs::read(&path).unwrap(), weights());
    assert_eq!(*seen.last().unwrap(), (800_000, Some(800_000)));
    let config = fetch(&hub, "hf://timm/resnet18.a1_in1k/config.json").unwrap();
    let text = fs::read_to_string(config).unwrap();
    assert_eq!(
        TimmConfig::parse(&text, "it").unwrap().architecture,
        "resnet18"
    );
    fetch(&hub, "hf://timm/resnet18.a1_in1k/sub/other.bin").unwrap();

    let folder = cache.path().join("models--timm--resnet18.a1_in1k");
    assert_eq!(
        fs::read_to_string(folder.join("refs/main")).unwrap(),
        COMMIT
    );
    let link =
        |name: &str| fs::read_link(folder.join("snapshots").join(COMMIT).join(name)).unwrap();
    assert_eq!(
        link("model.safetensors"),
        Path::new("../../blobs").join(sha256(&weights()))
    );
    assert_eq!(
        link("config.json"),
        Path::new("../../blobs").join(git(CONFIG))
    );
    assert_eq!(
        link("sub/other.bin"),
        Path::new("../../../blobs").join(sha256(b"other"))
    );

    server.forget();
    assert_eq!(fetch(&hub, MODEL).unwrap(), path);
    assert!(server.asked().is_empty());
    let offline = Hub::new(HubSettings {
        offline: true,
        ..server.settings(cache.path())
    });
    assert_eq!(fetch(&offline, MODEL).unwrap(), path);
    assert_eq!(fetch(&offline, &format!("{MODEL}@{COMMIT}")).unwrap(), path);
    let error = fetch(&offline, "hf://timm/resnet50")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("HF_HUB_OFFLINE")
            && error.contains("/timm/resnet50/resolve/main/model.safetensors"),
        "{error}"
    );
    assert!(server.asked().is_empty());
    assert_eq!(hub.list().unwrap().len(), 2);
    assert_eq!(
        hub.remove("timm/resnet18.a1_in1k").unwrap(),
        Some(800_000 + CONFIG.len() as u64 + 5 + 40)
    );
    assert_eq!(
        (
            hub.cached(&file(MODEL)),
            hub.remove("timm/resnet18.a1_in1k").unwrap()
        ),
        (None, None)
    );
}

#[test]
fn redirects_are_followed_and_only_the_endpoint_sees_the_token() {
    let (server, cdn, cache) = (timm(), timm(), tempfile::tempdir().unwrap());
    server.redirect_to(&cdn.address);
    let settings = HubSettings {
        token: Some("hf_secret".into()),
        ..server.settings(cache.path())
    };
    fetch(&Hub::new(settings), MODEL).unwrap();
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| asked.token.as_deref() == Some("Bearer hf_secret"))
    );
    assert_eq!(cdn.asked().len(), 1);
    assert!(cdn.asked()[0].token.is_none() && cdn.asked()[0].path.starts_with("/cdn/"));
}

#[test]
fn a_renamed_repository_is_followed_and_an_endless_circle_is_not() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let to = |path: &str| Fault::Status(307, vec![("location", path.to_owned())], b"");
    server.faults(&[to("/timm/new/resolve/main/model.safetensors")]);
    fetch(&server.hub(cache.path()), MODEL).unwrap();
    let circle = vec![to("/timm/a/resolve/main/x"); 20];
    server.faults(&circle);
    let error = fetch(&server.hub(cache.path()), "hf://timm/x").unwrap_err();
    assert!(matches!(error, HubError::NotAHub { .. }), "{error}");
    server.faults(&[to("file:///etc/passwd")]);
    let error = fetch(&server.hub(cache.path()), "hf://timm/x").unwrap_err();
    assert!(matches!(error, HubError::NotAHub { .. }), "{error}");
}

#[test]
fn a_cut_connection_goes_on_where_it_ended() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    // HEAD, then GET at the hub and behind the redirect, again and again.
    server.faults(&[
        Fault::None,
        Fault::None,
        Fault::Cut(300_000),
        Fault::None,
        Fault::Cut(200_000),
        Fault::Close,
    ]);
    let path = fetch(&server.hub(cache.path()), MODEL).unwrap();
    assert_eq!(fs::read(path).unwrap(), weights());
    let ranges: Vec<_> = server
        .asked()
        .iter()
        .filter(|asked| asked.path.starts_with("/cdn"))
        .map(|asked| asked.range.clone())
        .collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=300000-".into()),
            Some("bytes=500000-".into())
        ]
    );
}

#[test]
fn a_part_of_an_earlier_run_is_resumed_and_restarted_if_it_was_of_something_else() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let blobs = cache.path().join("models--timm--resnet18.a1_in1k/blobs");
    fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(format!("{}.incomplete", sha256(&weights())));
    for (bytes, ranges) in [
        (
            weights()[..123_456].to_vec(),
            vec![Some("bytes=123456-".to_owned())],
        ),
        (
            vec![9; 123_456],
            vec![Some("bytes=123456-".to_owned()), None],
        ),
        (vec![9; 900_000], vec![None]),
        (vec![9; 800_000], vec![None]),
    ] {
        fs::write(&part, bytes).unwrap();
        server.forget();
        let path = fetch(&server.hub(cache.path()), MODEL).unwrap();
        assert_eq!(fs::read(path).unwrap(), weights());
        let asked: Vec<_> = server
            .asked()
            .iter()
            .filter(|asked| asked.path.starts_with("/cdn"))
            .map(|asked| asked.range.clone())
            .collect();
        assert_eq!(asked, ranges);
        assert!(!part.exists());
        fs::remove_dir_all(
            cache
                .path()
                .join("models--timm--resnet18.a1_in1k/snapshots"),
        )
        .unwrap();
        fs::remove_file(blobs.join(sha256(&weights()))).unwrap();
    }
    // A server that gives the whole though a range was asked for.
    fs::write(&part, vec![9; 1000]).unwrap();
    server.faults(&[Fault::None, Fault::None, Fault::IgnoreRange]);
    assert_eq!(
        fs::read(fetch(&server.hub(cache.path()), MODEL).unwrap()).unwrap(),
        weights()
    );
}

#[test]
fn a_connection_that_never_gets_through_is_given_up_with_the_address() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    server.faults(&vec![Fault::Close; 20]);
    let error = fetch(&hub, MODEL).unwrap_err();
    assert!(
        matches!(&error, HubError::Unreachable { url, .. } if url.ends_with("/model.safetensors")),
        "{error}"
    );
    assert_eq!(server.asked().len(), 4);
    nothing_is_cached(cache.path(), &hub, MODEL);
    let nobody = Hub::new(HubSettings {
        retries: 1,
        ..HubSettings::new("http://127.0.0.1:9", cache.path())
    });
    assert!(matches!(
        fetch(&nobody, MODEL).unwrap_err(),
        HubError::Unreachable { .. }
    ));
}

#[test]
fn a_busy_hub_is_waited_for_as_it_asks_but_not_for_ever() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let busy =
        |status, seconds: &str| Fault::Status(status, vec![("retry-after", seconds.into())], b"");
    server.faults(&[
        busy(429, "1"),
        busy(503, "0"),
        Fault::Status(500, vec![], b""),
    ]);
    let since = std::time::Instant::now();
    let mut reasons = Vec::new();
    let mut progress = |at: Fetching<'_>| reasons.extend(at.waiting.map(str::to_owned));
    server
        .hub(cache.path())
        .fetch(&file(MODEL), None, &mut progress)
        .unwrap();
    assert!(since.elapsed().as_millis() >= 1000);
    assert!(
        reasons[0].contains("429") && reasons[1].contains("503"),
        "{reasons:?}"
    );
    let other = tempfile::tempdir().unwrap();
    server.faults(&[busy(429, "3600")]);
    let error = fetch(&server.hub(other.path()), MODEL).unwrap_err();
    assert!(
        matches!(
            error,
            HubError::Busy {
                status: 429,
                seconds: 3600
            }
        ),
        "{error}"
    );
    server.faults(&[busy(503, "Sat, 06 Nov 2094 08:49:37 GMT")]);
    let error = fetch(&server.hub(other.path()), MODEL).unwrap_err();
    assert!(
        matches!(error, HubError::Busy { status: 503, .. }),
        "{error}"
    );
}

#[test]
fn what_is_not_there_or_not_allowed_says_which_of_the_two_and_what_to_do() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let code = |status, code: &str| {
        let headers = vec![
            ("x-error-code", code.to_owned()),
            ("x-error-message", "said by the hub".into()),
        ];
        Fault::Status(status, headers, b"")
    };
    let error = |fault: Fault| {
        server.faults(&[fault]);
        server.forget();
        let error = fetch(&hub, MODEL).unwrap_err();
        assert_eq!(server.asked().len(), 1, "{error}");
        error
    };
    let text = error(code(401, "RepoNotFound")).to_string();
    assert!(
        text.contains("no repository timm/resnet18.a1_in1k")
            && text.contains("HF_TOKEN")
            && text.contains("said by the hub"),
        "{text}"
    );
    assert!(matches!(
        error(Fault::Status(401, vec![], b"")),
        HubError::NoRepository { .. }
    ));
    assert!(matches!(
        error(code(404, "RepoNotFound")),
        HubError::NoRepository { .. }
    ));
    assert!(matches!(
        error(code(401, "GatedRepo")),
        HubError::NotAllowed { status: 401, .. }
    ));
    let text = error(code(403, "GatedRepo")).to_string();
    assert!(text.contains("accept the conditions"), "{text}");
    assert!(matches!(
        error(Fault::Status(403, vec![], b"")),
        HubError::NotAllowed { status: 403, .. }
    ));
    assert!(matches!(
        error(code(404, "RevisionNotFound")),
        HubError::NoRevision { .. }
    ));
    assert!(matches!(
        error(code(404, "EntryNotFound")),
        HubError::NoFile { .. }
    ));
    assert!(matches!(
        error(Fault::Status(418, vec![], b"")),
        HubError::Status { status: 418, .. }
    ));
    nothing_is_cached(cache.path(), &hub, MODEL);
    let text = fetch(&hub, &format!("{MODEL}/none.bin"))
        .unwrap_err()
        .to_string();
    assert!(text.contains("no file none.bin"), "{text}");
}

#[test]
fn an_answer_without_commit_or_etag_is_no_hubs_but_a_commit_that_was_asked_for_is_known() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    for fault in [
        Fault::Without(&["x-repo-commit"]),
        Fault::Without(&["x-linked-etag", "etag"]),
        Fault::Header("x-repo-commit", "../../../../tmp".into()),
        Fault::Header("x-linked-etag", "\"../../../evil\"".into()),
        Fault::Header("x-linked-size", "many".into()),
    ] {
        // The redirect of a HEAD without a commit is followed, and what is behind it has none either.
        server.faults(&[fault]);
        let error = fetch(&hub, MODEL).unwrap_err();
        assert!(matches!(error, HubError::NotAHub { .. }), "{error}");
        nothing_is_cached(cache.path(), &hub, MODEL);
    }
    let page = Fault::Status(
        200,
        vec![("content-type", "text/html".into())],
        b"<html>log in</html>",
    );
    server.faults(&[page]);
    assert!(matches!(
        fetch(&hub, MODEL).unwrap_err(),
        HubError::NotAHub { .. }
    ));
    server.faults(&[Fault::Without(&["x-repo-commit"])]);
    fetch(
        &hub,
        &format!("hf://timm/resnet18.a1_in1k@{COMMIT}/config.json"),
    )
    .unwrap();
}

#[test]
fn wrong_bytes_wrong_sizes_and_pages_are_never_kept() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let page = Fault::Status(200, vec![("content-type", "text/html".into())], b"<html>");
    let pointer = Fault::Status(
        200,
        vec![],
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 800000\n",
    );
    for (fault, kind) in [
        (Fault::OtherBytes, "hash"),
        (Fault::Longer(10), "bytes"),
        (Fault::Longer(-10), "bytes"),
        (page, "bytes"),
        (pointer, "bytes"),
    ] {
        server.faults(&[Fault::None, Fault::None, fault]);
        let error = fetch(&hub, MODEL).unwrap_err();
        assert!(
            matches!(
                error,
                HubError::WrongHash { .. } | HubError::WrongSize { .. }
            ),
            "{error}"
        );
        assert!(error.to_string().contains(kind), "{error}");
        nothing_is_cached(cache.path(), &hub, MODEL);
    }
    // A small file has Git's hash.
    server.faults(&[Fault::None, Fault::OtherBytes]);
    let error = fetch(&hub, &format!("{MODEL}/config.json")).unwrap_err();
    assert!(matches!(error, HubError::WrongHash { .. }), "{error}");
    // And after all that, the right one.
    fetch(&hub, MODEL).unwrap();
}

#[test]
fn a_page_of_unknown_length_is_refused_and_so_is_what_cannot_be_checked() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let page = Fault::Status(
        200,
        vec![
            ("content-type", "text/html; charset=utf-8".into()),
            ("content-length", "800000".into()),
        ],
        b"<html>",
    );
    server.faults(&[Fault::None, Fault::None, page]);
    assert!(matches!(
        fetch(&hub, MODEL).unwrap_err(),
        HubError::NotAHub { .. }
    ));
    let headers = vec![
        ("x-repo-commit", COMMIT.to_owned()),
        ("x-linked-etag", "\"abc\"".into()),
        ("location", "http://127.0.0.1:9/x".into()),
    ];
    server.faults(&[Fault::Status(302, headers, b"")]);
    assert!(matches!(
        fetch(&hub, MODEL).unwrap_err(),
        HubError::Unverifiable { .. }
    ));
}

#[test]
fn a_cards_hash_counts_before_the_hubs() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let other = "0".repeat(64);
    let error = hub
        .fetch(&file(MODEL), Some(&other), &mut |_| {})
        .unwrap_err();
    assert!(
        matches!(
            &error,
            HubError::WrongHash {
                whose: "its card",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(server.asked().len(), 1);
    let right = sha256(&weights());
    hub.fetch(&file(MODEL), Some(&right), &mut |_| {}).unwrap();
    let config = format!("{MODEL}/config.json");
    let error = hub
        .fetch(&file(&config), Some(&other), &mut |_| {})
        .unwrap_err();
    assert!(
        matches!(
            &error,
            HubError::WrongHash {
                whose: "its card",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_damaged_file_in_the_cache_is_found_fetched_again_and_offline_an_error() {
    let (server, cache) = (timm(), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let path = fetch(&hub, MODEL).unwrap();
    let mut bytes = weights();
    bytes[5] ^= 1;
    // Through the link, as a bad disk would.
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        hub.verify(&file(MODEL), None).unwrap(),
        Some(Verdict::Damaged { .. })
    ));
    let offline = Hub::new(HubSettings {
        offline: true,
        ..server.settings(cache.path())
    });
    let error = fetch(&offline, MODEL).unwrap_err().to_string();
    assert!(
        error.contains("rekindle weights remove timm/resnet18.a1_in1k"),
        "{error}"
    );
    assert_eq!(fs::read(fetch(&hub, MODEL).unwrap()).unwrap(), weights());
    assert_eq!(
        hub.verify(&file(MODEL), None).unwrap(),
        Some(Verdict::Right)
    );
    assert_eq!(hub.verify(&file("hf://o/n"), None).unwrap(), None);
}

#[cfg(unix)]
#[test]
fn what_python_has_cached_is_read_also_where_a_blob_is_a_link_itself() {
    let cache = tempfile::tempdir().unwrap();
    let folder = cache.path().join("models--o--n");
    let (snapshot, blobs) = (folder.join("snapshots").join(COMMIT), folder.join("blobs"));
    let shared = cache.path().join("blobs/ab");
    for folder in [&snapshot, &blobs, &shared, &folder.join("refs/refs/pr")] {
        fs::create_dir_all(folder).unwrap();
    }
    let hash = sha256(b"weights");
    fs::write(shared.join("xet"), b"weights").unwrap();
    std::os::unix::fs::symlink("../../blobs/ab/xet", blobs.join(&hash)).unwrap();
    std::os::unix::fs::symlink(
        format!("../../blobs/{hash}"),
        snapshot.join("model.safetensors"),
    )
    .unwrap();
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    fs::write(folder.join("refs/refs/pr/1"), format!("{COMMIT}\n")).unwrap();
    let hub = Hub::new(HubSettings {
        offline: true,
        ..HubSettings::new("http://127.0.0.1:9", cache.path())
    });
    for name in ["hf://o/n", "hf://o/n@refs%2Fpr%2F1"] {
        assert_eq!(fs::read(fetch(&hub, name).unwrap()).unwrap(), b"weights");
        assert_eq!(hub.verify(&file(name), None).unwrap(), Some(Verdict::Right));
    }
    assert_eq!(hub.list().unwrap()[0].bytes, 7);
    // A reference that leads elsewhere is none.
    fs::write(folder.join("refs/main"), "../../../../etc").unwrap();
    assert_eq!(hub.cached(&file("hf://o/n")), None);
}

#[cfg(unix)]
#[test]
fn removing_follows_no_link_out_of_the_cache() {
    let (cache, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(elsewhere.path().join("f"), "kept").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), cache.path().join("models--o--n")).unwrap();
    let hub = Hub::new(HubSettings::new("http://127.0.0.1:9", cache.path()));
    hub.remove("o/n").unwrap();
    assert!(!cache.path().join("models--o--n").exists() && elsewhere.path().join("f").exists());
    for name in ["..", "../..", "o/..", "a--b/c", "/etc/x"] {
        assert!(hub.remove(name).is_err(), "{name}");
    }
    assert!(HubFile::new("o/n", Some("main"), "../x").is_err());
}
