//! Logins and tokens over real sockets.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::{CHECK, LOGIN, Server, demo, error_of, folder};
use reqwest::Method;
use serde_json::{Value, json};
use server::auth::{ServerSecret, Tokens};
use server::clock::Clock;

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_right_password_gives_a_token_that_can_be_renewed() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let response = server.login("alice", "hotdesk").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["login"], &body["TTL"]), (&json!("alice"), &json!(3600)));
    let token = body["token"].as_str().unwrap();
    let claims_given = claims(token);
    assert_eq!(claims_given["login"], "alice");
    assert_eq!(claims_given["userType"], "cti");
    assert!((claims_given["expiresAt"].as_i64().unwrap() - now() - 3600).abs() < 5);

    let renewed: Value = server.check(token).await.json().await.unwrap();
    assert_eq!((&renewed["login"], &renewed["TTL"]), (&json!("alice"), &json!(3600)));
    let claims_renewed = claims(renewed["token"].as_str().unwrap());
    assert_eq!(claims_renewed["sid"], claims_given["sid"], "it is still the same login");
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_get_the_same_answer() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let known = error_of(server.login("alice", "wrong").await).await;
    let unknown = error_of(server.login("nobody", "wrong").await).await;
    assert_eq!(known, (401, "InvalidCredentials".to_owned()));
    assert_eq!(known, unknown);
    assert_eq!(error_of(server.login("alice", &"x".repeat(2000)).await).await, known);
    assert_eq!(error_of(server.login("", "").await).await, known);
}

#[tokio::test]
async fn bodies_that_are_no_login_are_named_so() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let good = r#"{"login":"alice","password":"hotdesk"}"#;
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", r#"{"login":"alice"}"#),
        ("application/json", r#"{"login":1,"password":2}"#),
        ("text/plain", good),
        ("application/x-www-form-urlencoded", good),
    ] {
        let request = server.request(Method::POST, LOGIN).header("content-type", content_type).body(body);
        assert_eq!(error_of(request.send().await.unwrap()).await, (400, "InvalidJson".to_owned()), "{body}");
    }
    let charset =
        server.request(Method::POST, LOGIN).header("content-type", "application/json; charset=utf-8");
    assert_eq!(charset.body(good).send().await.unwrap().status(), 200);
    let huge = server.request(Method::POST, LOGIN).header("content-type", "application/json");
    let huge = huge.body(" ".repeat(70_000)).send().await.unwrap();
    assert_eq!(error_of(huge).await, (413, "PayloadTooLarge".to_owned()));
}

#[tokio::test]
async fn refusals_of_the_framework_have_the_same_body() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let wrong = server.request(Method::PUT, LOGIN).send().await.unwrap();
    assert_eq!(wrong.headers()["allow"], "POST");
    assert_eq!(error_of(wrong).await, (405, "MethodNotAllowed".to_owned()));
    let wrong = server.request(Method::PUT, "/echo/session").send().await.unwrap();
    assert_eq!(error_of(wrong).await, (405, "MethodNotAllowed".to_owned()));
    let sdp = server.request(Method::POST, "/echo/session").header("content-type", "application/sdp");
    let not_utf8 = sdp.body(vec![0xff; 10]).send().await.unwrap();
    assert_eq!(error_of(not_utf8).await, (400, "BadRequest".to_owned()));
    let token = server.token("alice").await;
    for socket in ["/xuc/api/2.0/cti", "/wssip", "/ws-mds2"] {
        let no_upgrade = server.get(&format!("{socket}?token={token}")).await;
        assert_eq!(error_of(no_upgrade).await, (400, "BadRequest".to_owned()), "{socket}");
    }
}

#[tokio::test]
async fn forged_and_expired_tokens_are_refused() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let token = server.token("alice").await;
    let (header, rest) = token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"none"}"#);
    let mut promoted = claims(&token);
    promoted["role"] = json!("administrator");
    let promoted = URL_SAFE_NO_PAD.encode(promoted.to_string());
    let foreign = Tokens::new(&ServerSecret::random().unwrap(), 3600, Clock::start());
    let principal = server.running.app.auth.tokens.verify(&token).unwrap();
    for forged in [
        format!("{none}.{payload}."),
        format!("{none}.{payload}.{signature}"),
        format!("{header}.{promoted}.{signature}"),
        format!("{header}.{payload}."),
        foreign.issue(&principal),
        "rubbish".to_owned(),
    ] {
        assert_eq!(error_of(server.check(&forged).await).await, (401, "InvalidToken".to_owned()));
    }

    // The same secret and a lifetime that is over: what the server itself would have issued two hours ago.
    let secret = ServerSecret::open(&path.join("data")).unwrap();
    let expired = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
        &{
            let mut claims = claims(&token);
            claims["iat"] = json!(now() - 7200);
            claims["exp"] = json!(now() - 3600);
            claims
        },
        &jsonwebtoken::EncodingKey::from_secret(&secret.derive("token")),
    );
    assert_eq!(error_of(server.check(&expired.unwrap()).await).await, (401, "TokenExpired".to_owned()));
}

#[tokio::test]
async fn a_missing_token_is_named_so() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    assert_eq!(error_of(server.get(CHECK).await).await, (400, "AuthorizationHeaderNotFound".to_owned()));
    for header in ["Basic YWxpY2U6aG90ZGVzaw==", "Bearer", "Bearer  ", "x"] {
        let request = server.request(Method::GET, CHECK).header("authorization", header);
        assert_eq!(
            error_of(request.send().await.unwrap()).await,
            (401, "BearerNotFound".to_owned()),
            "{header}"
        );
    }
}

#[tokio::test]
async fn guessing_is_slowed_and_the_wait_is_said() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    assert_eq!(server.login("bruno", "hotdesk").await.status(), 200);
    let mut refused = None;
    for _ in 0..12 {
        let response = server.login("alice", "guess").await;
        if response.status() == 429 {
            refused = Some(response);
            break;
        }
    }
    let refused = refused.expect("guessing goes on for ever");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait));
    assert_eq!(error_of(refused).await.1, "TooManyRequests");
    assert_eq!(server.login("bruno", "hotdesk").await.status(), 200, "others are not concerned");
}

#[tokio::test]
async fn a_restart_keeps_tokens_good() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let token = server.token("carla").await;
    let session = server.running.app.auth.tokens.verify(&token).unwrap().session;
    let sip_password = server.running.app.auth.sip_secrets.password(&session, "k3x9");
    assert!(server.running.stop().await);

    let server = Server::start(demo(&path)).await;
    assert_eq!(server.check(&token).await.status(), 200);
    assert_eq!(server.running.app.auth.sip_secrets.password(&session, "k3x9"), sip_password);
}

#[tokio::test]
async fn a_new_password_ends_earlier_logins() {
    let (_dir, path) = folder();
    let server = Server::start(demo(&path)).await;
    let token = server.token("dave").await;
    let store = &server.running.app.store;
    let dave = store.user_by_login("dave").await.unwrap().unwrap();
    let hash = server::auth::password::hash(b"another one").unwrap();
    store.set_password_hash(dave.id, &hash).await.unwrap();
    assert_eq!(error_of(server.check(&token).await).await, (401, "InvalidToken".to_owned()));
    assert_eq!(server.login("dave", "another one").await.status(), 200);
}
