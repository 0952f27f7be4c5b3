//! The messages of RFC 4475 and RFC 5118 by each kind of transport: what a user agent server makes of them.

mod world;

use proptest::prelude::*;
use sip::transport::{Framer, Overdue, Patience, Piece};
use sip::{Event, FlowEnds, Owner, Transport, UserAgent};
use sipx_testkit::{rfc4475, rfc5118};
use timing::{Duration, Instant};
use world::{FLOW, user_agent};

use Verdict::{Answer, Application, Silence, Unfinished};

const NOW: Instant = Instant::ORIGIN;
const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Ws];

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// This response.
    Answer(u16),
    /// A valid REGISTER, INVITE or MESSAGE: the application decides.
    Application,
    /// Nothing, as for responses that belong to nothing.
    Silence,
    /// The stream is read on, and closed when the rest does not come.
    Unfinished,
}

/// The verdict that each RFC asks of a user agent server and registrar, or allows and we have chosen.
const EXPECTED: &[(&str, Verdict)] = &[
    // RFC 4475 §3.1.1, valid however it looks
    ("wsinv", Answer(481)),
    ("intmeth", Answer(501)),
    ("esc01", Application),
    ("escnull", Application),
    ("esc02", Answer(501)),
    ("lwsdisp", Answer(200)),
    ("longreq", Application),
    ("dblreq", Application),
    ("semiuri", Answer(200)),
    ("transports", Answer(200)),
    ("mpart01", Application),
    ("unreason", Silence),
    ("noreason", Silence),
    // §3.1.2, invalid
    ("badinv01", Answer(400)),
    ("clerr", Answer(400)),
    ("ncl", Answer(400)),
    ("scalar02", Answer(400)),
    ("scalarlg", Silence),
    ("quotbal", Answer(400)),
    ("ltgtruri", Answer(400)),
    ("lwsruri", Answer(400)),
    ("lwsstart", Answer(400)),
    ("trws", Answer(400)),
    ("escruri", Answer(400)),
    ("baddate", Application),
    ("regbadct", Answer(400)),
    ("badaspec", Answer(400)),
    ("baddn", Answer(400)),
    ("badvers", Answer(505)),
    ("mismatch01", Answer(400)),
    ("mismatch02", Answer(400)),
    ("bigcode", Silence),
    // §3.2 to §3.4, for the layers above
    ("badbranch", Answer(200)),
    ("insuf", Answer(400)),
    ("unkscm", Answer(416)),
    ("novelsc", Answer(416)),
    ("unksm2", Answer(400)),
    ("bext01", Answer(420)),
    ("invut", Answer(415)),
    ("regaut01", Application),
    ("multi01", Answer(400)),
    ("mcl01", Answer(400)),
    ("bcast", Silence),
    ("zeromf", Answer(200)),
    ("cparam01", Application),
    ("cparam02", Application),
    ("regescrt", Application),
    ("sdp01", Answer(406)),
    ("inv2543", Application),
    // RFC 5118 §4
    ("ipv6-good", Application),
    ("ipv6-bad", Answer(400)),
    ("port-ambiguous", Application),
    ("port-unambiguous", Application),
    ("via-received-param-with-delim", Answer(481)),
    ("via-received-param-no-delim", Answer(200)),
    ("ipv6-in-sdp", Application),
    ("mult-ip-in-header", Answer(481)),
    ("mult-ip-in-sdp", Application),
    ("ipv4-mapped-ipv6", Application),
    ("ipv6-bug-abnf-3-colons", Answer(200)),
    ("ipv6-correct-abnf-2-colons", Answer(200)),
];

/// Where a transport makes a difference, by the rules of RFC 3261 §18.3 and RFC 7118 §5.
const BY_TRANSPORT: &[(&str, Transport, Verdict)] = &[
    // the archive has it without the empty line behind the headers
    ("baddn", Transport::Tcp, Unfinished),
    // its Content-Length promises more than comes
    ("clerr", Transport::Tcp, Unfinished),
    // a WebSocket message is one SIP message
    ("dblreq", Transport::Ws, Answer(400)),
    // a stream cannot be cut without a length
    ("inv2543", Transport::Tcp, Answer(400)),
];

/// The messages that end a stream; in dblreq it is what follows the body of the second request.
const BREAKING: &[&str] = &["dblreq", "inv2543", "mcl01", "ncl"];

/// Where we differ from the table on purpose or for now; an entry that is no longer true fails the test.
const DEVIATIONS: &[(&str, Transport, Verdict)] = &[];

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let rfc4475 = rfc4475::classified().map(|case| (case.name, case.bytes.to_vec()));
    rfc4475.chain(rfc5118::classified().map(|case| (case.name, case.wire().to_vec()))).collect()
}

fn expected(name: &str, transport: Transport) -> Verdict {
    let special = BY_TRANSPORT.iter().find(|(of, by, _)| *of == name && *by == transport);
    let usual = || EXPECTED.iter().find(|(of, _)| *of == name).map(|(_, verdict)| *verdict);
    special
        .map(|(.., verdict)| *verdict)
        .or_else(usual)
        .unwrap_or_else(|| panic!("{name} is not in the table"))
}

fn desk(transport: Transport) -> UserAgent {
    let mut desk = user_agent(3, transport, true);
    desk.open_flow(FLOW, transport, Owner::Unproved, NOW);
    if !transport.is_websocket() {
        let remote = "192.0.2.99:5099".parse().expect("an address");
        desk.set_ends(FLOW, FlowEnds { local: "192.0.2.1:5060".into(), remote });
    }
    desk
}

/// What a message is to a desk, and the last response of that.
fn verdict(bytes: &[u8], transport: Transport) -> (Verdict, Option<String>) {
    let mut desk = desk(transport);
    match pieces(bytes, transport).first() {
        Some(Piece::Message(bytes) | Piece::Broken(bytes)) => desk.handle_message(FLOW, bytes, NOW),
        Some(Piece::Ping) | None => return (Unfinished, None),
    }
    let sent = std::iter::from_fn(|| desk.poll_transmit()).last();
    let text = sent.map(|sent| String::from_utf8_lossy(&sent.bytes).into_owned());
    let verdict = match (desk.poll_event(), &text) {
        (Some(Event::Register(_) | Event::Invite(_) | Event::Message(_)), _) => Application,
        (Some(event), _) => panic!("{event:?}"),
        (None, Some(text)) => Answer(text[8..11].parse().expect("a status")),
        (None, None) => Silence,
    };
    (verdict, text)
}

fn pieces(bytes: &[u8], transport: Transport) -> Vec<Piece> {
    if transport != Transport::Tcp {
        return vec![Piece::Message(bytes.to_vec())];
    }
    let mut framer = Framer::new(Patience::default(), NOW);
    framer.handle_bytes(bytes, NOW);
    let pieces: Vec<_> = std::iter::from_fn(|| framer.poll_piece()).collect();
    if pieces.is_empty() {
        assert_eq!(framer.handle_timeout(NOW + Patience::default().message), Some(Overdue::Message));
    }
    pieces
}

#[test]
fn each_gets_the_verdict_and_the_response_that_its_rfc_asks_for_by_every_transport() {
    let mut wrong = Vec::new();
    for (name, bytes) in messages() {
        for transport in TRANSPORTS {
            let (verdict, _) = verdict(&bytes, transport);
            let deviation = DEVIATIONS.iter().find(|(of, by, _)| *of == name && *by == transport);
            let right = expected(name, transport);
            match deviation {
                Some((.., deviation)) if *deviation == verdict && verdict != right => {}
                Some(_) => wrong.push(format!("{name} over {transport:?}: the listed deviation is stale")),
                None if verdict == right => {}
                None => wrong.push(format!("{name} over {transport:?}: {verdict:?} and not {right:?}")),
            }
        }
    }
    assert_eq!(messages().len(), 49 + 12);
    assert_eq!(EXPECTED.len(), messages().len(), "the table knows no other messages");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn refusals_say_what_would_have_been_understood() {
    for (name, header) in [
        ("bext01", "Unsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"),
        ("invut", "Accept: application/sdp, multipart/mixed\r\n"),
        ("intmeth", "Allow: INVITE, "),
    ] {
        let (_, bytes) = messages().into_iter().find(|(of, _)| *of == name).expect("in the corpus");
        for transport in TRANSPORTS {
            let (_, text) = verdict(&bytes, transport);
            let text = text.expect("a response");
            assert!(text.contains(header), "{name} over {transport:?}: {text}");
        }
    }
}

#[test]
fn a_stream_ends_where_a_length_is_in_doubt_and_only_there() {
    let mut breaking = Vec::new();
    for (name, bytes) in messages() {
        if matches!(pieces(&bytes, Transport::Tcp).last(), Some(Piece::Broken(_))) {
            breaking.push(name);
        }
    }
    breaking.sort_unstable();
    assert_eq!(breaking, BREAKING);
    let (_, twice) = messages().into_iter().find(|(of, _)| *of == "dblreq").expect("in the corpus");
    let twice = pieces(&twice, Transport::Tcp);
    assert!(matches!(twice[..], [Piece::Message(_), Piece::Message(_), Piece::Broken(_)]), "{}", twice.len());
}

#[test]
fn responses_go_through_the_hops_that_the_request_came_by() {
    let (_, bytes) = messages().into_iter().find(|(of, _)| *of == "semiuri").expect("in the corpus");
    for transport in [Transport::Udp, Transport::Tcp] {
        let (_, text) = verdict(&bytes, transport);
        let text = text.expect("a response");
        let top = text.lines().find(|line| line.starts_with("Via: ")).expect("a Via");
        assert!(top.ends_with(";received=192.0.2.99"), "{top}");
    }
}

#[test]
fn none_does_harm_later() {
    for (name, bytes) in messages() {
        for transport in TRANSPORTS {
            let mut desk = desk(transport);
            desk.handle_message(FLOW, &bytes, NOW);
            let events = std::iter::from_fn(|| desk.poll_event()).count();
            assert!(events == 0 || !bytes.starts_with(b"SIP/"), "{name}");
            desk.handle_timeout(NOW + Duration::from_secs(64));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_message_panics_or_breaks_a_line(
        which in any::<prop::sample::Index>(),
        transport in prop::sample::select(TRANSPORTS.to_vec()),
        portion in 1..2_000_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut messages = messages();
        let (_, mut bytes) = messages.swap_remove(which.index(messages.len()));
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut framer = Framer::new(Patience::default(), NOW);
        let mut pieces = vec![Piece::Message(bytes.clone())];
        if transport == Transport::Tcp {
            bytes.chunks(portion).for_each(|portion| framer.handle_bytes(portion, NOW));
            pieces = std::iter::from_fn(|| framer.poll_piece()).collect();
        }
        let mut desk = desk(transport);
        for piece in pieces {
            match piece {
                Piece::Message(bytes) => desk.handle_message(FLOW, &bytes, NOW),
                Piece::Broken(bytes) => {
                    desk.handle_message(FLOW, &bytes, NOW);
                    prop_assert_eq!(desk.poll_event(), None, "what breaks a stream is never obeyed");
                }
                Piece::Ping => {}
            }
            while let Some(event) = desk.poll_event() {
                if let Event::Invite(invite) = event {
                    desk.refuse(invite.dialog, 404, Some("no\r\nsuch: thing"), NOW);
                }
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
