//! Questions about permissions and networks: whatever the line, there is an answer, and an answer that names a request
//! is one that a usual JSON parser could read the question of.

use mantlet_cloud::{iam, network};

/// A line of `mantlet iam decide`.
pub(crate) fn permissions(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    let answer = iam::lines::answer(line);
    assert!(answer.possible.is_boolean() || answer.possible == "unknown");
    assert_eq!(answer.possible == true, answer.witness.is_some());
    assert_eq!(answer.possible == "unknown", answer.why.is_some());
    if answer.why.is_none() {
        serde_json::from_str::<serde_json::Value>(line.trim_start_matches('\u{feff}')).unwrap();
    }
}

/// A line of `mantlet network decide`.
pub(crate) fn networks(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    let answer = network::lines::answer(line);
    assert_ne!(answer.reach.is_some(), answer.error.is_some());
    if let Some(reach) = answer.reach {
        let found = usize::from(reach.direct) + reach.via_load_balancer.len() + reach.lateral_last_hop.len();
        assert_eq!(reach.paths.len(), found);
        assert!(!(reach.only_via_alb && reach.direct));
    }
}
