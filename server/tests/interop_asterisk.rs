//! Asterisk against the real server: as a trunk by address, as a registrar, and as a phone. Sound is measured by tone.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::Server;
use common::asterisk::Asterisk;
use common::baresip::{Account, Baresip};
use common::outside::{ECHO, measures, stands, started, trunk};
use common::tone::{assert_tone, is_tone};
use common::tools::{free_port, wait_until};
use server::config::Digests;

/// Numbers of Asterisk's, by the trunk.
const OUT: &str = "[[route]]\nname = \"out\"\npatterns = [\"+331445099\"]\ntrunks = [\"asterisk\"]\n";

/// Numbers of ours, for two lines.
const LINES: &str = "[[number]]\nnumber = \"+33144500211\"\nto = \"line:1001\"\n\
                     [[number]]\nnumber = \"+33144500212\"\nto = \"line:1002\"\n";

/// Hotdesk and Asterisk, which know each other.
struct Site {
    asterisk: Asterisk,
    server: Server,
    /// Where Hotdesk takes SIP by UDP.
    udp: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Site {
    /// Starts both, Asterisk first: with its settings, and with what Hotdesk's trunk needs to know of it.
    async fn start(pjsip: &str, words: &[(&str, &str)], settings: impl FnOnce(&Asterisk) -> String) -> Site {
        // baresip chokes on others
        Site::asking_for(Digests::Md5, pjsip, words, settings).await
    }

    /// The same, with a Hotdesk that asks its phones for these digests.
    async fn asking_for(
        digest: Digests,
        pjsip: &str,
        words: &[(&str, &str)],
        settings: impl FnOnce(&Asterisk) -> String,
    ) -> Site {
        let udp = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let here = udp.to_string();
        let asterisk = Asterisk::start(pjsip, &[words, &[("HOTDESK", &here)]].concat());
        let settings = settings(&asterisk) + LINES + ECHO;
        let (dir, server) = started(&settings, |config| {
            config.sip.udp = Some(vec![udp]);
            config.sip.digest = digest;
        })
        .await;
        Site { asterisk, server, udp, _dir: dir }
    }

    /// Asterisk is a trunk that is known by its address, and speaks that codec without protection.
    async fn by_address(codec: &str) -> Site {
        let words = [("CODECS", codec), ("ENCRYPTION", "no"), ("DIRECT", "no")];
        let site = Site::start("trunk.conf", &words, |it| by("udp", it.port, BY_ADDRESS)).await;
        stands(&site.server, "asterisk", true).await;
        site
    }

    fn phone(&self, account: &Account) -> Baresip {
        Baresip::registered(account, self.udp)
    }

    fn dials(&self, phone: &Baresip, number: &str) {
        phone.command("dial", &format!("sip:{number}@{}", self.udp));
    }

    /// Alice's phone calls numbers of Asterisk's: it hears itself, a tone that hears it, and keys both ways.
    fn alice_calls_out(&self, codec: &str, secure: bool) {
        let (alice, asterisk) = (self.phone(&Account::of("1001", 440)), &self.asterisk);
        self.dials(&alice, "0144509901");
        asterisk.says(&format!("ECHO ({codec}) {}", u8::from(secure)), 1);
        alice.tells("CALL_ESTABLISHED", 1);
        listen_for_a_while();
        assert_tone(alice.hang_up(), 440);

        self.dials(&alice, "0144509902");
        asterisk.has_heard(1, 440);
        assert_tone(alice.hang_up(), 800);

        self.dials(&alice, "0144509903");
        asterisk.says("KEYS please", 1);
        for (number, key) in ["1", "2", "2", "3", "#"].into_iter().enumerate() {
            alice.command("sndcode", key);
            wait_until("the key arrives", || asterisk.log().matches("DTMF end passthrough").count() > number);
        }
        asterisk.says("KEYS were 1223 indeed", 1);
        alice.tells("CALL_DTMF_START", 4);
        listen_for_a_while();
        assert_eq!(keys_told(&alice), ["4", "7", "1", "1"]);
        alice.hang_up();
    }
}

fn listen_for_a_while() {
    std::thread::sleep(Duration::from_secs(2));
}

/// The keys that were pressed for a phone, in order.
fn keys_told(phone: &Baresip) -> Vec<String> {
    let told = phone.told();
    let events = told.split("CALL_DTMF_START").skip(1);
    events.map(|event| event.split("\"param\":\"").nth(1).unwrap()[..1].to_owned()).collect()
}

/// A trunk to Asterisk by that transport, and the way to it.
fn by(transport: &str, port: u16, rest: &str) -> String {
    trunk("asterisk", port, &format!("transport = \"{transport}\"\n{rest}")) + OUT
}

/// Calls of its own are known by where they come from.
const BY_ADDRESS: &str = "identify = \"address\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_out_by_udp() {
    Site::by_address("alaw").await.alice_calls_out("alaw", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_out_by_tcp() {
    let words = [("CODECS", "ulaw"), ("ENCRYPTION", "no"), ("DIRECT", "no")];
    let site = Site::start("trunk.conf", &words, |it| by("tcp", it.port, "")).await;
    stands(&site.server, "asterisk", true).await;
    site.alice_calls_out("ulaw", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_out_by_tls_with_its_sound_protected() {
    let words = [("CODECS", "g722"), ("ENCRYPTION", "sdes"), ("DIRECT", "no")];
    let site = Site::start("trunk.conf", &words, |it| {
        let ca = it.ca.display();
        let rest = format!("certificate_name = \"asterisk.test\"\nca = \"{ca}\"\nsrtp = \"required\"");
        by("tls", it.tls, &rest)
    })
    .await;
    stands(&site.server, "asterisk", true).await;
    site.alice_calls_out("g722", true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_calls_out_by_websocket() {
    let words = [("CODECS", "alaw"), ("ENCRYPTION", "no"), ("DIRECT", "no")];
    let site = Site::start("trunk.conf", &words, |it| by("ws", it.http, "")).await;
    stands(&site.server, "asterisk", true).await;
    site.alice_calls_out("alaw", false);
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_calls_the_echo_test_and_hears_itself() {
    let site = Site::by_address("ulaw").await;
    site.asterisk.calls("+33144500219", "tone");
    site.asterisk.has_heard(1, 800);
    measures(&site.server, "hotdesk_calls 1").await;
    site.asterisk.asked("channel request hangup all");
    site.asterisk.says("ENDED ANSWER Normal Clearing", 1);
    measures(&site.server, "hotdesk_calls 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_calls_a_phone_and_either_hangs_up() {
    let site = Site::by_address("g722").await;
    let alice = site.phone(&Account { answers: true, ..Account::of("1001", 440) });
    site.asterisk.calls("+33144500211", "tone");
    site.asterisk.has_heard(1, 440);
    assert_tone(alice.hang_up(), 800);
    site.asterisk.says("ENDED ANSWER Normal Clearing", 1);

    site.asterisk.calls("+33144500211", "tone");
    site.asterisk.has_heard(2, 440);
    site.asterisk.asked("channel request hangup all");
    alice.tells("CALL_CLOSED", 2);
    assert_tone(alice.heard(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tells_the_other_why_it_takes_no_call() {
    let site = Site::by_address("alaw").await;
    let alice = site.phone(&Account::of("1001", 440));
    site.asterisk.calls("+33144500211", "tone");
    alice.tells("CALL_INCOMING", 1);
    alice.command("hangup", "");
    site.asterisk.says("ENDED BUSY User busy", 1);

    site.asterisk.calls("+33144500299", "tone");
    site.asterisk.says("ENDED CHANUNAVAIL Unallocated (unassigned) number", 1);

    site.dials(&alice, "0144509904");
    alice.tells("486 Busy Here", 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asterisk_holds_hears_its_partner_again() {
    let site = Site::by_address("ulaw").await;
    let alice = site.phone(&Account { answers: true, ..Account::of("1001", 440) });
    let desk = Baresip::registered(&Account::of("2001", 620), site.asterisk.address());
    desk.command("dial", &format!("sip:+33144500211@{}", site.asterisk.address()));
    alice.tells("CALL_ESTABLISHED", 1);
    listen_for_a_while();
    assert_tone(alice.heard(), 620);
    desk.command("hold", "");
    site.asterisk.logs("a=sendonly", 2);
    listen_for_a_while();
    let (held, rate) = alice.heard();
    assert!(!is_tone(&held, rate, 620.0));
    assert!(held.iter().rev().take(4_000).any(|sample| sample.abs() > 500.0), "music plays");
    desk.command("resume", "");
    listen_for_a_while();
    assert_tone(alice.hang_up(), 620);
    desk.tells("CALL_CLOSED", 1);
    assert_tone(desk.heard(), 440);
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_between_two_phones_lets_their_sound_pass_it_by() {
    let words = [("CODECS", "ulaw"), ("ENCRYPTION", "no"), ("DIRECT", "yes")];
    let site = Site::start("trunk.conf", &words, |it| by("udp", it.port, BY_ADDRESS)).await;
    stands(&site.server, "asterisk", true).await;
    let alice = site.phone(&Account::of("1001", 440));
    let bruno = site.phone(&Account { answers: true, ..Account::of("1002", 620) });
    site.dials(&alice, "0144509905");
    alice.tells("CALL_ESTABLISHED", 1);
    site.asterisk.logs("Remotely bridged", 1);
    listen_for_a_while();
    assert_tone(alice.hang_up(), 620);
    bruno.tells("CALL_CLOSED", 1);
    assert_tone(bruno.heard(), 440);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_sends_nobody_on_to_others() {
    let site = Site::by_address("ulaw").await;
    let alice = site.phone(&Account { answers: true, ..Account::of("1001", 440) });
    let carla = site.phone(&Account { answers: true, ..Account::of("1003", 620) });
    site.asterisk.asked("channel originate PJSIP/+33144500211@hotdesk extension transfer@stories");
    site.asterisk.says("TRANSFER FAILURE", 1);
    site.asterisk.has_heard(1, 440);
    assert_tone(alice.hang_up(), 800);
    assert!(!carla.told().contains("CALL_INCOMING"), "{}", carla.told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_refreshed_in_the_time_that_was_agreed() {
    let site = Site::by_address("ulaw").await;
    site.asterisk.calls("+33144500219", "tone");
    site.asterisk.has_heard(1, 800);
    // Hotdesk's refresh at half time, and the answer
    site.asterisk.logs("Session-Expires: 90;refresher=uac", 2);
    listen_for_a_while();
    site.asterisk.has_heard(1, 800);
    measures(&site.server, "hotdesk_calls 1").await;
    site.asterisk.asked("channel request hangup all");
    site.asterisk.says("ENDED ANSWER Normal Clearing", 1);
}

/// Hotdesk's trunk with an account at Asterisk.
fn account(port: u16, transport: &str, user: &str, password: &str) -> String {
    let rest = format!("register = true\nuser = \"{user}\"\npassword = \"{password}\"\nrealm = \"asterisk\"");
    by(transport, port, &rest)
}

/// By a registration calls go out, to whoever it is that registers, and come in.
async fn calls_by_a_registration(transport: &str, user: &str, dialled: &str) {
    let words = [("ACCOUNT", user)];
    let site = Site::start("registrar.conf", &words, |it| account(it.port, transport, user, "secret")).await;
    stands(&site.server, "asterisk", true).await;
    site.alice_calls_out("alaw", false);
    site.asterisk.asked(&format!("channel originate PJSIP/{dialled} extension tone@stories"));
    site.asterisk.has_heard(2, 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_both_ways_by_a_registration_by_udp() {
    // by UDP only the account itself may be called, which this carrier names by its number
    calls_by_a_registration("udp", "+33144500219", "+33144500219").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_both_ways_by_a_registration_by_tcp() {
    calls_by_a_registration("tcp", "acc7", "+33144500219@acc7").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_leaves_the_trunk_down() {
    let words = [("ACCOUNT", "acc7")];
    let site = Site::start("registrar.conf", &words, |it| account(it.port, "udp", "acc7", "guessed")).await;
    let refused = "hotdesk_trunk_refused_us_total{trunk=\"asterisk\"} 1";
    measures(&site.server, refused).await;
    stands(&site.server, "asterisk", false).await;
    assert!(site.asterisk.asked("pjsip show contacts").contains("No objects found"));
}

/// Asterisk has registered as the phone 1002.
fn is_registered(asterisk: &Asterisk) {
    wait_until("Asterisk registers", || asterisk.asked("pjsip show registrations").contains("Registered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_is_a_phone_that_calls_a_colleague_and_is_called() {
    let site = Site::start("device.conf", &[], |_| String::new()).await;
    is_registered(&site.asterisk);
    let alice = site.phone(&Account { answers: true, ..Account::of("1001", 440) });
    site.asterisk.calls("1001", "tone");
    site.asterisk.has_heard(1, 440);
    assert_tone(alice.hang_up(), 800);
    site.asterisk.says("ENDED ANSWER Normal Clearing", 1);

    site.dials(&alice, "1002");
    site.asterisk.says("TONE begins", 2);
    site.asterisk.has_heard(2, 440);
    assert_tone(alice.hang_up(), 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_chooses_among_digests_and_hears_itself() {
    let site = Site::asking_for(Digests::Any, "device.conf", &[], |_| String::new()).await;
    is_registered(&site.asterisk);
    site.asterisk.calls("*55", "tone");
    site.asterisk.has_heard(1, 800);
}

#[tokio::test(flavor = "multi_thread")]
async fn asterisk_as_a_phone_sends_its_call_on_to_a_colleague() {
    let site = Site::start("device.conf", &[], |_| String::new()).await;
    let alice = site.phone(&Account { answers: true, ..Account::of("1001", 440) });
    let carla = site.phone(&Account { answers: true, ..Account::of("1003", 620) });
    site.asterisk.asked("channel originate PJSIP/1001@hotdesk extension transfer@stories");
    carla.tells("CALL_ESTABLISHED", 1);
    listen_for_a_while();
    assert_tone(alice.hang_up(), 620);
    carla.tells("CALL_CLOSED", 1);
    assert_tone(carla.heard(), 440);
}
