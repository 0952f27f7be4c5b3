//! Valid messages, and what becomes of them in bad hands.

/// A seeded generator (SplitMix64): the same seed makes the same attack.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// With this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % end).unwrap_or(0)
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What a session looks like that is offered.
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 \
                       101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                       a=fmtp:101 0-15\r\na=sendrecv\r\n";

/// Valid messages of every kind to begin with, each with its own number.
pub fn bases(host: &str) -> Vec<String> {
    let request = |method: &str, extra: &str, kind: &str, body: &str| {
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        format!(
            "{method} sip:1002@{host} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66:5099;rport;branch=z9hG4bK@@\r\n\
             Max-Forwards: 70\r\nFrom: \"Mallory\" <sip:1004@{host}>;tag=m\r\nTo: <sip:1002@{host}>\r\n\
             Call-ID: @@@mallory.invalid\r\nCSeq: 7 {method}\r\nContact: <sip:1004@127.0.0.66:5099>\r\n{extra}{kind}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let in_dialog = |message: String| {
        message.replacen("Call-ID:", "X-Was: 1\r\nCall-ID:", 1).replacen("\r\nX-Was: 1", ";tag=d", 1)
    };
    let response = |status: &str, method: &str, extra: &str| {
        format!(
            "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK@@\r\nFrom: <sip:1002@{host}>;tag=a\r\n\
             To: <sip:1004@{host}>;tag=b\r\nCall-ID: @@@{host}\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n"
        )
    };
    let digest = format!(
        "Authorization: Digest username=\"1004\", realm=\"hotdesk\", nonce=\"00\", uri=\"sip:{host}\", \
         response=\"00\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"\r\n"
    );
    let parts = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n"
    );
    vec![
        request("OPTIONS", "Accept: application/sdp\r\n", "", ""),
        request("REGISTER", "Expires: 60\r\nSupported: path, outbound\r\n", "", ""),
        request("REGISTER", &digest, "", ""),
        request(
            "INVITE",
            "Supported: 100rel, timer, replaces\r\nSession-Expires: 90\r\n",
            "application/sdp",
            SDP,
        ),
        request("INVITE", "Alert-Info: <http://x/>\r\nPrivacy: id\r\n", "multipart/mixed;boundary=b", &parts),
        request("INVITE", "Replaces: a@b;to-tag=1;from-tag=2\r\nRequire: replaces\r\n", "", ""),
        request("CANCEL", "", "", ""),
        in_dialog(request("ACK", "", "", "")),
        in_dialog(request("BYE", "Reason: Q.850;cause=16;text=\"bye\"\r\n", "", "")),
        in_dialog(request("UPDATE", "Session-Expires: 90;refresher=uac\r\n", "", "")),
        in_dialog(request("PRACK", "RAck: 1 1 INVITE\r\n", "", "")),
        in_dialog(request("INFO", "", "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n")),
        request("REFER", &format!("Refer-To: <sip:1003@{host}?Replaces=a%3Bto-tag%3D1>\r\n"), "", ""),
        request("SUBSCRIBE", "Event: message-summary\r\nExpires: 60\r\n", "", ""),
        in_dialog(request(
            "NOTIFY",
            "Event: refer\r\nSubscription-State: active\r\n",
            "message/sipfrag",
            "SIP/2.0 200 OK",
        )),
        request("MESSAGE", "", "text/plain", "hello"),
        response("200 OK", "INVITE", "Contact: <sip:x@127.0.0.66:5099>\r\n"),
        response("401 Unauthorized", "REGISTER", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n"),
        response("183 Session Progress", "INVITE", "Require: 100rel\r\nRSeq: 1\r\n"),
    ]
}

/// Makes one to three changes to a message, at places and of kinds that `dice` chooses.
pub fn mutant(bases: &[Vec<u8>], number: u64, dice: &mut Dice) -> Vec<u8> {
    let base: &Vec<u8> = dice.pick(bases);
    let mut bytes = replace(base, b"@@", format!("{number:x}").as_bytes());
    for _ in 0..=dice.below(3) {
        change(&mut bytes, bases, dice);
    }
    bytes.truncate(60_000);
    bytes
}

const NUMBERS: [&[u8]; 10] = [
    b"-1",
    b"0",
    b"4294967295",
    b"4294967296",
    b"2147483648",
    b"18446744073709551616",
    b"65536",
    b"99999999999999999999999",
    b"1e9",
    b"0x10",
];
const INSERTS: [&[u8]; 16] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n ",
    b"\xff\xfe",
    b"%00",
    b"%0d%0aX-Evil: 1",
    b"<",
    b"\"",
    b";;;",
    b"[::",
    b"\xe2\x80\xae",
    b", ",
    b";tag=a;tag=b",
];

fn change(bytes: &mut Vec<u8>, bases: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(11) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        1 => drop(bytes.drain(at..(at + dice.below(40)).min(bytes.len()))),
        2 => {
            let piece = bytes[at..(at + dice.below(200)).min(bytes.len())].to_vec();
            bytes.splice(at..at, piece);
        }
        3 => drop(bytes.splice(at..at, dice.pick(&INSERTS).iter().copied())),
        4 => replace_number(bytes, at, dice),
        5 => lines(bytes, |lines, dice| lines.insert(1, dice.pick(lines).clone()), dice),
        6 => lines(bytes, |lines, dice| drop(lines.remove(dice.below(lines.len()))), dice),
        7 => {
            let swap = |lines: &mut Vec<Vec<u8>>, dice: &mut Dice| {
                let (one, other) = (dice.below(lines.len()), dice.below(lines.len()));
                lines.swap(one, other);
            };
            lines(bytes, swap, dice);
        }
        8 => bytes.truncate(at),
        9 => {
            let length = *dice.pick(&[10, 300, 9_000, 50_000]);
            bytes.splice(at..at, std::iter::repeat_n(b'a', length));
        }
        _ => {
            let other = dice.pick(bases);
            let from = dice.below(other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
    }
}

fn replace_number(bytes: &mut Vec<u8>, from: usize, dice: &mut Dice) {
    let Some(start) = bytes[from..].iter().position(u8::is_ascii_digit).map(|at| from + at) else { return };
    let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |end| start + end);
    bytes.splice(start..end, dice.pick(&NUMBERS).iter().copied());
}

fn lines(bytes: &mut Vec<u8>, change: impl Fn(&mut Vec<Vec<u8>>, &mut Dice), dice: &mut Dice) {
    let mut lines: Vec<Vec<u8>> = bytes.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if lines.len() > 2 {
        change(&mut lines, dice);
        *bytes = lines.join(&b'\n');
    }
}

fn replace(bytes: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    let mut made = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|w| w == what) {
        made.extend(&rest[..at]);
        made.extend(by);
        rest = &rest[at + what.len()..];
    }
    made.extend(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_mutants_and_hardly_any_twice() {
        let bases: Vec<_> = bases("127.0.0.1:5060").into_iter().map(String::into_bytes).collect();
        let run = |seed| {
            let mut dice = Dice::new(seed);
            (0..500).map(|number| mutant(&bases, number, &mut dice)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let mut different = run(1);
        different.sort();
        different.dedup();
        assert!(different.len() > 480, "{}", different.len());
    }
}
