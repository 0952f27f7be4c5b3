//! SRTP and SRTCP (RFC 3711) with keys that signalling has carried (RFC 4568).
//!
//! A [`Sealer`] protects what we send and an [`Opener`] takes in what a peer sends, each with one master key.
//! Both work in place; the key schedules and the keyed state of the HMAC are made once.

mod window;

use std::fmt;

use aes::Aes128;
use ctr::cipher::{InnerIvInit as _, KeyInit as _, StreamCipher as _};
use ctr::{Ctr128BE, CtrCore};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use crate::rtp::Header;
pub(crate) use window::Window;

/// Key and salt, as `inline:` carries them (RFC 4568 §6.1).
pub(crate) const MASTER_LEN: usize = KEY_LEN + SALT_LEN;
const KEY_LEN: usize = 16;
const SALT_LEN: usize = 14;
const AUTH_KEY_LEN: usize = 20;
/// SRTCP is authenticated with 80 bits in both suites (RFC 4568 §6.2.2).
const RTCP_TAG_LEN: usize = 10;
const RTCP_HEADER_LEN: usize = 8;
const RTCP_INDEX_LEN: usize = 4;
/// The E bit: the packet is encrypted (RFC 3711 §3.4).
const ENCRYPTED: u32 = 0x8000_0000;
/// Synchronisation sources under one key. A call has one, and another for each transfer behind the peer.
const MAX_SOURCES: usize = 64;

/// The crypto suites of RFC 4568 §6.2 that we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    AesCm128HmacSha1_80,
    AesCm128HmacSha1_32,
}

impl Suite {
    pub(crate) const ALL: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// Bytes of the tag after each RTP packet.
    const fn tag_len(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 => 4,
        }
    }
}

/// A master key and its salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MasterKey(pub(crate) [u8; MASTER_LEN]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Protects what one side sends.
pub(crate) struct Sealer {
    suite: Suite,
    rtp: Keys,
    rtcp: Keys,
    rtcp_index: u32,
}

/// Takes in what the other side sends: authentic, and each packet once.
pub(crate) struct Opener {
    suite: Suite,
    rtp: Keys,
    rtcp: Keys,
    sources: Vec<Source>,
}

/// The session keys of one protocol and direction.
struct Keys {
    cipher: Aes128,
    salt: [u8; SALT_LEN],
    mac: Hmac<Sha1>,
}

/// What was taken in of one synchronisation source.
struct Source {
    ssrc: u32,
    rtp: Window,
    rtcp: Window,
}

impl Sealer {
    pub(crate) fn new(suite: Suite, master: &MasterKey) -> Self {
        Sealer { suite, rtp: Keys::of_rtp(master), rtcp: Keys::of_rtcp(master), rtcp_index: 0 }
    }

    /// Encrypts the payload of an RTP packet and appends the tag. `index` is its extended sequence number.
    pub(crate) fn seal_rtp(&self, packet: &mut Vec<u8>, index: u64) {
        let Some(header) = Header::parse(packet) else { return };
        self.rtp.apply(header.ssrc, index, &mut packet[header.length..]);
        let tag = self.rtp.tag(packet, &rollover(index).to_be_bytes());
        packet.extend_from_slice(&tag[..self.suite.tag_len()]);
    }

    /// Encrypts a compound RTCP packet behind its first header, and appends index and tag.
    pub(crate) fn seal_rtcp(&mut self, packet: &mut Vec<u8>) {
        let Some(ssrc) = rtcp_ssrc(packet) else { return };
        self.rtcp_index = (self.rtcp_index + 1) & !ENCRYPTED;
        self.rtcp.apply(ssrc, self.rtcp_index.into(), &mut packet[RTCP_HEADER_LEN..]);
        packet.extend_from_slice(&(self.rtcp_index | ENCRYPTED).to_be_bytes());
        let tag = self.rtcp.tag(packet, &[]);
        packet.extend_from_slice(&tag[..RTCP_TAG_LEN]);
    }
}

impl Opener {
    pub(crate) fn new(suite: Suite, master: &MasterKey) -> Self {
        Opener { suite, rtp: Keys::of_rtp(master), rtcp: Keys::of_rtcp(master), sources: Vec::new() }
    }

    /// Checks and decrypts an RTP packet. What comes back is its length without the tag, and its extended
    /// sequence number; nothing, for a packet that is not authentic or was taken before.
    pub(crate) fn open_rtp(&mut self, packet: &mut [u8]) -> Option<(usize, u64)> {
        let length = packet.len().checked_sub(self.suite.tag_len())?;
        let header = Header::parse(&packet[..length])?;
        let known = self.sources.iter().find(|source| source.ssrc == header.ssrc);
        let index = known.map_or(Some(header.sequence.into()), |known| known.rtp.extend(header.sequence))?;
        if known.is_some_and(|known| !known.rtp.admits(index)) {
            return None;
        }
        let (covered, tag) = packet.split_at_mut(length);
        self.rtp.verify(covered, &rollover(index).to_be_bytes(), tag)?;
        self.rtp.apply(header.ssrc, index, &mut covered[header.length..]);
        self.source(header.ssrc)?.rtp.note(index);
        Some((length, index))
    }

    /// Checks and decrypts a compound RTCP packet; its length without index and tag.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Option<usize> {
        let tag_at = packet.len().checked_sub(RTCP_TAG_LEN)?;
        let length = tag_at.checked_sub(RTCP_INDEX_LEN).filter(|length| *length >= RTCP_HEADER_LEN)?;
        let ssrc = rtcp_ssrc(packet)?;
        let word = u32::from_be_bytes(*packet[length..].first_chunk()?);
        let index = u64::from(word & !ENCRYPTED);
        let known = self.sources.iter().find(|source| source.ssrc == ssrc);
        if known.is_some_and(|known| !known.rtcp.admits(index)) {
            return None;
        }
        let (covered, tag) = packet.split_at_mut(tag_at);
        self.rtcp.verify(covered, &[], tag)?;
        if word & ENCRYPTED != 0 {
            self.rtcp.apply(ssrc, index, &mut covered[RTCP_HEADER_LEN..length]);
        }
        self.source(ssrc)?.rtcp.note(index);
        Some(length)
    }

    /// The state of an authentic source. Beyond the limit there is none: forgetting an old one would let its
    /// packets be replayed.
    fn source(&mut self, ssrc: u32) -> Option<&mut Source> {
        let place = match self.sources.iter().position(|source| source.ssrc == ssrc) {
            Some(place) => place,
            None if self.sources.len() < MAX_SOURCES => {
                self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
                self.sources.len() - 1
            }
            None => return None,
        };
        self.sources.get_mut(place)
    }
}

impl Keys {
    fn of_rtp(master: &MasterKey) -> Keys {
        Keys::derive(master, 0)
    }

    fn of_rtcp(master: &MasterKey) -> Keys {
        Keys::derive(master, 3)
    }

    /// RFC 3711 §4.3.1 with a key derivation rate of zero; labels stand in the order key, authentication, salt.
    fn derive(master: &MasterKey, first_label: u8) -> Keys {
        let (mut key, mut auth, mut salt) = ([0; KEY_LEN], [0; AUTH_KEY_LEN], [0; SALT_LEN]);
        derive(master, first_label, &mut key);
        derive(master, first_label + 1, &mut auth);
        derive(master, first_label + 2, &mut salt);
        let mac = Hmac::new_from_slice(&auth).expect("HMAC takes keys of any length");
        Keys { cipher: Aes128::new(&key.into()), salt, mac }
    }

    /// Encrypts or decrypts (RFC 3711 §4.1.1).
    fn apply(&self, ssrc: u32, index: u64, bytes: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..SALT_LEN].copy_from_slice(&self.salt);
        mix(&mut iv[4..8], &ssrc.to_be_bytes());
        mix(&mut iv[8..14], &index.to_be_bytes()[2..]);
        apply_keystream(&self.cipher, iv, bytes);
    }

    fn tag(&self, covered: &[u8], rollover: &[u8]) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(covered);
        mac.update(rollover);
        mac.finalize().into_bytes().into()
    }

    fn verify(&self, covered: &[u8], rollover: &[u8], tag: &[u8]) -> Option<()> {
        let mut mac = self.mac.clone();
        mac.update(covered);
        mac.update(rollover);
        mac.verify_truncated_left(tag).ok()
    }
}

fn derive(master: &MasterKey, label: u8, key: &mut [u8]) {
    let (master_key, master_salt) = master.0.split_at(KEY_LEN);
    let mut iv = [0; 16];
    iv[..SALT_LEN].copy_from_slice(master_salt);
    iv[7] ^= label;
    let cipher = Aes128::new_from_slice(master_key).expect("a key of AES-128 has 16 bytes");
    apply_keystream(&cipher, iv, key);
}

fn apply_keystream(cipher: &Aes128, iv: [u8; 16], bytes: &mut [u8]) {
    let core = CtrCore::inner_iv_init(cipher, &iv.into());
    Ctr128BE::from_core(core).apply_keystream(bytes);
}

fn mix(into: &mut [u8], with: &[u8]) {
    for (byte, other) in into.iter_mut().zip(with) {
        *byte ^= other;
    }
}

/// The rollover counter of an extended sequence number, which has 48 bits.
fn rollover(index: u64) -> u32 {
    (index >> 16) as u32
}

fn rtcp_ssrc(packet: &[u8]) -> Option<u32> {
    packet.get(4..RTCP_HEADER_LEN)?.try_into().ok().map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests;
