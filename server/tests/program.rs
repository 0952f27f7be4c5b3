//! The program itself: what it prints, how it stops, what its log never says.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::time::Duration;

use common::folder;
use common::phone::{Phone, Socket, hex_of, ice_password, offer};
use common::program::{Program, hotdesk};
use serde_json::{Value, json};

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

#[tokio::test]
async fn no_secret_of_a_call_reaches_the_log_in_either_format() {
    for format in ["pretty", "json"] {
        let (_dir, path) = folder();
        let program = Program::start_with_log(&path, format);
        let token = program.token("alice").await;
        let mut phone = Phone::register(program.host(), &token).await;
        let call = phone.call("*55").await;
        phone.end(&call).await;
        let client = reqwest::Client::new();
        let request = client.post(format!("{}echo/session", program.address));
        let offer = offer();
        let request = request.header("content-type", "application/sdp").body(offer.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let answer = answer.text().await.unwrap();

        let (code, log, _) = program.stop();
        assert_eq!(code, Some(0));
        assert!(log.contains("call ended") && log.contains("CTI session opened"), "{format}: {log}");
        for (what, secret) in [
            ("token", token),
            ("SIP password", phone.password.clone()),
            ("SIP password in hexadecimal", hex_of(phone.password.as_bytes())),
            ("digest response", phone.response.clone()),
            ("ICE password of a call", ice_password(&call.answer)),
            ("ICE password of the server", ice_password(&answer)),
            ("ICE password of the page", ice_password(&offer)),
        ] {
            assert!(!log.contains(&secret), "{format}: the log holds a {what}");
        }
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
    let output = hotdesk(&["serve"]).env("HOTDESK_LOG_FILTER", "info,server=loud").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("log.filter"), "{text}");
    let output = hotdesk(&["serve"]).env("HOTDESK_LISTN", "127.0.0.1:9").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
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

#[tokio::test]
async fn a_password_is_changed_beside_a_running_server_and_ends_its_sockets() {
    let (_dir, path) = folder();
    let program = Program::start(&path);
    let token = program.token("alice").await;
    let mut cti = Socket::open(program.host(), "/xuc/api/2.0/cti", &token, false).await;
    let mut sip = Socket::open(program.host(), "/wssip", &token, true).await;
    let others = program.token("bruno").await;
    let mut other = Socket::open(program.host(), "/xuc/api/2.0/cti", &others, false).await;
    let file = path.join("password");
    std::fs::write(&file, "long enough now\n").unwrap();
    let mut command = hotdesk(&["set-password", "alice", "--data-dir"]);
    let output = command.arg(&path).stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("long enough now"));
    assert_eq!(cti.close_code().await, Some(4401));
    assert_eq!(sip.close_code().await, Some(4401));
    other.say(r#"{"claz":"ping"}"#).await;
    other.hear_until(|text| text.contains("ping")).await;
    assert_eq!(program.stop().0, Some(0));
}

#[test]
fn a_password_needs_a_database_and_makes_none() {
    let (_dir, path) = folder();
    let output = hotdesk(&["set-password", "alice", "--data-dir"]).arg(&path).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("no database"), "{text}");
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 0);
}
