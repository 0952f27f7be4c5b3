//! A server of one's own for each test, on a free loopback port.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

pub mod asterisk;
pub mod baresip;
pub mod outside;
pub mod peer;
pub mod phone;
pub mod program;
pub mod sipp;
pub mod tone;
pub mod tools;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use server::app::{self, Running};
use server::config::Config;

pub const LOGIN: &str = "/xuc/api/2.0/auth/login";
pub const CHECK: &str = "/xuc/api/2.0/auth/check";

/// A running demo server and a client for it.
pub struct Server {
    pub running: Running,
    pub client: Client,
    base: String,
}

/// Settings of a demo server with its data in `dir`, on ports that nobody uses.
pub fn demo(dir: &Path) -> Config {
    let mut config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: dir.join("data"),
        demo: true,
        ..Config::default()
    };
    config.media.addresses = vec![Ipv4Addr::LOCALHOST.into()];
    config.media.port = 0;
    config.media.workers = 1;
    // the demo's usual SIP port is for one server at a time
    (config.sip.udp, config.sip.tcp) = (Some(Vec::new()), Some(Vec::new()));
    config
}

impl Server {
    pub async fn start(config: Config) -> Server {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let running = app::start(config).await.unwrap();
        // The tests' own certificates are self-made; what is tested is that TLS works, not whom it names.
        let client = Client::builder().danger_accept_invalid_certs(true).build().unwrap();
        let scheme = if running.addresses.secure { "https" } else { "http" };
        let base = format!("{scheme}://{}", running.addresses.http);
        Server { running, client, base }
    }

    pub fn address(&self) -> SocketAddr {
        self.running.addresses.http
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    pub async fn login(&self, login: &str, password: &str) -> Response {
        let body = json!({ "login": login, "password": password, "softwareType": "webBrowser" });
        self.request(Method::POST, LOGIN).json(&body).send().await.unwrap()
    }

    pub async fn token(&self, login: &str) -> String {
        let body: Value = self.login(login, "hotdesk").await.json().await.unwrap();
        body["token"].as_str().unwrap().to_owned()
    }

    pub async fn check(&self, token: &str) -> Response {
        self.request(Method::GET, CHECK).bearer_auth(token).send().await.unwrap()
    }
}

/// Status and `error` member of an answer.
pub async fn error_of(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    assert!(body["message"].is_string(), "{body}");
    (status, body["error"].as_str().unwrap().to_owned())
}

/// A folder that is gone after the test.
pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (dir, path)
}
