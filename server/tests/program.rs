//! The program itself: what it prints, how it stops, what its log never says.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::folder;
use serde_json::{Value, json};

struct Program {
    child: Child,
    address: String,
    card: String,
    log: JoinHandle<String>,
}

fn hotdesk(arguments: &[&str]) -> Command {
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
    fn start(data_dir: &Path) -> Program {
        let mut child = hotdesk(&["serve", "--demo", "--listen", "127.0.0.1:0", "--log-format", "json"])
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
    fn stop(mut self) -> (Option<i32>, String, Duration) {
        let started = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), self.log.join().unwrap(), started.elapsed())
    }
}

#[tokio::test]
async fn a_demo_tells_how_to_use_it_stops_when_asked_and_logs_no_secret() {
    let (_dir, path) = folder();
    let program = Program::start(&path);
    for told in ["alice", "bruno", "carla", "dave", "1001", "1004", "hotdesk", "*55", "/echo"] {
        assert!(program.card.contains(told), "{told} is missing in:\n{}", program.card);
    }
    let client = reqwest::Client::new();
    let login = json!({ "login": "alice", "password": "hotdesk" });
    let address = &program.address;
    let answer = client.post(format!("{address}xuc/api/2.0/auth/login")).json(&login).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let token = answer["token"].as_str().unwrap().to_owned();
    let wrong = json!({ "login": "alice", "password": "a-very-wrong-password" });
    client.post(format!("{address}xuc/api/2.0/auth/login")).json(&wrong).send().await.unwrap();
    for path in ["xuc/api/2.0/cti", "wssip", "history", "assets/x.js"] {
        client.get(format!("{address}{path}?token={token}")).bearer_auth(&token).send().await.unwrap();
    }
    client.get(format!("{address}xuc/api/2.0/auth/check")).bearer_auth(&token).send().await.unwrap();

    let (code, log, took) = program.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(log.contains("\"ready\"") && log.contains("\"stopping\""), "{log}");
    let signature = token.rsplit('.').next().unwrap();
    for (what, secret) in
        [("token", &token as &str), ("signature", signature), ("password", "a-very-wrong-password")]
    {
        assert!(!log.contains(secret), "the log holds a {what}");
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
}

#[test]
fn unusable_settings_end_the_start_with_their_place() {
    let (_dir, path) = folder();
    let file = path.join("hotdesk.toml");
    std::fs::write(&file, "demo = true\n\n[http]\nmax_conections = 5\n").unwrap();
    let output = hotdesk(&["serve", "--config"]).arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("hotdesk.toml:4:1:") && text.contains("max_conections"), "{text}");
    assert_eq!(hotdesk(&["serve", "--no-such-flag"]).output().unwrap().status.code(), Some(2));
    let output = hotdesk(&["serve", "--config", "/nonexistent/hotdesk.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_demo_for_everybody_is_refused_until_its_passwords_are_changed() {
    let (_dir, path) = folder();
    let (code, ..) = Program::start(&path).stop();
    assert_eq!(code, Some(0));
    let serve = ["serve", "--demo", "--listen", "0.0.0.0:0", "--data-dir"];
    let output = hotdesk(&serve).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("set-password"), "{text}");
    for (password, code) in [("short", 1), ("long enough now", 0)] {
        let file = path.join("password");
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let mut command = hotdesk(&["set-password", "alice", "--data-dir"]);
        let output = command.arg(&path).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let output = hotdesk(&serve).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("bruno, carla, dave") && !text.contains("alice"), "{text}");
}
