//! What routes take, and what the guard takes out.

use mantlet_types::entry::Token;

use super::{Route, rules::*};

fn route() -> Route {
    Route {
        name: "assistant".parse().unwrap(),
        project: "home".parse().unwrap(),
        models: ["small", "org/large", "other/small"].map(Token::of).to_vec(),
        upstreams: Vec::new(),
        rules: rules(),
    }
}

pub(super) fn rules() -> Rules {
    let block = Mode::Block;
    Rules {
        options: ["temperature".into()].into(),
        system: System::Caller,
        guard: Guard { user: block, document: block, tool: block },
        remote_hosts: ["images.example".into()].into(),
        hosted_tools: Default::default(),
        output: Output::default(),
        request_bytes_max: 1_000,
        answer_bytes_max: 1_000,
        messages_max: 4,
        choices_max: 2,
        stream_time_max: std::time::Duration::from_secs(1),
        limits: crate::budget::RouteLimits::default(),
        hold: HoldAnswers::Never,
    }
}

#[test]
fn a_model_is_meant_by_its_name_or_by_its_route_s_and_its_own() {
    let route = route();
    let meant = |named: &str| route.model(named).map(|model| model.as_str().to_owned());
    assert_eq!(meant("small").as_deref(), Some("small"));
    assert_eq!(meant("assistant/small").as_deref(), Some("small"));
    assert_eq!(meant("assistant/org/large").as_deref(), Some("org/large"));
    // A model's own name goes before a route's.
    assert_eq!(meant("other/small").as_deref(), Some("other/small"));
    for other in ["", "Small", "assistant/", "assistantsmall", "assistant/assistant/small", "small/", "large"]
    {
        assert_eq!(meant(other), None, "{other}");
    }
}

#[test]
fn modes_are_words() {
    for word in Mode::WORDS {
        assert_eq!(Mode::from_word(word).unwrap().as_str(), *word);
    }
    assert_eq!(Mode::from_word("on"), None);
    assert!(Mode::Off < Mode::Annotate && Mode::Annotate < Mode::Sanitize && Mode::Sanitize < Mode::Block);
}
