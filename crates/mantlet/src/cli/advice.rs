//! What to do about a policy's no. Policies are named in errors by their ids, which say to an auditor what decided, and to
//! whoever was refused nothing.

/// What helps, by the id of the policy that forbids. The first that is named in an error is taken.
const ADVICE: [(&str, &str); 22] = [
    ("F04_mfa", "this asks for a second factor: act with key and certificate, by --as DIR"),
    ("F05_requested", "nobody has asked for it to go live yet: mantlet model request NAME"),
    (
        "F05_four_eyes",
        "whoever made the version, its data or the request cannot approve it: ask another person",
    ),
    (
        "F06_approved",
        "it is not approved, or no more: mantlet model request NAME, then another person: mantlet model approve NAME",
    ),
    ("F06_four_eyes", "author, data's author, requester and approver have to be different people"),
    ("F07_no_data", "data scientists do not write data: ask a data engineer"),
    ("F08_no_release", "releasing is for ML engineers, who neither make models nor watch over them"),
    ("F09_audit_security", "only people of the role `security` may do this"),
    ("F11_own_change", "who proposed a change, or gains by it, cannot approve it: ask another person"),
    ("F15_own_review", "nobody decides about their own request: leave it to another reviewer"),
    ("F16_stage", "models are made by data scientists and data engineers"),
    ("F17_no_maker", "who watches over models cannot make or release them"),
    ("F18_data_science", "data engineers do not register models: a data scientist does"),
    ("F19_not_live", "makers have no hand in what is live: ask an ML engineer or an operator"),
    ("F20_one_duty", "a person with two duties may do nothing: an operator has to take one away"),
    ("F21_request", "who made the version or its data cannot ask for it to go live: an ML engineer does"),
    ("F22_rollback", "only a version that was live, and was not withdrawn, can come back"),
    ("F23_ended", "its time is over: propose it anew"),
    ("F24_approved", "another person has to approve it first: mantlet approve list"),
    ("F25_second_person", "who proposed or approved a change cannot also apply it"),
    ("F26_own_grant", "nobody grants to themselves: ask another operator"),
    ("F29_reviewer", "reviewers neither make models nor operate the home"),
];

/// What to do about an error that names a policy.
pub(super) fn on(message: &str) -> Option<&'static str> {
    ADVICE.iter().find(|(id, _)| message.contains(&format!("`{id}`"))).map(|(_, advice)| *advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_advice_is_about_a_policy_that_there_is() {
        let policies = include_str!("../../../mantlet-gate/policy/mantlet.cedar");
        for (id, _) in ADVICE {
            assert!(policies.contains(&format!("@id(\"{id}\")")), "{id}");
        }
    }

    #[test]
    fn the_whole_id_counts() {
        assert!(on("`approve_deployment` is forbidden by `F05_requested`").unwrap().contains("request NAME"));
        assert_eq!(on("`use_feature` is forbidden by `F19_not_live_flow`"), None);
        assert_eq!(on("not found"), None);
    }
}
