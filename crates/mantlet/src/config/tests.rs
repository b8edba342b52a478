//! What is accepted, what is refused and how it is said.

mod releases;
mod workloads;

use miette::Diagnostic;
use proptest::prelude::*;

use super::*;

fn load(text: &str) -> Config {
    Config::load(text, Overlay::default()).unwrap_or_else(|errors| panic!("{text}\n{:?}", errors.0))
}

/// The only error of a text: message, the text that it points at, advice.
fn check(text: &str, message: &str, pointed_at: &str, hint: &str) {
    let errors = Config::load(text, Overlay::default()).unwrap_err().0;
    let [error] = errors.as_slice() else { panic!("{text}: {errors:?}") };
    assert_eq!(error.to_string(), message, "{text}");
    let span = error.span().unwrap_or(0..0);
    assert_eq!(&text[span], pointed_at, "{text}");
    assert!(error.advice().unwrap_or_default().contains(hint), "{text}: {:?}", error.advice());
}

#[test]
fn nothing_is_the_strictest_configuration() {
    let config = load("");
    assert!(config.server.listen.ip().is_loopback());
    assert_eq!(config.server.allow, Allowlist::Loopback);
    assert_eq!(config.danger, Danger::default());
    assert_eq!(config.dangers(), Vec::<&str>::new());
    assert_eq!(config.audit.durability, Durability::Group);
    assert_eq!(config.limits.rate_per_minute, 60);
    assert_eq!(config.server.body_bytes_max, mantlet_types::limits::BODY_BYTES_MAX);
    assert!(config.report().settings.iter().all(|row| row.source == "default" && row.value == row.default));
}

#[test]
fn everything_can_be_said() {
    let config = load(
        r#"
        [server]
        listen = "0.0.0.0:443"
        allow = ["10.0.0.0/8", "192.0.2.7"]
        trusted_proxies = ["10.1.0.0/16"]
        probe_listen = "127.0.0.1:8080"
        names = ["gate.example.com", "10.0.0.1"]
        certificate = "/etc/gate.pem"
        key = "/etc/gate.key"
        grpc_reflection = true
        strict = true
        connections_max = 100
        body_bytes_max = 4096
        handshake_timeout_ms = 1000
        header_timeout_ms = 2000
        body_timeout_ms = 3000
        inference_timeout_ms = 4000
        drain_timeout_ms = 5000
        [identity]
        owner = "alice"
        key_days = 30
        key_overlap_hours = 0
        [[identity.trust_domain]]
        name = "prod.example"
        ca = "/etc/prod.pem"
        [[identity.issuer]]
        name = "ci"
        issuer = "https://ci.example"
        audience = "https://gate.example"
        jwks_file = "/etc/ci.jwks"
        [limits]
        rate_per_minute = 1
        failures_per_minute = 2
        denials_per_minute = 3
        url_minutes_max = 5
        [[model]]
        name = "breast-cancer"
        threshold = 0.9
        [[model]]
        name = "other"
        upstream = "triton"
        hold = "sampled"
        hold_sample = 0.5
        [[upstream]]
        name = "triton"
        url = "http://triton.internal:8000/path"
        [[route]]
        name = "assistant"
        upstream = "https://models.example/v1"
        models = ["small"]
        [review]
        days = 1
        pending_per_principal = 10
        [audit]
        durability = "os"
        anchors = ["/srv/anchor"]
        node = "node-7"
        [store]
        root_key = "file:/etc/root.key"
        [log]
        format = "json"
        level = "debug"
        [danger]
        single_person = true
        audit_os = true
        threshold_lowered = true
        upstream_plaintext = true
        guard_off = true
        "#,
    );
    // Every setting but one (plaintext cannot be had away from loopback) differs from its default.
    let same: Vec<_> = config
        .report()
        .settings
        .into_iter()
        .filter(|row| row.value == row.default)
        .map(|row| row.setting)
        .collect();
    assert_eq!(same, ["danger.plaintext"]);
    assert_eq!(
        config.server.allow,
        Allowlist::Listed(vec!["10.0.0.0/8".parse().unwrap(), "192.0.2.7/32".parse().unwrap()])
    );
}

#[test]
fn a_models_answers_are_held_as_it_is_said() {
    let hold = |said: &str| {
        let config = load(&format!("[[model]]\nname = \"loans\"\n{said}"));
        config.models.values().next().unwrap().hold
    };
    assert_eq!(hold(""), Hold::Never);
    assert_eq!(hold("hold = \"never\""), Hold::Never);
    assert_eq!(hold("hold = \"below_threshold\""), Hold::BelowThreshold);
    assert_eq!(hold("hold = \"always\""), Hold::Always);
    assert_eq!(hold("hold = \"sampled\""), Hold::Sampled(0.01));
    assert_eq!(hold("hold = \"sampled\"\nhold_sample = 1.0"), Hold::Sampled(1.0));
    for (said, wrong) in [
        ("hold = \"sometimes\"", "`model.hold` has no such choice"),
        ("hold = \"sampled\"\nhold_sample = 0.0", "`hold_sample` is out of range"),
        ("hold = \"sampled\"\nhold_sample = nan", "`hold_sample` is out of range"),
        ("hold = \"always\"\nhold_sample = 0.5", "`hold_sample` without `hold = \"sampled\"`"),
        ("hold_sample = 0.5", "`hold_sample` without `hold = \"sampled\"`"),
        ("[review]\ndays = 8", "`review.days` is out of range"),
        ("[review]\ndays = 0", "`review.days` is out of range"),
    ] {
        let text = format!("[[model]]\nname = \"loans\"\n{said}");
        let errors = Config::load(&text, Overlay::default()).unwrap_err().to_string();
        assert!(errors.contains(wrong), "{said}: {errors}");
    }
}

#[test]
fn upstreams_are_said_once_and_whole() {
    let upstream = |keys: &str| format!("[[upstream]]\nname = \"there\"\n{keys}");
    let config = load(&upstream(
        "url = \"https://[2001:db8::1]:8443/v\"\nca = \"/ca.pem\"\ncertificate = \"/c.pem\"\nkey = \"/c.key\"\n\
         networks = [\"10.0.0.0/8\"]\nconnect_timeout_ms = 10\ntimeout_ms = 20\nretries = 0\nconcurrent_max = 2\n\
         reply_bytes_max = 2048\nprotocol = \"json\"\nforward = [\"request_id\", \"request_id\", \"address\"]\n\
         probe_interval_ms = 30",
    ));
    let there = config.upstreams.values().next().unwrap();
    assert_eq!(there.forward, [Forward::RequestId, Forward::Address]);
    assert_eq!((there.protocol, there.retries, there.concurrent_max), (TensorForm::Json, 0, 2));
    // The strictest is what nobody has to say.
    let plain = load(&upstream("url = \"https://models.example\""));
    let there = plain.upstreams.values().next().unwrap();
    assert!(there.forward.is_empty() && there.networks.is_empty() && there.certificate.is_none());
    for local in ["http://127.0.0.1:8000", "http://[::1]:8000", "http://localhost"] {
        load(&upstream(&format!("url = \"{local}\"")));
    }
    let far = upstream("url = \"http://models.example\"");
    check(
        &far,
        "what is asked and answered would cross the network in the clear",
        "\"http://models.example\"",
        "danger",
    );
    assert_eq!(
        load(&format!("{far}\n[danger]\nupstream_plaintext = true")).dangers(),
        ["upstream_plaintext"]
    );
    let errors =
        Config::load(&upstream("url = \"https://user:hunter2@host\""), Overlay::default()).unwrap_err();
    assert!(!errors.0[0].to_string().contains("hunter2"), "{}", errors.0[0]);
    let https = "url = \"https://h\"";
    check(
        &upstream(&format!("{https}\nca = \"ca.pem\"")),
        "`upstream.ca` is not an absolute path",
        "\"ca.pem\"",
        "whole path",
    );
    check(
        &upstream(&format!("{https}\nkey = \"/k\"")),
        "`key` without `certificate`",
        "\"/k\"",
        "certificate",
    );
    check(
        &upstream(&format!("{https}\nforward = [\"adress\"]")),
        "`upstream.forward` has no such choice",
        "\"adress\"",
        "did you mean `address`?",
    );
    check(
        &upstream(&format!("{https}\nretrys = 1")),
        "unknown key `retrys` in `[upstream]`",
        "retrys",
        "did you mean `retries`?",
    );
    let twice = format!("{}\n{}", upstream(https), upstream(https));
    assert!(Config::load(&twice, Overlay::default()).unwrap_err().0[0].to_string().contains("two sections"));
    let model = "[[model]]\nname = \"m\"\nupstream = \"ther\"";
    check(model, "`upstream` names none", "\"ther\"", "say where it is");
    check(&format!("{}\n{model}", upstream(https)), "`upstream` names none", "\"ther\"", "`there`");
    let old = load(&upstream(https));
    assert!(old.reloadable(&plain).is_ok(), "destinations change in a running server");
}

#[test]
fn an_empty_allowlist_admits_nobody() {
    assert_eq!(load("[server]\nallow = []").server.allow, Allowlist::Listed(Vec::new()));
}

#[test]
fn unknown_keys_are_errors_with_the_nearest_known_one() {
    check("[server]\nlisen = 1", "unknown key `lisen` in `[server]`", "lisen", "did you mean `listen`?");
    check("[audit]\nzzz = 1", "unknown key `zzz` in `[audit]`", "zzz", "known keys: `durability`");
    check("[sever]\nx = 1", "unknown section `sever`", "sever", "did you mean `server`?");
    check("threshold = 1", "unknown section `threshold`", "threshold", "");
    check("listen = 1", "unknown section `listen`", "listen", "belongs in `[server]`");
    let model = "[[model]]\nname = \"a\"\ntreshold = 0.8";
    check(model, "unknown key `treshold` in `[model]`", "treshold", "did you mean `threshold`?");
}

#[test]
fn a_setting_that_nothing_obeys_is_not_accepted() {
    check("[metrics]\nenabled = false", "unknown section `metrics`", "metrics", "");
    check(
        "[audit]\nretention_days = 1",
        "unknown key `retention_days` in `[audit]`",
        "retention_days",
        "node",
    );
}

#[test]
fn all_errors_are_told_at_once() {
    let text = "[server]\nlisten = \"x\"\nconnections_max = 0\n[log]\nlevel = \"loud\"";
    assert_eq!(Config::load(text, Overlay::default()).unwrap_err().0.len(), 3);
    assert_eq!(Config::load("a = 1\nb = 2", Overlay::default()).unwrap_err().0.len(), 2);
}

#[test]
fn values_out_of_range_are_pointed_at() {
    let out = |key: &str| format!("`{key}` is out of range");
    check("[limits]\nrate_per_minute = 0", &out("limits.rate_per_minute"), "0", "from 1 to 1000000");
    check("[limits]\nrate_per_minute = -1", &out("limits.rate_per_minute"), "-1", "from 1");
    check("[identity]\nkey_days = 366", &out("identity.key_days"), "366", "from 1 to 365");
    check("[server]\nbody_bytes_max = 9000000", &out("server.body_bytes_max"), "9000000", "8388608");
    check("[log]\nlevel = \"inf\"", "`log.level` has no such choice", "\"inf\"", "did you mean `info`?");
    check(
        "[server]\nallow = [\"10.0.0.1/8\"]",
        "`server.allow` has an address inside a network",
        "\"10.0.0.1/8\"",
        "10.0.0.0/8",
    );
    check(
        "[server]\nnames = [\"a b\"]",
        "`server.names` has something that is no host name",
        "\"a b\"",
        "gate.example.com",
    );
    check("[audit]\nanchors = [\"x\"]", "`audit.anchors` is not an absolute path", "\"x\"", "whole path");
    for threshold in ["0.0", "1.01", "nan", "-inf"] {
        let text = format!("[[model]]\nname = \"a\"\nthreshold = {threshold}");
        check(&text, "`threshold` is out of range", threshold, "above 0");
    }
}

#[test]
fn loosening_takes_a_danger() {
    check(
        "[audit]\ndurability = \"os\"",
        "`os` loses acknowledged entries in a power loss",
        "\"os\"",
        "audit_os = true",
    );
    check(
        "[store]\nroot_key = \"inside\"",
        "a team's root key cannot be kept inside the home",
        "\"inside\"",
        "single_person",
    );
    let text = "[server]\nlisten = \"0.0.0.0:80\"\n[danger]\nplaintext = true";
    check(
        text,
        "`0.0.0.0:80` is not loopback, and `[danger] plaintext` is set",
        "\"0.0.0.0:80\"",
        "loopback alone",
    );
    check(
        "[server]\ntrusted_proxies = [\"0.0.0.0/0\"]",
        "everybody could choose the address to be seen as",
        "\"0.0.0.0/0\"",
        "proxies' own",
    );
}

#[test]
fn a_certificate_needs_its_key() {
    check("[server]\ncertificate = \"/c\"", "`certificate` without `key`", "\"/c\"", "name the key");
    check("[server]\nkey = \"/c\"", "`key` without `certificate`", "\"/c\"", "name the certificate");
}

#[test]
fn a_model_has_one_section() {
    check(
        "[[model]]\nname = \"a\"\n[[model]]\nname = \"a\"",
        "two sections for model `a`",
        "\"a\"",
        "one `[[model]]`",
    );
}

#[test]
fn a_literal_root_key_is_refused_and_not_shown() {
    let secret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let errors = Config::load(&format!("[store]\nroot_key = \"{secret}\""), Overlay::default()).unwrap_err();
    let error = &errors.0[0];
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(error.source_code().is_none() && error.labels().is_none(), "the line would show the key");
    assert!(!format!("{error} {:?}", error.advice()).contains(secret));
    check(
        "[store]\nroot_key = \"secret:x\"",
        "`store.root_key` (line 2): a secret provider cannot hold the root key that wraps its own credentials",
        "",
        "credential:NAME",
    );
}

#[test]
fn a_threshold_is_raised_freely_and_lowered_at_ones_peril() {
    let model: mantlet_types::ModelName = "a".parse().unwrap();
    let text = "[[model]]\nname = \"a\"\nthreshold = 0.8\n";
    let (safe, lowered) = (load(text), load(&format!("{text}[danger]\nthreshold_lowered = true")));
    assert_eq!(safe.threshold(&model, 0.7), Ok(0.8));
    assert!(safe.threshold(&model, 0.9).is_err());
    assert_eq!(lowered.threshold(&model, 0.9), Ok(0.8));
    assert_eq!(safe.threshold(&"b".parse().unwrap(), 0.7), Ok(0.7));
}

#[test]
fn the_command_line_beats_the_environment_beats_the_file() {
    let env = |name: &str| match name {
        "MANTLET_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "MANTLET_LOG" => Some(String::new()),
        "MANTLET_LOG_FORMAT" => Some("json".to_owned()),
        _ => None,
    };
    let file = "[server]\nlisten = \"127.0.0.1:1\"\n[log]\nlevel = \"warn\"";
    let source = |config: &Config, key: &str| {
        config.report().settings.into_iter().find(|row| row.setting == key).unwrap().source
    };
    let config = Config::load(file, Overlay::from_env(env)).unwrap();
    assert_eq!(
        (config.server.listen.port(), source(&config, "server.listen").as_str()),
        (2, "env MANTLET_LISTEN")
    );
    assert_eq!((config.log.level, source(&config, "log.level").as_str()), (LogLevel::Warn, "line 4"));
    assert_eq!(config.log.format, LogFormat::Json);
    let overlay = Overlay::from_env(env).listen(Some("127.0.0.1:3".into())).plaintext_loopback(true);
    let config = Config::load(file, overlay).unwrap();
    assert_eq!(
        (config.server.listen.port(), source(&config, "server.listen").as_str()),
        (3, "flag --listen")
    );
    assert_eq!(config.dangers(), ["plaintext"]);
    let error = Config::load("", Overlay::default().listen(Some("x".into()))).unwrap_err();
    assert_eq!(error.0[0].to_string(), "`--listen`: `server.listen` is not an address");
}

#[test]
fn a_running_server_takes_limits_but_neither_ports_nor_dangers() {
    let old = load("");
    assert_eq!(old.reloadable(&load("[limits]\nrate_per_minute = 5\n[server]\nallow = []")), Ok(()));
    let refused = |text: &str| -> Vec<&str> {
        old.reloadable(&load(text)).unwrap_err().into_iter().map(|refusal| refusal.setting).collect()
    };
    assert_eq!(refused("[server]\nlisten = \"127.0.0.1:1\""), ["server.listen"]);
    assert_eq!(
        refused("[danger]\nsingle_person = true\n[log]\nlevel = \"warn\""),
        ["log.level", "danger.single_person"]
    );
    // A danger that is given up is taken at once.
    assert_eq!(load("[danger]\nsingle_person = true").reloadable(&old), Ok(()));
}

#[test]
fn every_key_of_the_file_is_a_setting() {
    // `everything_can_be_said` shows that each setting can be typed; this shows that the table names no key twice
    // and that serde knows each of them.
    let mut keys: Vec<_> = settings::SETTINGS.iter().map(|setting| setting.key).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), settings::SETTINGS.len());
    for key in keys.into_iter().filter(|key| key.contains('.')) {
        let (section, name) = key.split_once('.').unwrap();
        let errors = ConfigFile::parse(&format!("[{section}]\n{name} = {{}}")).unwrap_err();
        assert!(errors.0[0].to_string().starts_with("invalid type"), "{key}: {}", errors.0[0]);
    }
}

#[test]
fn env_vars_name_settings_that_exist() {
    for variable in env_vars::ALL {
        let known = |key| settings::SETTINGS.iter().any(|setting| setting.key == key);
        assert!(variable.setting.is_none_or(known), "{}", variable.name);
    }
}

#[test]
fn the_page_of_defaults_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explanation/defaults.md");
    let page = defaults_page(&load("").report());
    if std::env::var_os("MANTLET_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "run: MANTLET_WRITE_DOCS=1 cargo test -p mantlet the_page_of_defaults");
}

#[test]
fn errors_are_shown_with_the_place() {
    let error = Config::load("[server]\nlisen = 1\n", Overlay::default()).unwrap_err();
    let mut shown = String::new();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
    handler.render_report(&mut shown, &error).unwrap();
    assert!(shown.contains("mantlet.toml:2:1") && shown.contains("did you mean `listen`?"), "{shown}");
}

fn toml_like() -> impl Strategy<Value = String> {
    let words = [
        "[",
        "]",
        "[[",
        "]]",
        "server",
        "model",
        "listen",
        "allow",
        "threshold",
        "name",
        "audit",
        "danger",
        ".",
        "=",
        "\"",
        "'",
        "\"\"\"",
        "{",
        "}",
        ",",
        "\n",
        " ",
        "1",
        "-9223372036854775808",
        "1e999",
        "nan",
        "true",
        "\\u00e9",
        "é",
        "#",
        "\u{0}",
        "127.0.0.1:1",
        "1979-05-27T07:32:00Z",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_panics(text in prop_oneof![any::<String>(), toml_like()]) {
        if let Err(errors) = Config::load(&text, Overlay::default()) {
            prop_assert!(!errors.0.is_empty());
            let mut shown = String::new();
            let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
            prop_assert!(handler.render_report(&mut shown, &errors).is_ok());
        }
    }
}

#[test]
fn deep_nesting_is_refused_without_a_deep_stack() {
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{b=".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
    ] {
        assert!(ConfigFile::parse(&text).is_err());
    }
    assert!(ConfigFile::parse(&"#".repeat(FILE_BYTES_MAX + 1)).is_err());
}
