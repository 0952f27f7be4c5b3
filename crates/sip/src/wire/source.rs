//! What a server notes in the topmost `Via` of a request: where it really came from.

use std::net::{IpAddr, SocketAddr};

use sipx_sip::HeaderName;
use sipx_sip::headers::{Via, first_hop_end};
use sipx_sip::message::{Header, Headers};

use super::text::clean;

/// Adds `received` where the sender names another host or asks for `rport`, and the port where it asks (RFC
/// 3261 §18.2.1, RFC 3581 §4). What the sender wrote there itself is not believed. A `Via` that cannot be
/// read stays.
pub(crate) fn note_source(headers: &mut Headers, source: SocketAddr) {
    let Some(value) = headers.value(&HeaderName::Via).map(|value| clean(&value)) else { return };
    let (hop, others) = value.split_at(first_hop_end(&value));
    let Ok(via) = Via::parse_one(hop) else { return };

    let ip = source.ip().to_canonical();
    let wants_port = via.rport().is_some();
    let mut noted = Vec::new();
    for (place, part) in parts(hop).into_iter().enumerate() {
        let name = part.split(|&b| b == b'=').next().unwrap_or_default().trim_ascii();
        if place > 0 && (name.eq_ignore_ascii_case(b"received") || name.eq_ignore_ascii_case(b"rport")) {
            continue;
        }
        if place > 0 {
            noted.push(b';');
        }
        noted.extend_from_slice(part);
    }
    if wants_port || sent_by(&via) != Some(ip) {
        noted.extend_from_slice(format!(";received={ip}").as_bytes());
    }
    if wants_port {
        noted.extend_from_slice(format!(";rport={}", source.port()).as_bytes());
    }
    noted.extend_from_slice(others);
    let place = headers.iter().position(|header| *header.name() == HeaderName::Via);
    if let (Some(place), Ok(header)) = (place, Header::build(HeaderName::Via, noted)) {
        headers.remove_first(&HeaderName::Via);
        headers.insert(place, header);
    }
}

/// The address in `sent-by`, where it is one and no name.
fn sent_by(via: &Via) -> Option<IpAddr> {
    let host = String::from_utf8(via.host.to_bytes().to_vec()).ok()?;
    host.trim_matches(['[', ']']).parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// A hop at its semicolons, except for those in quotes: first the hop itself, then its parameters.
fn parts(hop: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    hop.split(|&b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b';' => return !quoted,
            _ => {}
        }
        false
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn noted(via: &str, source: &str) -> String {
        let mut headers = Headers::new();
        for (name, value) in
            [(HeaderName::To, "sip:a@b"), (HeaderName::Via, via), (HeaderName::Via, "SIP/2.0/UDP z")]
        {
            headers.push(Header::build(name, Bytes::copy_from_slice(value.as_bytes())).unwrap());
        }
        note_source(&mut headers, source.parse().unwrap());
        let names: Vec<_> = headers.iter().map(|header| header.name().clone()).collect();
        assert_eq!(names, [HeaderName::To, HeaderName::Via, HeaderName::Via]);
        String::from_utf8(headers.value(&HeaderName::Via).unwrap().into_owned()).unwrap()
    }

    #[test]
    fn the_topmost_hop_says_where_it_came_from() {
        for (via, source, expected) in [
            (
                "SIP/2.0/UDP 192.0.2.1:5070;branch=z1",
                "192.0.2.1:5070",
                "SIP/2.0/UDP 192.0.2.1:5070;branch=z1",
            ),
            (
                "SIP/2.0/UDP pc.example;branch=z1",
                "192.0.2.1:9",
                "SIP/2.0/UDP pc.example;branch=z1;received=192.0.2.1",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1 ; rport ; branch=z1, SIP/2.0/TCP y;rport",
                "192.0.2.1:9",
                "SIP/2.0/UDP 10.0.0.1 ; branch=z1;received=192.0.2.1;rport=9, SIP/2.0/TCP y;rport",
            ),
            (
                "SIP/2.0/UDP 192.0.2.1;branch=z1;RPORT=1;received=6.6.6.6",
                "192.0.2.1:9",
                "SIP/2.0/UDP 192.0.2.1;branch=z1;received=192.0.2.1;rport=9",
            ),
            (
                "SIP/2.0/TCP a;x=\"1;rport,\\\";received=2\";branch=z1",
                "[2001:db8::1]:9",
                "SIP/2.0/TCP a;x=\"1;rport,\\\";received=2\";branch=z1;received=2001:db8::1",
            ),
            (
                "SIP/2.0/TCP [2001:db8::1]:5;branch=z1",
                "[2001:db8::1]:9",
                "SIP/2.0/TCP [2001:db8::1]:5;branch=z1",
            ),
            ("SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:9", "SIP/2.0/UDP 192.0.2.1"),
            ("nonsense;rport", "192.0.2.1:9", "nonsense;rport"),
        ] {
            assert_eq!(noted(via, source), expected);
        }
    }
}
