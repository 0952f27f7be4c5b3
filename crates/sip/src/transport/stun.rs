//! STUN on the SIP port (RFC 5626 §4.4.2): a phone behind a NAT asks how it is seen, and so keeps its flow
//! open.

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];
/// Attributes below must be understood by whoever answers (RFC 8489 §14).
const COMPREHENSION_OPTIONAL: u8 = 0x80;

/// Whether a datagram is STUN; no SIP message begins with such a byte (RFC 8489 §5).
pub(super) fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4) && bytes.get(4..8) == Some(&MAGIC_COOKIE)
}

/// A binding request with these twelve bytes as its transaction (RFC 8489 §6).
pub fn binding_request(transaction: [u8; 12]) -> Vec<u8> {
    [&BINDING_REQUEST[..], &[0, 0], &MAGIC_COOKIE, &transaction].concat()
}

/// The success response to a binding request from `source` (RFC 8489 §14.2).
///
/// Nothing comes back for other messages, and for requests with attributes that we would have to understand.
pub(super) fn answer(bytes: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
    if !is_stun(bytes) || bytes[..2] != BINDING_REQUEST || length != bytes.len().checked_sub(HEADER)? {
        return None;
    }
    let mut attributes = &bytes[HEADER..];
    while !attributes.is_empty() {
        let &[kind, _, high, low, ..] = attributes else { return None };
        let padded = usize::from(u16::from_be_bytes([high, low])).next_multiple_of(4);
        attributes = attributes.get(4 + padded..)?;
        (kind >= COMPREHENSION_OPTIONAL).then_some(())?;
    }

    let transaction = &bytes[4..HEADER];
    let port = source.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(v4) => (1, xor(&v4.octets(), transaction)),
        IpAddr::V6(v6) => (2, xor(&v6.octets(), transaction)),
    };
    let value_length = u16::try_from(4 + address.len()).ok()?;
    let mut response = BINDING_SUCCESS.to_vec();
    response.extend((4 + value_length).to_be_bytes());
    response.extend(transaction);
    response.extend(XOR_MAPPED_ADDRESS);
    response.extend(value_length.to_be_bytes());
    response.extend([0, family]);
    response.extend(port.to_be_bytes());
    response.extend(address);
    Some(response)
}

/// The cookie and the transaction id, which follow each other in the header, are the mask.
fn xor(address: &[u8], mask: &[u8]) -> Vec<u8> {
    address.iter().zip(mask).map(|(a, b)| a ^ b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_ours_is_one_that_we_would_answer() {
        let request = binding_request([7; 12]);
        assert!(is_stun(&request));
        assert!(answer(&request, "192.0.2.1:5060".parse().unwrap()).is_some());
    }

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, u8::try_from(attributes.len()).unwrap()];
        bytes.extend(MAGIC_COOKIE);
        bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn the_addresses_of_rfc_5769_are_masked_as_there() {
        let response = answer(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(response[..4], [1, 1, 0, 12]);
        assert_eq!(response[20..], [0x00, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let response = answer(&request(&[]), v6).unwrap();
        let expected = [
            0x00, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25,
            0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ];
        assert_eq!(response[20..], expected);
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:1".parse().unwrap();
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        assert!(answer(&request(&software), source).is_some());
        let username = [0x00, 0x06, 0, 1, b'a', 0, 0, 0];
        let mut indication = request(&[]);
        indication[1] = 0x11;
        for bytes in [request(&username), request(&software[..7]), indication, request(&[])[..19].to_vec()] {
            assert_eq!(answer(&bytes, source), None);
        }
        assert!(!is_stun(b"OPTIONS sip:a SIP/2.0\r\n"));
    }
}
