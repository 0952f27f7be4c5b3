use super::*;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn master() -> MasterKey {
    let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    MasterKey(key.try_into().expect("30 bytes"))
}

fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0x0f];
    packet.extend(sequence.to_be_bytes());
    packet.extend(hex("decafbad cafebabe"));
    packet.extend(payload);
    packet
}

/// RFC 3711 Appendix B.2.
#[test]
fn the_keystream_is_that_of_the_standard() {
    let mut keystream = [0; 48];
    let cipher = Aes128::new_from_slice(&hex("2B7E151628AED2A6ABF7158809CF4F3C")).expect("a key");
    let salt: [u8; 14] = hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().expect("a salt");
    let mac = Hmac::new_from_slice(&[0]).expect("a key");
    Keys { cipher, salt, mac }.apply(0, 0, &mut keystream);
    let expected =
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(keystream.to_vec(), hex(expected));
}

/// RFC 3711 Appendix B.3.
#[test]
fn session_keys_are_those_of_the_standard() {
    for (label, expected) in [
        (0, "C61E7A93744F39EE10734AFE3FF7A087"),
        (2, "30CBBC08863D8C85D49DB34A9AE1"),
        (
            1,
            "CEBE321F6FF7716B6FD4AB49AF256A15 6D38BAA48F0A0ACF3C34E2359E6CDBCE E049646C43D9327AD175578EF7227098",
        ),
    ] {
        let expected = hex(expected);
        let mut key = vec![0; expected.len()];
        derive(&master(), label, &mut key);
        assert_eq!(key, expected, "label {label}");
    }
}

/// The packets that libsrtp checks itself with (`srtp_validate`).
#[test]
fn whole_packets_are_those_of_libsrtp() {
    let mut sealer = Sealer::new(Suite::AesCm128HmacSha1_80, &master());
    let mut sealed = packet(0x1234, &[0xab; 16]);
    sealer.seal_rtp(&mut sealed, 0x1234);
    let expected = "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb";
    assert_eq!(sealed, hex(expected));

    let mut report = hex("81c8000bcafebabe abababababababababababababababab");
    sealer.seal_rtcp(&mut report);
    let expected = "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798";
    assert_eq!(report, hex(expected));
}

#[test]
fn both_suites_go_round_in_order_and_out_of_it_over_the_wrap() {
    for suite in Suite::ALL {
        let sealer = Sealer::new(suite, &master());
        let mut opener = Opener::new(suite, &master());
        for index in [65_533, 65_535, 65_534, 65_537, 65_536, 65_538, 98_000, 130_000_u64] {
            let plain = packet(index as u16, &index.to_be_bytes());
            let mut sealed = plain.clone();
            sealer.seal_rtp(&mut sealed, index);
            assert_ne!(sealed[12..20], plain[12..20]);
            assert_eq!(opener.open_rtp(&mut sealed), Some((plain.len(), index)), "{suite:?}");
            assert_eq!(sealed[..plain.len()], plain);
        }
    }
}

#[test]
fn the_header_extension_stays_readable() {
    let mut sealed = packet(1, b"");
    sealed[0] = 0x90;
    sealed.extend(hex("bede0001 51000000"));
    let header = sealed.clone();
    sealed.extend(b"speech");
    Sealer::new(Suite::AesCm128HmacSha1_32, &master()).seal_rtp(&mut sealed, 1);
    assert_eq!(sealed[..header.len()], header);
    assert_eq!(sealed.len(), header.len() + 6 + 4);
    let mut opener = Opener::new(Suite::AesCm128HmacSha1_32, &master());
    assert_eq!(opener.open_rtp(&mut sealed), Some((header.len() + 6, 1)));
    assert!(sealed.starts_with(&[header, b"speech".to_vec()].concat()));
}

#[test]
fn what_was_changed_or_cut_anywhere_is_dropped_and_harms_nothing() {
    let mut sealer = Sealer::new(Suite::AesCm128HmacSha1_80, &master());
    let mut opener = Opener::new(Suite::AesCm128HmacSha1_80, &master());
    let mut sealed = packet(7, b"speech");
    sealer.seal_rtp(&mut sealed, 7);
    let mut report = hex("80c90001cafebabe 0102030405060708");
    sealer.seal_rtcp(&mut report);
    for place in 0..sealed.len() * 8 {
        let mut forged = sealed.clone();
        forged[place / 8] ^= 1 << (place % 8);
        assert_eq!(opener.open_rtp(&mut forged), None, "bit {place}");
    }
    for place in 0..report.len() * 8 {
        let mut forged = report.clone();
        forged[place / 8] ^= 1 << (place % 8);
        assert_eq!(opener.open_rtcp(&mut forged), None, "bit {place}");
    }
    for length in 0..sealed.len() {
        assert_eq!(opener.open_rtp(&mut sealed[..length].to_vec()), None);
        assert_eq!(opener.open_rtcp(&mut report[..length.min(report.len() - 1)].to_vec()), None);
    }
    assert!(opener.open_rtp(&mut sealed).is_some() && opener.open_rtcp(&mut report).is_some());
}

#[test]
fn a_replay_is_dropped() {
    let mut sealer = Sealer::new(Suite::AesCm128HmacSha1_80, &master());
    let mut opener = Opener::new(Suite::AesCm128HmacSha1_80, &master());
    let mut recorded = Vec::new();
    for index in 0..100_u64 {
        let mut sealed = packet(index as u16, b"speech");
        sealer.seal_rtp(&mut sealed, index);
        let mut report = hex("80c90001cafebabe");
        sealer.seal_rtcp(&mut report);
        recorded.push((sealed.clone(), report.clone()));
        assert!(opener.open_rtp(&mut sealed).is_some() && opener.open_rtcp(&mut report).is_some());
    }
    for (mut sealed, mut report) in recorded {
        assert_eq!((opener.open_rtp(&mut sealed), opener.open_rtcp(&mut report)), (None, None));
    }
}

#[test]
fn another_key_or_suite_opens_nothing() {
    let mut other = master();
    other.0[3] ^= 1;
    let mut sealed = packet(7, b"speech");
    Sealer::new(Suite::AesCm128HmacSha1_80, &master()).seal_rtp(&mut sealed, 7);
    assert_eq!(Opener::new(Suite::AesCm128HmacSha1_80, &other).open_rtp(&mut sealed.clone()), None);
    assert_eq!(Opener::new(Suite::AesCm128HmacSha1_32, &master()).open_rtp(&mut sealed), None);
    assert_eq!(format!("{other:?}"), "MasterKey", "keys are not shown");
}
