//! The HTTP front over real sockets: headers, pages, probes, origins, deadlines, TLS.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::Request;
use common::{CHECK, LOGIN, Server, demo, error_of, folder};
use reqwest::Method;
use reqwest::header::HeaderMap;
use server::app;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::ServiceExt as _;

fn assert_safe(headers: &HeaderMap) {
    let policy = headers["content-security-policy"].to_str().unwrap();
    for part in [
        "default-src 'self';",
        "script-src 'self' 'wasm-unsafe-eval';",
        "style-src 'self';",
        "object-src 'none';",
        "base-uri 'none';",
        "frame-ancestors 'none';",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert!(headers["permissions-policy"].to_str().unwrap().contains("microphone=(self)"));
    assert!(!headers.contains_key("server"));
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    for path in [
        "/",
        "/echo",
        "/sample",
        "/assets/nothing.js",
        "/xuc/api/2.0/nothing",
        "/healthz",
        CHECK,
        LOGIN,
        "/ws",
    ] {
        assert_safe(server.get(path).await.headers());
    }
    let too_much = server.request(Method::POST, LOGIN).body("x".repeat(100_000)).send().await.unwrap();
    assert_eq!(too_much.status(), 413);
    assert_safe(too_much.headers());
}

#[tokio::test]
async fn pages_come_from_the_folder_and_unknown_paths_are_not_found() {
    let (_dir, path) = folder();
    let site = path.join("site");
    std::fs::create_dir_all(site.join("assets")).unwrap();
    std::fs::write(site.join("index.html"), "<p>desk").unwrap();
    std::fs::write(site.join("echo.html"), "<p>echo").unwrap();
    std::fs::write(site.join("assets/a-0123456789abcdef.wasm"), [0, 1]).unwrap();
    let server = Server::start(server::config::Config { site: Some(site), ..demo(&path) }).await;
    assert_eq!(server.get("/").await.text().await.unwrap(), "<p>desk");
    let unknown = server.get("/nothing-here").await;
    assert_eq!(unknown.status(), 404);
    assert_eq!(unknown.text().await.unwrap(), "<p>desk", "the desk's program says it in words");
    assert_eq!(server.get("/echo").await.text().await.unwrap(), "<p>echo");
    let wasm = server.get("/assets/a-0123456789abcdef.wasm").await;
    assert_eq!(wasm.headers()["content-type"], "application/wasm");
    assert_eq!(error_of(server.get("/xuc/api/2.0/nothing").await).await, (404, "NotFound".to_owned()));
    assert_eq!(server.get("/assets/..%2f..%2fdata%2fsecret.key").await.status(), 404);
    assert_eq!(server.request(Method::POST, "/").send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn probes_tell_how_the_server_is() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 200);
    let token = server.token("alice").await;
    server.get(&format!("/history?token={token}")).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("hotdesk_logins_total{outcome=\"ok\"}"), "{metrics}");
    assert!(metrics.contains("hotdesk_uptime_seconds"));
    assert!(!metrics.contains(&token));
    // Nobody new is let in once it has begun, so the router is asked without a socket.
    let router = server::http::router(server.running.app.clone());
    server.running.app.shutdown.begin();
    let request = Request::get("/readyz").header("host", "localhost").body(Body::empty()).unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 503);
    let body = axum::body::to_bytes(answer.into_body(), 1_000).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, serde_json::json!({ "ready": false, "stopping": true, "store": true }));
}

#[tokio::test]
async fn metrics_are_for_this_machine() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    assert_eq!(server.get("/metrics").await.status(), 200);
    let through_a_proxy = server.request(Method::GET, "/metrics").header("x-forwarded-for", "198.51.100.1");
    assert_eq!(error_of(through_a_proxy.send().await.unwrap()).await, (404, "NotFound".to_owned()));
}

#[tokio::test]
async fn a_foreign_name_for_this_machine_is_not_served() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    for (name, served) in [
        ("localhost:8090", true),
        ("desk.localhost", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
    ] {
        for path in ["/", CHECK, "/healthz"] {
            let answer = server.request(Method::GET, path).header("host", name).send().await.unwrap();
            assert_eq!(answer.status() != 421, served, "{name} {path}");
            assert_safe(answer.headers());
        }
    }
    let named = server.request(Method::GET, CHECK).header("host", "evil.example").send().await.unwrap();
    assert_eq!(error_of(named).await, (421, "HostNotServed".to_owned()));
}

/// The status line of an upgrade request with these extra headers.
async fn upgrade(server: &Server, path: &str, extra: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n",
        server.address()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..length]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn sockets_ask_for_origin_and_token_before_the_upgrade() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let token = server.token("alice").await;
    let own = format!("Origin: http://{}\r\n", server.address());
    for path in ["/xuc/api/2.0/cti", "/wssip", "/ws", "/wssip-mds2", "/ws-mds2"] {
        let with_token = format!("{path}?token={token}");
        for origin in ["null", "http://evil.example", &format!("https://{}", server.address())] {
            let status = upgrade(&server, &with_token, &format!("Origin: {origin}\r\n")).await;
            assert!(status.contains("403"), "{path} {origin}: {status}");
        }
        for (path, extra) in [
            (&format!("{path}?token=") as &str, &own as &str),
            (&format!("{path}?token={token}x"), &own),
            (path, "Authorization: Bearer rubbish\r\n"),
        ] {
            let status = upgrade(&server, path, extra).await;
            assert!(status.contains("403"), "{path}: {status}");
        }
        for (path, extra) in [
            (&with_token as &str, &own as &str),
            (&with_token, ""),
            (path, &format!("Authorization: Bearer {token}\r\n")),
        ] {
            let is_cti = path.contains("/cti");
            let status = upgrade(&server, path, extra).await;
            let expected = if is_cti { " 101 " } else { " 400 " };
            assert!(status.contains(expected), "{path} without a sub-protocol: {status}");
            let with_sip = format!("{extra}Sec-WebSocket-Protocol: sip\r\n");
            let status = upgrade(&server, path, &with_sip).await;
            assert!(is_cti || status.contains(" 101 "), "{path} with the sub-protocol sip: {status}");
        }
    }
    assert!(upgrade(&server, "/xuc/api/2.0/cti", &own).await.contains("403"), "CTI needs a login");
    let foreign = server.request(Method::POST, "/echo/session").header("origin", "http://evil.example");
    assert_eq!(error_of(foreign.send().await.unwrap()).await, (403, "OriginNotAllowed".to_owned()));
}

#[tokio::test]
async fn sip_clients_without_a_login_connect_where_the_settings_allow_it() {
    for (setting, status) in [(None, " 101 "), (Some(true), " 101 "), (Some(false), " 403 ")] {
        let (_dir, path) = folder();
        let mut config = demo(&path);
        config.sip.websocket_without_login = setting;
        let server = Server::start(config).await;
        let from_its_page = format!("Origin: http://{}\r\n", server.address());
        for (origin, expected) in
            [("", status), (&*from_its_page, status), ("Origin: http://evil.example\r\n", " 403 ")]
        {
            let with_sip = format!("{origin}Sec-WebSocket-Protocol: sip\r\n");
            for path in ["/wssip", "/ws", "/wssip-mds2", "/ws-mds2"] {
                let answer = upgrade(&server, path, &with_sip).await;
                assert!(answer.contains(expected), "{setting:?} {path} {origin}: {answer}");
            }
        }
        assert!(upgrade(&server, "/wssip", &from_its_page).await.contains(" 40"), "no sub-protocol");
    }
}

#[tokio::test]
async fn only_listed_origins_may_read_the_api() {
    let (_dir, path) = folder();
    let mut config = demo(&path);
    config.http.origins = serde_json::from_str(r#"["https://crm.example.org"]"#).unwrap();
    let server = Server::start(config).await;
    for (origin, allowed) in
        [("https://crm.example.org", true), ("https://evil.example", false), ("null", false)]
    {
        let asked = server
            .request(Method::OPTIONS, LOGIN)
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .send()
            .await
            .unwrap();
        assert_eq!(asked.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        let answered = server.request(Method::GET, CHECK).header("origin", origin).send().await.unwrap();
        assert_eq!(answered.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        assert!(!answered.headers().contains_key("access-control-allow-credentials"));
    }
}

/// Sends `first`, then one byte of `rest` a second, until the server has had enough. Returns how long that took.
async fn dribble(server: &Server, first: &str, rest: &str) -> Duration {
    let started = Instant::now();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut rest = rest.bytes().cycle();
    let mut buffer = [0; 512];
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) => return started.elapsed(),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return started.elapsed(),
                Err(error) => panic!("{error}"),
            },
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                if !first.is_empty() && stream.write_all(&[rest.next().unwrap()]).await.is_err() {
                    return started.elapsed();
                }
            }
        }
        assert!(started.elapsed() < Duration::from_secs(15), "still open");
    }
}

#[tokio::test]
async fn clients_that_dribble_or_say_nothing_are_closed() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let (headers, nothing) =
        tokio::join!(dribble(&server, "GET / HTTP/1.1\r\nHost: x\r\nX-", "abc"), dribble(&server, "", ""));
    for took in [headers, nothing] {
        assert!(took > Duration::from_secs(8) && took < Duration::from_secs(13), "{took:?}");
    }
}

#[tokio::test]
async fn headers_have_a_limit() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ").await;
    let _ = stream.write_all(&vec![b'a'; 1024 * 1024]).await;
    let mut answer = Vec::new();
    let ended = timeout(Duration::from_secs(3), stream.read_to_end(&mut answer)).await.expect("still open");
    let answer = String::from_utf8_lossy(&answer);
    // a client that still writes may get a reset in place of the answer
    assert!(answer.contains(" 431 ") || ended.is_err() && answer.is_empty(), "{answer}");
}

#[tokio::test]
async fn tls_with_a_self_made_certificate_works_and_plain_http_gets_an_explanation() {
    let (_dir, path) = folder();
    let mut config = demo(&path);
    config.tls.self_signed = true;
    let server = Server::start(config).await;
    assert!(server.running.tls_fingerprint.is_some());
    assert_eq!(server.login("alice", "hotdesk").await.status(), 200);
    let plain = server.client.get(format!("http://{}/", server.address())).send().await.unwrap();
    assert_eq!(plain.status(), 400);
    assert!(plain.text().await.unwrap().contains("https://"));
    let silent = dribble(&server, "", "").await;
    assert!(silent < Duration::from_secs(13), "{silent:?}");
}

#[tokio::test]
async fn the_demo_is_not_shown_to_other_machines() {
    let (_dir, path) = folder();
    let everywhere = || server::config::Config { listen: "0.0.0.0:0".parse().unwrap(), ..demo(&path) };
    let refusal = app::start(everywhere()).await.err().expect("refused").to_string();
    assert!(refusal.contains("accounts alice, bruno, carla, dave"), "{refusal}");
    // Without --demo the accounts are no safer.
    let refusal = app::start(server::config::Config { demo: false, ..everywhere() }).await.err();
    assert!(refusal.is_some());
}

#[tokio::test]
async fn a_stop_closes_idle_connections_and_waits_for_guards() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    server.get("/healthz").await;
    let address = server.address();
    let guard = server.running.app.shutdown.guard();
    let stopping = server.running.app.shutdown.clone();
    let told = tokio::spawn(async move {
        stopping.begun().await;
        drop(guard);
    });
    let started = Instant::now();
    assert!(server.running.stop().await);
    told.await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(TcpStream::connect(address).await.is_err(), "nobody is let in any more");
}
