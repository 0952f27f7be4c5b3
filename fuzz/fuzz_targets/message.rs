//! Messages of a stranger, one after the other, to a desk that answers, refuses or ignores its calls.
//!
//! The first byte is the transport, the next four what becomes of calls. Messages are divided by a line `---`;
//! `$TAG` in one of them is the tag of our last response, so that what follows can speak in the dialog.
#![no_main]

use hotdesk_fuzz::{Desk, all_harmless, transport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((setup, mut rest)) = input.split_at_checked(5) else { return };
    let mut desk = Desk::new(transport(setup[0]), &setup[1..]);
    const DIVIDER: &[u8] = b"\n---\n";
    loop {
        let end = rest.windows(DIVIDER.len()).position(|w| w == DIVIDER);
        let message = &rest[..end.unwrap_or(rest.len())];
        desk.hear(&with_tag(message, &desk.last_tag().unwrap_or_default()));
        match end {
            Some(end) => rest = &rest[end + DIVIDER.len()..],
            None => break,
        }
    }
    all_harmless(&desk.told());
    desk.nothing_is_left();
});

fn with_tag(message: &[u8], tag: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"$TAG";
    let mut bytes = Vec::new();
    let mut rest = message;
    while let Some(at) = rest.windows(PLACE.len()).position(|w| w == PLACE) {
        bytes.extend(&rest[..at]);
        bytes.extend(tag);
        rest = &rest[at + PLACE.len()..];
    }
    bytes.extend(rest);
    bytes
}
