use super::*;

#[test]
fn addresses_are_read_with_their_port() {
    for (address, host, port) in [
        ("sip.example.org", "sip.example.org", None),
        ("sip.example.org:5080", "sip.example.org", Some(5080)),
        ("192.0.2.7:5060", "192.0.2.7", Some(5060)),
        ("[2001:db8::1]:5060", "2001:db8::1", Some(5060)),
        ("[2001:db8::1]", "2001:db8::1", None),
        ("2001:db8::1", "2001:db8::1", None),
    ] {
        let trunk = Trunk::from_text("t", &format!("address = \"{address}\"")).unwrap();
        assert_eq!(trunk.host_and_port(), (host, port), "{address}");
        assert_eq!(trunk.fault(), None, "{address}");
    }
}

#[test]
fn a_trunk_that_cannot_work_is_told_by_its_key() {
    for (settings, key) in [
        ("address = \"a b\"", "trunk.address"),
        ("address = \"a:99999\"", "trunk.address"),
        ("address = \"a:0\"", "trunk.address"),
        ("address = \"a\"\nregister = true", "trunk.register"),
        ("address = \"a\"\nuser = \"u\"\npassword = \"p\"", "trunk.password"),
        ("address = \"a\"\nclient_key = \"k\"", "trunk.client_cert"),
        ("address = \"a\"\nidentify = \"certificate\"", "trunk.identify"),
        ("address = \"a\"\nidentify = \"address\"\ntransport = \"tls\"", "trunk.identify"),
        ("address = \"a\"\nidentify = \"address\"", "trunk.identify"),
        ("address = \"a\"\ncodecs = []", "trunk.codecs"),
        ("address = \"a\"\nsrtp = \"required\"", "trunk.srtp"),
        ("address = \"a\"\nexpires = 1", "trunk.expires"),
    ] {
        let trunk = Trunk::from_text("t", settings).unwrap();
        assert_eq!(trunk.fault().map(|(key, _)| key), Some(key), "{settings}");
    }
    assert!(Trunk::from_text("t", "address = \"a\"\ncolour = 1").unwrap_err().contains("colour"));
    let shown = Trunk::from_text("t", "address = \"a\"\npassword = \"hidden\"").unwrap();
    assert!(!format!("{shown:?}").contains("hidden"));
}

#[test]
fn a_number_rings_what_there_is() {
    for (text, ringing) in [
        ("line:1001", Ringing::Line("1001".parse().unwrap())),
        ("user:anna", Ringing::User("anna".into())),
        ("echo", Ringing::Echo),
    ] {
        assert_eq!(Ringing::try_from(text.to_owned()), Ok(ringing));
    }
    for (text, says) in [
        ("queue:sales", "no queue"),
        ("voicemail:1", "no voicemail"),
        ("x", "not known"),
        ("line:x", "no line"),
    ] {
        let error = Ringing::try_from(text.to_owned()).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
