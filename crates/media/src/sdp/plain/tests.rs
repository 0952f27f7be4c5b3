use super::*;
use crate::order::Sdes::{Never, Optional, Required};

const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

/// As Asterisk's `res_pjsip` writes it.
const ASTERISK: &str = "v=0\r\no=- 1290157263 1290157263 IN IP4 192.0.2.10\r\ns=Asterisk\r\nc=IN IP4 192.0.2.10\r\n\
    t=0 0\r\nm=audio 14318 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n\
    a=maxptime:150\r\na=sendrecv\r\n";
/// As baresip writes it.
const BARESIP: &str = "v=0\r\no=- 3212423 11342 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n\
    a=tool:baresip 1.0.0\r\nm=audio 20522 RTP/AVP 96 0 8 101\r\nb=AS:125\r\na=rtpmap:96 opus/48000/2\r\n\
    a=fmtp:96 stereo=1;sprop-stereo=1\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtcp:20523\r\na=sendrecv\r\na=label:1\r\n\
    a=rtcp-rsize\r\na=ssrc:2190230933 cname:sip:anna@192.0.2.20\r\na=ptime:20\r\n";
/// SIPp's built-in scenario: a static type and nothing else.
const SIPP: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\n";
/// As rtpengine behind Kamailio writes it: SRTP first, video, the address in each m-line, RTCP on the same port.
const RTPENGINE: &str = "v=0\r\no=- 9 2 IN IP4 198.51.100.4\r\ns=rtpengine\r\nt=0 0\r\n\
    m=audio 30010 RTP/SAVP 8 0 126\r\nc=IN IP4 198.51.100.4\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\na=sendrecv\r\na=rtcp:30010\r\na=rtcp-mux\r\n\
    a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n\
    a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n\
    m=video 30012 RTP/SAVP 97\r\nc=IN IP4 198.51.100.4\r\na=rtpmap:97 H264/90000\r\n\
    m=application 30014 UDP/BFCP *\r\n";

fn find(sdp: &str, secure: Sdes) -> Result<PlainAudio, Unsupported> {
    PlainAudio::find(&Description::parse(sdp)?, secure)
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn answered(sdp: &str, secure: Sdes, codec: Codec) -> String {
    let audio = find(sdp, secure).expect("an offer");
    let origin = Origin { id: 5, version: 1, address: address("203.0.113.7:20000").expect("an address") };
    let payloads = audio.payloads.with_any_events(codec);
    let crypto = &audio.crypto[..audio.crypto.len().min(1)];
    let stream = PlainStream {
        origin: &origin,
        profile: audio.profile,
        payloads: &payloads,
        direction: audio.direction,
        crypto,
        mux: audio.mux,
    };
    stream.among(audio.sections())
}

#[test]
fn what_exchanges_and_phones_offer_is_read() {
    use Codec::{G722, Opus, Pcma, Pcmu};
    for (sdp, codecs, rtp, rtcp, mux) in [
        (ASTERISK, &[G722, Pcma, Pcmu][..], "192.0.2.10:14318", "192.0.2.10:14319", false),
        (BARESIP, &[Opus, Pcmu, Pcma], "192.0.2.20:20522", "192.0.2.20:20523", false),
        (SIPP, &[Pcmu], "127.0.0.1:6000", "127.0.0.1:6001", false),
        (RTPENGINE, &[Pcma, Pcmu], "198.51.100.4:30010", "198.51.100.4:30010", true),
    ] {
        let audio = find(sdp, Optional).expect("an offer");
        assert_eq!(audio.payloads.codecs(), codecs);
        assert_eq!((audio.rtp, audio.rtcp, audio.mux), (address(rtp), address(rtcp), mux), "{sdp}");
        assert_eq!(audio.direction, Direction::SendRecv);
    }
}

#[test]
fn an_answer_has_one_codec_with_its_events_and_nothing_that_was_not_offered() {
    assert_eq!(
        answered(ASTERISK, Never, Codec::Pcma),
        "v=0\r\no=- 5 1 IN IP4 203.0.113.7\r\ns=-\r\nc=IN IP4 203.0.113.7\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    );
    let sipp = answered(SIPP, Never, Codec::Pcmu);
    assert!(sipp.contains("m=audio 20000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"), "{sipp}");
    assert!(!sipp.contains("telephone-event"), "{sipp}");
    let opus = answered(BARESIP, Never, Codec::Opus);
    assert!(opus.contains("RTP/AVP 96 101\r\n") && !opus.contains("mux"), "events of another clock: {opus}");
    let with_both = BARESIP.replace("a=rtcp:", "a=rtpmap:102 telephone-event/48000\r\na=rtcp:");
    let with_both = answered(&with_both.replace(" 101\r\n", " 101 102\r\n"), Never, Codec::Opus);
    assert!(with_both.contains("RTP/AVP 96 102\r\n"), "the codec's own clock comes first: {with_both}");
}

#[test]
fn an_answer_keeps_the_m_lines_in_order_with_profile_keys_and_multiplexing() {
    let sdp = answered(RTPENGINE, Required, Codec::Pcma);
    let lines: Vec<&str> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    let expected = ["m=audio 20000 RTP/SAVP 8 126", "m=video 0 RTP/SAVP 97", "m=application 0 UDP/BFCP *"];
    assert_eq!(lines, expected);
    assert!(
        sdp.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:") && sdp.contains("a=rtcp-mux"),
        "{sdp}"
    );
    assert_eq!(sdp.matches("a=crypto").count(), 1);
}

#[test]
fn protection_is_what_was_asked_for() {
    let plain = SIPP.to_owned();
    let keyed = format!("{SIPP}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    let both = format!("{RTPENGINE}m=audio 30020 RTP/AVP 8\r\nc=IN IP4 198.51.100.4\r\n");
    let unusable = RTPENGINE.replace("AES_CM_128", "AES_256");
    let dtls = SIPP.replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
    for (sdp, secure, expected) in [
        (&plain, Never, Some((Profile::Avp, 0))),
        (&plain, Optional, Some((Profile::Avp, 0))),
        (&plain, Required, None),
        (&keyed, Never, Some((Profile::Avp, 0))),
        (&keyed, Optional, Some((Profile::Avp, 1))),
        (&keyed, Required, Some((Profile::Avp, 1))),
        (&both, Never, Some((Profile::Avp, 0))),
        (&both, Optional, Some((Profile::Savp, 2))),
        (&both, Required, Some((Profile::Savp, 2))),
        (&unusable, Optional, None),
        (&unusable, Never, None),
        (&dtls, Optional, None),
    ] {
        match (find(sdp, secure), expected) {
            (Ok(audio), Some(expected)) => assert_eq!((audio.profile, audio.crypto.len()), expected, "{sdp}"),
            (Err(Unsupported::Protection { .. }), None) => {}
            (other, _) => panic!("{secure:?}: {other:?} for {sdp}"),
        }
    }
}

#[test]
fn every_form_of_hold_is_seen() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let zeros = SIPP.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    for (sdp, direction, has_address) in [
        (SIPP.to_owned(), SendRecv, true),
        (format!("{SIPP}a=sendonly\r\n"), SendOnly, true),
        (format!("{SIPP}a=recvonly\r\n"), RecvOnly, true),
        (format!("{SIPP}a=inactive\r\n"), Inactive, true),
        (zeros.clone(), SendOnly, false),
        (format!("{zeros}a=recvonly\r\n"), Inactive, false),
        (SIPP.replace("t=0 0\r\n", "t=0 0\r\na=inactive\r\n"), Inactive, true),
    ] {
        let audio = find(&sdp, Never).expect("an offer");
        assert_eq!((audio.direction, audio.rtp.is_some()), (direction, has_address), "{sdp}");
    }
}

#[test]
fn a_refused_stream_and_an_unknown_place_are_no_audio_and_no_address() {
    assert_eq!(find(&SIPP.replace(" 6000 ", " 0 "), Never).err(), Some(Unsupported::NoAudio));
    let image = SIPP.replace("m=audio 6000 RTP/AVP 0", "m=image 6000 udptl t38");
    assert_eq!(find(&image, Never).err(), Some(Unsupported::NoAudio));
    for place in ["IN IP4 phone.example.org", "IN IP4 1.2.3", "ATM NSAP 47"] {
        let audio =
            find(&SIPP.replace("IN IP4 127.0.0.1\r\nt", &format!("{place}\r\nt")), Never).expect("audio");
        assert_eq!((audio.rtp, audio.direction), (None, Direction::SendRecv), "{place}");
    }
    let six = find(&SIPP.replace("IN IP4 127.0.0.1\r\nt", "IN IP6 2001:db8::1\r\nt"), Never).expect("audio");
    assert_eq!(six.rtp, address("[2001:db8::1]:6000"));
    let last = find(&SIPP.replace(" 6000 ", " 65535 "), Never).expect("audio");
    assert_eq!(last.rtcp, None);
}

#[test]
fn our_offer_has_events_on_every_clock_in_use() {
    let origin = Origin { id: 5, version: 1, address: address("[2001:db8::7]:20000").expect("an address") };
    let payloads = plain_payloads(&Codec::ALL, &[]);
    let stream = PlainStream {
        origin: &origin,
        profile: Profile::Avp,
        payloads: &payloads,
        direction: Direction::SendRecv,
        crypto: &[],
        mux: false,
    };
    let sdp = stream.among(&[None]);
    for line in [
        "c=IN IP6 2001:db8::7",
        "m=audio 20000 RTP/AVP 111 9 0 8 101 110",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=ptime:20",
        "a=sendrecv",
    ] {
        assert!(sdp.lines().any(|known| known == line), "{line} missing in\n{sdp}");
    }
    assert_eq!(find(&sdp, Never).expect("our own offer").payloads.codecs(), Codec::ALL);
    assert_eq!(plain_payloads(&[Codec::Pcmu], &[]).len(), 2);
}
