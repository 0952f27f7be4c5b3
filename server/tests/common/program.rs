//! The program as a process of its own.
#![allow(dead_code, reason = "each test file uses its part of this")]
#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub struct Program {
    child: Child,
    pub address: String,
    pub card: String,
    log: JoinHandle<String>,
}

pub fn hotdesk(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hotdesk"));
    command.args(arguments).stdin(Stdio::null());
    command
}

fn read_all(mut stream: ChildStderr) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

impl Program {
    /// Starts the demo and waits until it says where it is.
    pub fn start(data_dir: &Path) -> Program {
        Program::start_with_log(data_dir, "json")
    }

    /// The same, with log lines in that format.
    pub fn start_with_log(data_dir: &Path, format: &str) -> Program {
        let mut child = hotdesk(&["serve", "--demo", "--listen", "127.0.0.1:0", "--log-format", format])
            .args(["--media-address", "127.0.0.1", "--media-port", "0", "--data-dir"])
            .arg(data_dir)
            .env("HOTDESK_LOG_FILTER", "trace")
            .env("HOTDESK_MEDIA_WORKERS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = read_all(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut card = String::new();
        while !card.contains("*55") {
            card += &(lines.next().expect("the program ended").unwrap() + "\n");
        }
        let address = card.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        Program { child, address, card, log }
    }

    /// Asks it to stop. Returns its exit code, its log, and how long it took.
    pub fn stop(mut self) -> (Option<i32>, String, Duration) {
        let started = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.log.join().unwrap(), started.elapsed())
    }

    /// Ends it as a power cut would: no handler runs.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `host:port`.
    pub fn host(&self) -> &str {
        self.address.trim_start_matches("http://").trim_end_matches('/')
    }

    /// A login's token.
    pub async fn token(&self, login: &str) -> String {
        let body = serde_json::json!({ "login": login, "password": "hotdesk" });
        let url = format!("{}xuc/api/2.0/auth/login", self.address);
        let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
        answer.json::<serde_json::Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    }
}
