//! Credentials that strangers make up, and challenges that they make up for us.
#![no_main]

use hotdesk_fuzz::{FLOW, SDP};
use libfuzzer_sys::fuzz_target;
use sip::digest::{Authorization, Challenger, Ha1};
use sip::{Config, Credentials, OutboundInvite, Owner, Transport, UserAgent};
use timing::Instant;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let now = Instant::ORIGIN;
    let mut challenger = Challenger::new([5; 32]);
    let challenge = challenger.challenge("example.org", false, now).remove(0);
    let nonce =
        challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    if let Ok(credentials) = Authorization::parse(&text.replace("$NONCE", nonce)) {
        let ha1 = Ha1::new("anna", "example.org", "what no fuzzer guesses");
        assert!(challenger.verify(&credentials, "REGISTER", "sip:example.org", &ha1, now).is_err());
    }
    if !text.contains(['\r', '\n']) {
        answer(&text, now);
    }
});

/// What we answer to a challenge is something that we could read ourselves.
fn answer(challenge: &str, now: Instant) {
    let mut phone = UserAgent::new(Config {
        user_agent: "fuzz/1".into(),
        contact_host: "phone.invalid".into(),
        transport: Transport::Ws,
        seed: [3; 32],
        server: false,
    });
    phone.open_flow(FLOW, Transport::Ws, Owner::Unproved, now);
    let mut invite = OutboundInvite {
        flow: FLOW,
        target: "sip:bruno@example.org".into(),
        from_user: "anna".into(),
        from_host: "example.org".into(),
        to_user: "bruno".into(),
        to_host: "example.org".into(),
        sdp: SDP.into(),
        ..OutboundInvite::default()
    };
    invite.credentials = Some(credentials());
    phone.invite(invite, now);
    let sent = String::from_utf8(phone.poll_transmit().expect("an INVITE").bytes).expect("text");
    let echoed =
        |name: &str| sent.lines().find(|line| line.starts_with(name)).expect("it is there").to_owned();
    let response = format!(
        "SIP/2.0 401 Unauthorized\r\n{}\r\n{}\r\n{};tag=x\r\n{}\r\n{}\r\nWWW-Authenticate: {challenge}\r\n\
         Content-Length: 0\r\n\r\n",
        echoed("Via:"),
        echoed("From:"),
        echoed("To:"),
        echoed("Call-ID:"),
        echoed("CSeq:")
    );
    phone.handle_message(FLOW, response.as_bytes(), now);
    while let Some(transmit) = phone.poll_transmit() {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        let Some(value) = text.lines().find_map(|line| line.strip_prefix("Authorization: ")) else {
            continue;
        };
        let read = Authorization::parse(value);
        assert!(read.is_ok() || value.len() > 4_000, "we do not understand ourselves: {value}");
    }
}

fn credentials() -> Credentials {
    Credentials { user: "anna".into(), password: "secret".into(), realm: None }
}
