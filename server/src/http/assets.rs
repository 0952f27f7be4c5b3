//! The pages: built into the binary, or read from a folder while they are being worked on.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::RustEmbed;
use sha2::{Digest as _, Sha256};

use crate::auth::ApiError;

/// Where pages come from.
#[derive(Clone, Debug)]
pub enum Site {
    /// From the binary itself.
    BuiltIn,
    /// From this folder, read anew for each request. The path is absolute and without links.
    Folder(PathBuf),
}

#[derive(RustEmbed)]
#[folder = "$HOTDESK_SITE_DIR"]
struct BuiltIn;

struct File {
    bytes: Cow<'static, [u8]>,
    hash: [u8; 32],
}

/// A form a file may be stored in beside the plain one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Encoding {
    name: &'static str,
    suffix: &'static str,
}

/// The best first.
const ENCODINGS: [Encoding; 2] =
    [Encoding { name: "br", suffix: ".br" }, Encoding { name: "gzip", suffix: ".gz" }];

impl Site {
    /// Pages from `folder`, or those built in.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open(folder: Option<&Path>) -> io::Result<Self> {
        folder.map_or(Ok(Site::BuiltIn), |folder| folder.canonicalize().map(Site::Folder))
    }

    async fn file(&self, path: &str) -> Option<File> {
        match self {
            Site::BuiltIn => {
                let file = BuiltIn::get(path)?;
                Some(File { hash: file.metadata.sha256_hash(), bytes: file.data })
            }
            Site::Folder(root) => {
                // A link that leads out of the folder is not followed.
                let path = tokio::fs::canonicalize(root.join(path)).await.ok()?;
                let inside = path.starts_with(root) && tokio::fs::metadata(&path).await.ok()?.is_file();
                let bytes = if inside { tokio::fs::read(path).await.ok()? } else { return None };
                Some(File { hash: Sha256::digest(&bytes).into(), bytes: bytes.into() })
            }
        }
    }

    /// The file in the best form that the client takes.
    async fn file_for(&self, path: &str, headers: &HeaderMap) -> Option<(File, Option<Encoding>)> {
        for encoding in ENCODINGS.into_iter().filter(|encoding| takes(headers, encoding.name)) {
            if let Some(file) = self.file(&format!("{path}{}", encoding.suffix)).await {
                return Some((file, Some(encoding)));
            }
        }
        Some((self.file(path).await?, None))
    }
}

/// Answers with the page or file that the path names.
pub(super) async fn serve(site: &Site, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let Some(path) = decoded(request.uri().path()) else { return not_found() };
    let Some((target, status)) = target(&path) else { return not_found() };
    match site.file_for(target, request.headers()).await {
        Some((file, encoding)) => answer(target, status, file, encoding, request.headers()),
        None if target == SAMPLE => page(StatusCode::OK, COMING),
        None if target.ends_with(".html") => page(StatusCode::SERVICE_UNAVAILABLE, NO_PAGES),
        None => not_found(),
    }
}

const SAMPLE: &str = "sample.html";

const COMING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sample page</title>\
    <h1>The sample page is coming</h1><p>It will let you try every CTI command and event by hand. \
    Meanwhile there are the <a href=\"/\">desk</a> and the <a href=\"/echo\">echo test</a>.</p></html>";

const NO_PAGES: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Hotdesk</title>\
    <h1>This server was built without its pages</h1><p>It answers on its API and its sockets all the same. \
    Build it with <code>script/server</code>, or start it with <code>--site FOLDER</code>.</p></html>";

/// The file behind a path, and the status to send it with: pages have addresses without `.html`.
fn target(path: &str) -> Option<(&str, StatusCode)> {
    let found = |file| Some((file, StatusCode::OK));
    match path {
        "" => found("index.html"),
        "echo" => found("echo.html"),
        "sample" => found(SAMPLE),
        _ if path.split('/').any(|part| part.starts_with('.') || part.is_empty()) => None,
        _ if path.contains(['\\', '\0', ':']) => None,
        _ if path.starts_with("assets/") => found(path),
        _ if path.rsplit('/').next().is_some_and(|name| name.contains('.')) => found(path),
        // The desk's program says so in words, and leads back.
        _ => Some(("index.html", StatusCode::NOT_FOUND)),
    }
}

/// The path without its first slash and its percent signs; none if those are wrong (RFC 3986 §2.1).
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/')?.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(&digits)?;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Whether the client takes a content coding: named, and not with weight 0 (RFC 9110 §12.5.3).
fn takes(headers: &HeaderMap, coding: &str) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .and_then(|weight| weight.parse::<f32>().ok())
                .is_some_and(|weight| weight <= 0.0)
        });
        named && !refused
    })
}

fn answer(
    path: &str,
    status: StatusCode,
    file: File,
    encoding: Option<Encoding>,
    request: &HeaderMap,
) -> Response {
    let tag = etag(&file.hash, encoding);
    // A page that is not there stays not there: 304 would tell of one that is (RFC 9110 §13.2.1).
    let unchanged = status == StatusCode::OK
        && request.get(header::IF_NONE_MATCH).is_some_and(|known| matches_tag(known, &tag));
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, Body::from(file.bytes)).into_response()
    };
    let headers = response.headers_mut();
    if !unchanged {
        headers.insert(header::CONTENT_TYPE, content_type(path));
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding.name));
        }
    }
    headers.insert(header::ETAG, tag);
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    // Names under /assets carry a hash of what they hold, so they never change; pages point at the newest.
    let cached = if is_hashed(path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cached));
    response
}

/// `assets/desk-0123456789abcdef.js`: the stem ends in a hyphen and 16 hexadecimal digits.
fn is_hashed(path: &str) -> bool {
    let name = path.strip_prefix("assets/").and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    stem.rsplit_once('-')
        .is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn etag(hash: &[u8; 32], encoding: Option<Encoding>) -> HeaderValue {
    let digits: String = hash[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let form = encoding.map_or("", |encoding| encoding.suffix);
    HeaderValue::try_from(format!("\"{digits}{form}\"")).expect("hexadecimal digits make a header")
}

fn matches_tag(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let tag = tag.to_str().unwrap_or_default();
    let mut known = known.to_str().unwrap_or_default().split(',').map(str::trim);
    known.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

fn content_type(path: &str) -> HeaderValue {
    let guessed = mime_guess::from_path(path).first_or_octet_stream();
    let text = guessed.type_() == "text" || guessed.subtype() == "json" || guessed.subtype() == "javascript";
    let charset = if text { "; charset=utf-8" } else { "" };
    HeaderValue::try_from(format!("{guessed}{charset}")).expect("a media type makes a header")
}

fn page(status: StatusCode, text: &'static str) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (status, headers, text).into_response()
}

fn not_found() -> Response {
    ApiError::NOT_FOUND.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(site: &Site, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        serve(site, request.body(Body::empty()).unwrap()).await
    }

    fn folder() -> (tempfile::TempDir, Site) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("site");
        std::fs::create_dir_all(root.join("assets")).unwrap();
        std::fs::write(dir.path().join("outside.txt"), "secret").unwrap();
        std::fs::write(root.join("index.html"), "desk").unwrap();
        std::fs::write(root.join("echo.html"), "echo").unwrap();
        std::fs::write(root.join("assets/desk-0123456789abcdef.js"), "plain").unwrap();
        std::fs::write(root.join("assets/desk-0123456789abcdef.js.br"), "brotli").unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside.txt"), root.join("assets/link.txt")).unwrap();
        let site = Site::open(Some(&root)).unwrap();
        (dir, site)
    }

    async fn text(response: Response) -> String {
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn pages_have_plain_addresses_and_are_not_cached() {
        let (_dir, site) = folder();
        for (path, status, expected) in
            [("/", 200, "desk"), ("/echo", 200, "echo"), ("/history", 404, "desk"), ("/team/7", 404, "desk")]
        {
            let response = get(&site, path, &[]).await;
            assert_eq!(response.status(), status, "{path}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache", "{path}");
            assert_eq!(text(response).await, expected, "{path}");
        }
        assert!(text(get(&site, "/sample", &[]).await).await.contains("coming"));
        let lost = get(&site, "/history", &[(header::IF_NONE_MATCH, "*")]).await;
        assert_eq!(lost.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn hashed_files_are_kept_and_come_in_the_best_form() {
        let (_dir, site) = folder();
        let path = "/assets/desk-0123456789abcdef.js";
        let response = get(&site, path, &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(text(response).await, "brotli");
        for plain in ["gzip", "br;q=0", "identity"] {
            assert_eq!(text(get(&site, path, &[(header::ACCEPT_ENCODING, plain)]).await).await, "plain");
        }
    }

    #[tokio::test]
    async fn a_known_file_is_not_sent_again() {
        let (_dir, site) = folder();
        let tag = get(&site, "/", &[]).await.headers()[header::ETAG].to_str().unwrap().to_owned();
        let response = get(&site, "/", &[(header::IF_NONE_MATCH, &format!("\"x\", W/{tag}"))]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(response).await, "");
    }

    #[tokio::test]
    async fn nobody_gets_out_of_the_folder() {
        let (_dir, site) = folder();
        for path in [
            "/../outside.txt",
            "/..%2foutside.txt",
            "/%2e%2e/outside.txt",
            "/assets/..%2f..%2foutside.txt",
            "/assets/%252e%252e/outside.txt",
            "/assets/..%5c..%5coutside.txt",
            "/assets/link.txt",
            "/assets/%00.js",
            "/assets//etc/passwd",
            "//etc/passwd.txt",
            "/assets/%zz.js",
            "/assets/%ff.js",
            "/assets",
            "/.git/config",
        ] {
            let response = get(&site, path, &[]).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn kinds_of_files_are_told() {
        assert_eq!(content_type("a.wasm"), "application/wasm");
        assert_eq!(content_type("a.css"), "text/css; charset=utf-8");
        assert_eq!(content_type("a.unknown"), "application/octet-stream");
    }
}
