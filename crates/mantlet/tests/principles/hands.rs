//! Separation of duties, hand by hand: every step from data to production is tried by everybody who must not take it, with
//! whatever role, administrators and former selves included, and is refused with a reason; then the right hands take it.

use serde_json::{Value, json};

use crate::{
    promotion::{Team, said},
    support::{Client, Person, Reply},
};

/// Everybody there is, by role.
struct Cast {
    people: Vec<(&'static str, Person)>,
}

impl Cast {
    /// Beside the team's own people, one of each other role.
    fn of(team: &Team) -> Self {
        let mut people = vec![("operator", team.home.founder("alice"))];
        for (user, role, is_duty) in [
            ("dan", "data_engineer", true),
            ("ada", "admin", true),
            ("ana", "analyst", false),
            ("rob", "reviewer", false),
            ("moe", "monitor", false),
        ] {
            let person = team.server.take_over(team.home.invite(user));
            bind(team, user, role, is_duty);
            people.push((role, person));
        }
        people.push(("reader", team.home.invited("rita")));
        people.push(("security", team.home.founder("bob")));
        people.push(("data_scientist", team.home.invited("dora")));
        people.push(("ml_engineer", team.home.invited("mel")));
        people.push(("ml_engineer", team.home.invited("max")));
        let keys = ["bob", "dora", "mel", "max"];
        // Their keys are those that they have made themselves.
        for (_, person) in &mut people {
            if keys
                .iter()
                .any(|user| person.dir.ends_with(format!("{user}.mantlet")) || person.dir.ends_with(user))
            {
                let key = std::fs::read_to_string(person.dir.join("key")).unwrap();
                key.trim().clone_into(&mut person.key);
            }
        }
        Self { people }
    }

    /// Has everybody but these try; each is refused with a reason, and nothing has changed.
    fn refused(&self, team: &Team, right: &[&str], attempt: impl Fn(&Client) -> Reply) -> usize {
        let before = versions(team);
        let mut tried = 0;
        for (role, person) in self.people.iter().filter(|(role, _)| !right.contains(role)) {
            let reply = attempt(&team.server.client_as(person));
            assert!([403, 404].contains(&reply.status), "{role}: {} {}", reply.status, reply.text());
            let entry = team.home.entry_of(&reply);
            assert_eq!(entry["decision"], "deny", "{role}: {entry}");
            // Who may know of the version is told which policy it was, or that there is none.
            let text = reply.text();
            let reasoned = text.contains("is forbidden") || text.contains("no policy permits");
            assert!(reply.status == 404 || reasoned, "{role}: {text}");
            tried += 1;
        }
        assert_eq!(versions(team), before, "somebody who was refused has changed something");
        tried
    }
}

/// Binds a person to a role the way that a team does.
fn bind(team: &Team, user: &str, role: &str, is_duty: bool) {
    let assigned = team.home.json(&["role", "assign", user, role]);
    if is_duty {
        let grant = assigned["grant"].to_string();
        team.may(&team.bob, &["role", "approve", &grant]);
        team.home.json(&["role", "apply", &grant]);
    }
}

fn versions(team: &Team) -> Value {
    team.server.client_as(&mel(team)).get("/admin/v1/models").json()
}

fn mel(team: &Team) -> Person {
    team.home.invited("mel")
}

fn put(client: &Client, path: &str, body: &Value) -> Reply {
    client.clone().header("content-type", "application/json").send("PUT", path, body.to_string())
}

fn step(name: &'static str) -> impl Fn(&Client) -> Reply {
    move |client| client.post(&format!("/admin/v1/models/tumors/versions/1/{name}"), &json!({}))
}

#[test]
fn every_step_is_refused_to_everybody_but_the_right_hands() {
    let team = Team::new();
    let cast = Cast::of(&team);
    let Team { bob, max, .. } = &team;
    let register = |client: &Client| {
        let client = client.clone().header("content-type", mantlet::server::upload::CONTENT_TYPE);
        client.send("POST", "/admin/v1/models/tumors?project=home", Vec::new())
    };
    let evaluate = |client: &Client| {
        let body = json!({ "report": "{}", "receipt": "A".repeat(32) });
        client.post("/admin/v1/models/tumors/versions/1/evaluations", &body)
    };
    let update = |client: &Client| {
        let body = json!({ "version": 1, "comparison": "{}", "receipt": "A".repeat(32) });
        put(client, "/v2/models/tumors", &body)
    };
    let name =
        |client: &Client| put(client, "/admin/v1/models/tumors/aliases/champion", &json!({ "version": 1 }));
    let back = |client: &Client| client.post("/admin/v1/models/tumors/rollback", &json!({}));
    let mut tried = cast.refused(&team, &["data_scientist"], register);
    // An administrator may evaluate, and so may bring an evaluation; this one is none.
    tried += cast.refused(&team, &["data_scientist", "ml_engineer", "analyst", "admin"], evaluate);
    tried += cast.refused(&team, &["ml_engineer"], step("request"));
    tried += cast.refused(&team, &[], step("approve"));
    tried += cast.refused(&team, &[], step("activate"));
    tried += cast.refused(&team, &[], update);
    tried += cast.refused(&team, &["ml_engineer"], name);
    team.may(&team.mel, &["model", "request", "tumors@1"]);
    tried += cast.refused(&team, &["security", "ml_engineer"], step("approve"));
    tried += cast.refused(&team, &[], step("activate"));
    tried += cast.refused(&team, &[], update);
    team.may(bob, &["model", "approve", "tumors@1"]);
    // Whoever made it or its data, approved or oversees does not put it live, and neither does an administrator by the plain step.
    tried += cast.refused(&team, &["ml_engineer"], step("activate"));
    tried += cast.refused(&team, &["ml_engineer", "admin"], update);
    team.may(max, &["model", "promote", "tumors@1"]);
    tried += cast.refused(&team, &["ml_engineer"], back);
    tried += cast.refused(&team, &["ml_engineer"], step("retire"));
    tried += cast.refused(&team, &["ml_engineer"], name);
    assert!(tried > 120, "{tried}");
    // The log shows each step that was taken, by whom.
    let steps: Vec<Value> = team
        .home
        .log()
        .into_iter()
        .filter(|entry| {
            let event = entry["event"].as_str().unwrap_or_default();
            ["model.register", "model.request", "model.approve", "model.activate"].contains(&event)
                && entry["phase"] == "outcome"
                && entry["status"] == 200
        })
        .map(|entry| json!([entry["event"], entry["principal"]]))
        .collect();
    let expect = [
        json!(["model.register", "user:dora"]),
        json!(["model.request", "user:mel"]),
        json!(["model.approve", "user:bob"]),
        json!(["model.activate", "user:max"]),
    ];
    assert_eq!(steps, expect);
}

#[test]
fn a_person_stays_the_same_under_another_role_another_key_and_another_certificate() {
    let team = Team::new();
    let Team { home, bob, dora, mel, max, .. } = &team;
    let at = |name: &'static str| ["model", name, "tumors", "1"];
    // The author goes over to those who deploy, with a new key and a new certificate.
    home.json(&["role", "revoke", "dora", "data_scientist"]);
    bind(&team, "dora", "ml_engineer", true);
    team.may(dora, &["key", "rotate"]);
    team.may_not(dora, &at("request"), "F21_request");
    team.may(mel, &at("request"));
    team.may_not(dora, &at("approve"), "F05_four_eyes");
    // Whoever has asked for it goes over to those who oversee.
    home.json(&["role", "revoke", "mel", "ml_engineer"]);
    bind(&team, "mel", "security", true);
    team.may_not(mel, &at("approve"), "F05_four_eyes");
    team.may(bob, &at("approve"));
    team.may_not(dora, &at("promote"), "F06_four_eyes");
    // Turned away and let back in, one is who one was.
    home.json(&["user", "disable", "dora"]);
    home.json(&["user", "enable", "dora"]);
    team.may_not(dora, &at("promote"), "F06_four_eyes");
    // Nor does the operator find a way by being given a role on the way.
    let own = home.run(&["role", "assign", "alice", "ml_engineer"]);
    assert_eq!(own.status.code(), Some(1), "{}", said(&own));
    team.may(max, &at("promote"));
    // By the eyes of one who deploys: who has gone over to those who oversee lists no models.
    let listed = team.may(max, &["model", "list"]);
    assert_eq!(
        (&listed["models"][0]["status"], &listed["models"][0]["version"]),
        (&json!("live"), &json!(1))
    );
}
