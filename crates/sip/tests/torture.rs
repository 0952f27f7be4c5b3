//! The messages of RFC 4475, byte for byte as its Appendix A has them.

mod world;

use proptest::prelude::*;
use sip::{Event, Owner, Transport, UserAgent};
use timing::{Duration, Instant};
use world::{FLOW, user_agent};

const NOW: Instant = Instant::ORIGIN;

macro_rules! messages {
    ($($name:literal)*) => { &[$(($name, include_bytes!(concat!("rfc4475/", $name, ".dat")))),*] };
}

/// Each message with the name that the RFC gives it.
const MESSAGES: &[(&str, &[u8])] = messages! {
    "badaspec" "badbranch" "baddate" "baddn" "badinv01" "badvers" "bcast" "bext01"
    "bigcode" "clerr" "cparam01" "cparam02" "dblreq" "esc01" "esc02" "escnull"
    "escruri" "insuf" "intmeth" "inv2543" "invut" "longreq" "ltgtruri" "lwsdisp"
    "lwsruri" "lwsstart" "mcl01" "mismatch01" "mismatch02" "mpart01" "multi01" "ncl"
    "noreason" "novelsc" "quotbal" "regaut01" "regbadct" "regescrt" "scalar02" "scalarlg"
    "sdp01" "semiuri" "transports" "trws" "unkscm" "unksm2" "unreason" "wsinv"
    "zeromf"
};

fn desk(transport: Transport) -> UserAgent {
    let mut desk = user_agent(3, transport, true);
    desk.open_flow(FLOW, transport, Owner::Unproved, NOW);
    desk
}

#[test]
fn each_gets_the_answer_that_the_rfc_asks_of_a_user_agent() {
    for (name, expected) in [
        // §3.1.1, valid however it looks
        ("wsinv", Some(481)),
        ("intmeth", Some(501)),
        ("esc01", Some(100)),
        ("escnull", None),
        ("esc02", Some(501)),
        ("lwsdisp", Some(200)),
        ("longreq", Some(100)),
        ("dblreq", None),
        ("semiuri", Some(200)),
        ("transports", Some(200)),
        ("mpart01", Some(405)),
        ("unreason", None),
        ("noreason", None),
        // §3.1.2, invalid
        ("badinv01", Some(400)),
        ("clerr", Some(400)),
        ("ncl", Some(400)),
        ("scalar02", Some(400)),
        ("scalarlg", None),
        ("quotbal", Some(400)),
        ("ltgtruri", Some(400)),
        ("lwsruri", Some(400)),
        ("lwsstart", Some(400)),
        ("trws", Some(400)),
        ("escruri", Some(400)),
        ("baddate", Some(100)),
        ("regbadct", Some(400)),
        ("badaspec", Some(400)),
        ("baddn", Some(400)),
        ("badvers", Some(505)),
        ("mismatch01", Some(400)),
        ("mismatch02", Some(400)),
        ("bigcode", None),
        // §3.2 to §3.4
        ("badbranch", Some(200)),
        ("insuf", Some(400)),
        ("unkscm", Some(416)),
        ("novelsc", Some(416)),
        ("unksm2", Some(400)),
        ("bext01", Some(420)),
        ("invut", Some(415)),
        ("regaut01", None),
        ("multi01", Some(400)),
        ("mcl01", Some(400)),
        ("bcast", None),
        ("zeromf", Some(200)),
        ("cparam01", None),
        ("cparam02", None),
        ("regescrt", None),
        ("sdp01", Some(100)),
        ("inv2543", Some(100)),
    ] {
        let (_, bytes) = MESSAGES.iter().find(|(of, _)| *of == name).expect("in the corpus");
        let mut desk = desk(Transport::Udp);
        desk.handle_message(FLOW, bytes, NOW);
        let sent = std::iter::from_fn(|| desk.poll_transmit()).last();
        let status = sent.map(|sent| String::from_utf8_lossy(&sent.bytes[8..11]).parse::<u16>().unwrap());
        assert_eq!(status, expected, "{name}");
        let registers = matches!(desk.poll_event(), Some(Event::Register(_)));
        let asked = ["escnull", "dblreq", "regaut01", "cparam01", "cparam02", "regescrt"].contains(&name);
        assert_eq!(registers, asked, "{name}: the application decides on a valid REGISTER");
    }
}

#[test]
fn on_a_websocket_they_do_no_harm_either() {
    for (name, bytes) in MESSAGES {
        let mut desk = desk(Transport::Ws);
        desk.handle_message(FLOW, bytes, NOW);
        let events = std::iter::from_fn(|| desk.poll_event()).count();
        assert!(events == 0 || !bytes.starts_with(b"SIP/"), "{name}");
        desk.handle_timeout(NOW + Duration::from_secs(64));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_message_panics_or_breaks_a_line(
        which in 0..MESSAGES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = MESSAGES[which].1.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut desk = desk(Transport::Ws);
        desk.handle_message(FLOW, &bytes, NOW);
        while let Some(event) = desk.poll_event() {
            if let Event::Invite(invite) = event {
                desk.refuse(invite.dialog, 404, Some("no\r\nsuch: thing"), NOW);
            }
        }
        while let Some(transmit) = desk.poll_transmit() {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            let (head, _) = text.split_once("\r\n\r\n").expect("a whole message");
            for line in head.split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
                prop_assert!(!line.starts_with("such"));
            }
        }
    }
}
