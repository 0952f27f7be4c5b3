//! Addresses: as Request-URI of a call, as `Contact` of a registration, and compared with one another.
#![no_main]

use hotdesk_fuzz::{Desk, all_harmless, request};
use libfuzzer_sys::fuzz_target;
use sip::{Transport, same_uri};

fuzz_target!(|input: &[u8]| {
    let (one, other) = match input.iter().position(|&b| b == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, input),
    };
    let texts = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    assert!(same_uri(&texts.0, &texts.0), "it is not itself");
    assert_eq!(same_uri(&texts.0, &texts.1), same_uri(&texts.1, &texts.0), "it depends on the side");

    let mut desk = Desk::new(Transport::Tcp, &[0, 0]);
    desk.hear(&request("INVITE", one, b"", b""));
    let contact = [b"Contact: <", other, b">;expires=60\r\n"].concat();
    desk.hear(&request("REGISTER", b"sip:192.0.2.1", &contact, b""));
    all_harmless(&desk.told());
    desk.nothing_is_left();
});
