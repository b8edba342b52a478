use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn networks(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| parse_network(text).unwrap()).collect()
}

#[test]
fn an_absent_list_is_this_machine_and_an_empty_one_is_nobody() {
    let absent = Allowlist::parse::<&str>(None).unwrap();
    assert_eq!(absent, Allowlist::default());
    for (address, admitted) in [
        ("127.0.0.1", true),
        ("127.9.9.9", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("10.0.0.1", false),
    ] {
        assert_eq!(absent.admits(ip(address)), admitted, "{address}");
    }
    let empty = Allowlist::parse::<&str>(Some(&[])).unwrap();
    assert!(!empty.admits(ip("127.0.0.1")) && !empty.admits(ip("::1")));
}

#[test]
fn a_list_admits_what_it_lists() {
    let list =
        Allowlist::parse(Some(&["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "::ffff:198.51.100.0/120"]))
            .unwrap();
    for (address, admitted) in [
        ("10.255.0.1", true),
        ("::ffff:10.0.0.1", true),
        ("11.0.0.1", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("2001:db8:1::1", true),
        ("2001:db9::1", false),
        ("198.51.100.3", true),
        ("127.0.0.1", false),
    ] {
        assert_eq!(list.admits(ip(address)), admitted, "{address}");
    }
    let everybody_by_six = Allowlist::parse(Some(&["::/0"])).unwrap();
    assert!(!everybody_by_six.admits(ip("::ffff:10.0.0.1")), "an IPv4 client is not in an IPv6 network");
}

#[test]
fn what_is_no_network() {
    for bad in ["", "10.0.0.0/33", "10.0.0/8", "localhost", " 10.0.0.0/8", "10.0.0.0/8 ", "*"] {
        assert_eq!(Allowlist::parse(Some(&[bad])), Err(NetworkError::Form), "{bad:?}");
    }
    let meant = "10.0.0.0/8".parse().unwrap();
    assert_eq!(parse_network("10.0.0.1/8"), Err(NetworkError::HostBits(meant)));
}

#[track_caller]
fn check(peer: &str, forwarded: &[&str], expect: Result<&str, ForwardedError>) {
    let trusted = networks(&["10.0.0.0/8", "2001:db8::1"]);
    let got = client_ip(ip(peer), forwarded.iter().map(|value| value.as_bytes()), &trusted);
    assert_eq!(got, expect.map(ip));
}

#[test]
fn only_trusted_proxies_are_believed() {
    check("203.0.113.9", &["127.0.0.1"], Ok("203.0.113.9"));
    check("203.0.113.9", &["garbage"], Ok("203.0.113.9"));
    check("10.0.0.1", &[], Ok("10.0.0.1"));
    check("10.0.0.1", &["203.0.113.9"], Ok("203.0.113.9"));
    check("::ffff:10.0.0.1", &["::ffff:203.0.113.9"], Ok("203.0.113.9"));
    check("2001:db8::1", &["2001:db8::2"], Ok("2001:db8::2"));
}

#[test]
fn a_forged_prefix_has_no_influence() {
    check("10.0.0.1", &["127.0.0.1, 203.0.113.9"], Ok("203.0.113.9"));
    check("10.0.0.1", &["127.0.0.1", "203.0.113.9, 10.0.0.2"], Ok("203.0.113.9"));
    check("10.0.0.1", &["10.0.0.7, 203.0.113.9 ,\t10.0.0.2"], Ok("203.0.113.9"));
    check("10.0.0.1", &["<script>, 203.0.113.9"], Ok("203.0.113.9"));
    check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], Ok("10.0.0.3"));
}

#[test]
fn garbage_of_a_trusted_proxy_is_refused() {
    for bad in ["", "unknown", "203.0.113.9:80", "203.0.113.9,", "203.0.113.9, _hidden", "[2001:db8::2]"] {
        check("10.0.0.1", &[bad], Err(ForwardedError));
    }
    let trusted = networks(&["10.0.0.0/8"]);
    let opaque: [&[u8]; 1] = [b"\xff"];
    assert_eq!(client_ip(ip("10.0.0.1"), opaque.into_iter(), &trusted), Err(ForwardedError));
}
