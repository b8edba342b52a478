//! Who vouches for workloads, and what nobody can be trusted with.

use mantlet_gate::identity::token::{Algorithm, TokenType};

use super::*;

/// An issuer with these lines in its section.
fn issuer(lines: &str) -> String {
    let issuer = "issuer = \"https://ci.example\"\naudience = \"gate\"\njwks = \"https://ci.example/keys\"\n";
    let given: Vec<&str> =
        lines.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
    let rest: Vec<&str> = issuer
        .lines()
        .filter(|line| line.split_once(" = ").is_some_and(|(key, _)| !given.contains(&key)))
        .collect();
    format!("[[identity.issuer]]\nname = \"ci\"\n{}\n{lines}\n", rest.join("\n"))
}

#[test]
fn an_issuer_is_strict_unless_said_otherwise() {
    let config = load(&issuer(""));
    let [listed] = config.identity.issuers.as_slice() else { panic!("one issuer") };
    assert_eq!(listed.rules.algorithms, [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256]);
    assert_eq!(listed.rules.typ, TokenType::AccessToken);
    let KeySource::Fetched { origin, path, ca, networks, max_age } = &listed.keys else { panic!("fetched") };
    assert_eq!((origin.as_str(), path.as_str()), ("https://ci.example", "/keys"));
    assert_eq!((ca, networks.len(), max_age.as_secs()), (&None, 0, 300));
    let report = config.report();
    let row = report.settings.iter().find(|row| row.setting == "identity.issuer").unwrap();
    assert_eq!((&row.value[0]["typ"], row.reloadable), (&serde_json::json!("at+jwt"), true));
}

#[test]
fn an_issuer_cannot_be_trusted_with_everything() {
    let wrong = |lines: &str, message: &str, at: &str, hint: &str| check(&issuer(lines), message, at, hint);
    let no_choice = "`identity.issuer.algorithms` has no such choice";
    for algorithm in ["HS256", "none", "RS1", "es256", "RS512"] {
        wrong(&format!("algorithms = [\"{algorithm}\"]"), no_choice, &format!("\"{algorithm}\""), "");
    }
    wrong("algorithms = []", "an issuer without algorithms signs nothing", "\"ci\"", "`ES256`");
    wrong("typ = \"any\"", "`identity.issuer.typ` has no such choice", "\"any\"", "`at+jwt`");
    wrong(
        "issuer = \"http://ci.example\"",
        "`identity.issuer.issuer` is no issuer",
        "\"http://ci.example\"",
        "https://",
    );
    wrong("audience = \"\"", "`identity.issuer.audience` cannot be in a token", "\"\"", "printable");
    for url in
        ["http://ci.example/keys", "https://ci.example", "https://u@ci.example/k", "https://ci.example/k?x"]
    {
        let errors = Config::load(&issuer(&format!("jwks = \"{url}\"")), Overlay::default()).unwrap_err().0;
        assert!(errors[0].to_string().starts_with("`identity.issuer.jwks`: "), "{url}: {}", errors[0]);
    }
    wrong("jwks_file = \"/k\"", "an issuer's keys are in one place", "\"ci\"", "jwks_file");
    wrong("max_age_s = 9", "`identity.issuer.max_age_s` is out of range", "9", "from 10 to 3000");
    wrong("networks = [\"x\"]", "`identity.issuer.networks` has something that is no network", "\"x\"", "");
    wrong("secretly = 1", "unknown key `secretly` in `[identity.issuer]`", "secretly", "");
    let twice = issuer("") + &issuer("");
    let errors = Config::load(&twice, Overlay::default()).unwrap_err().0;
    assert_eq!(errors[0].to_string(), "two sections for issuer `ci`");
}

#[test]
fn a_trust_domain_has_one_section_and_a_name() {
    let domain = |name: &str| format!("[[identity.trust_domain]]\nname = \"{name}\"\nca = \"/ca.pem\"\n");
    let config = load(&(domain("prod.example") + &domain("dev.example")));
    assert_eq!(config.identity.trust_domains.len(), 2);
    let twice = domain("prod.example") + &domain("prod.example");
    let errors = Config::load(&twice, Overlay::default()).unwrap_err().0;
    assert_eq!(errors[0].to_string(), "two sections for trust domain `prod.example`");
    for name in ["spiffe://prod.example", "Prod.example", "prod.example/a", ""] {
        let errors = Config::load(&domain(name), Overlay::default()).unwrap_err().0;
        assert!(errors[0].to_string().starts_with("a trust domain has"), "{name}: {}", errors[0]);
    }
    let relative = "[[identity.trust_domain]]\nname = \"a\"\nca = \"ca.pem\"\n";
    check(relative, "`identity.trust_domain.ca` is not an absolute path", "\"ca.pem\"", "whole path");
    let many: String = (0..33).map(|number| domain(&format!("d{number}.example"))).collect();
    let errors = Config::load(&many, Overlay::default()).unwrap_err().0;
    assert_eq!(errors[0].to_string(), "there can be at most 32 trust domains");
}

#[test]
fn names_are_the_home_project_s_unless_given_to_others() {
    let domain = |lines: &str| {
        format!("[[identity.trust_domain]]\nname = \"prod.example\"\nca = \"/ca.pem\"\n{lines}\n")
    };
    let shown = |config: &Config, setting: &str| {
        let report = config.report();
        report.settings.iter().find(|row| row.setting == setting).unwrap().value[0]["projects"].clone()
    };
    let config = load(&(domain("") + &issuer("")));
    assert_eq!(shown(&config, "identity.trust_domain"), serde_json::json!({ "home": "/" }));
    assert_eq!(shown(&config, "identity.issuer"), serde_json::json!({ "home": "" }));
    let config = load(&domain("projects = { red = \"/ns/red\", blue = \"/ns/blue/\" }"));
    let given = serde_json::json!({ "red": "/ns/red", "blue": "/ns/blue/" });
    assert_eq!(shown(&config, "identity.trust_domain"), given);
    check(
        &domain("projects = { red = \"ns/red\" }"),
        "`identity.trust_domain.projects` has something that no name begins with",
        "\"ns/red\"",
        "/ns/red",
    );
    check(
        &domain("projects = { \"no such name\" = \"/\" }"),
        "`identity.trust_domain.projects` has something that is no project's name",
        "\"/\"",
        "project create",
    );
}
