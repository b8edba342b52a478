//! A version's name gives no right and tells nobody what there is: wherever a number can stand, an alias can, and who may not
//! know of a version learns the same of its name as of one that nothing has.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    promotion::Team,
    support::{
        Client, Home, Server,
        rows::{benign, question, test_set},
        rpc::{SERVICE, field, infer},
    },
    walk::{ABSENT, MODEL, Names, Sample, redeems, routes, sample, send},
};

/// Routes of which a version is part of the path, with its place left open.
fn asked(names: &Names) -> Vec<(&'static str, Sample)> {
    let named = routes().filter(|route| route.path.contains("{version}") && !redeems(route));
    named.map(|route| (route.verb.as_str(), sample(route, names, "tumors"))).collect()
}

/// What a caller is told on every such route for a version of this name.
fn told(client: &Client, asked: &[(&'static str, Sample)], name: &str) -> Vec<String> {
    let told = asked.iter().map(|(verb, sample)| {
        let path = sample.path.replace("/versions/1", &format!("/versions/{name}"));
        assert_ne!(path, sample.path);
        let reply = send(client, verb, &Sample { path, body: sample.body.clone(), status: 0 });
        let shape = reply.shape().replace(name, "NAME");
        format!("{verb} {} {} {shape}", sample.path, reply.status)
    });
    told.collect()
}

#[test]
fn who_may_not_know_of_a_version_learns_nothing_by_its_name() {
    let team = Team::new();
    team.promote("1");
    team.register();
    let path = team.home.path.join("mantlet.toml");
    let rule = "[[model]]\nname = \"tumors\"\n[[model.alias]]\nname = \"challenger\"\nstate = \"registered\"\nby = [\"data_scientist\"]\n";
    std::fs::write(&path, format!("{}\n{rule}", std::fs::read_to_string(&path).unwrap())).unwrap();
    assert!(team.home.run(&["config", "reload"]).status.success());
    team.may(&team.dora, &["model", "alias", "set", "tumors", "challenger", "--version", "2"]);
    team.may(&team.mel, &["model", "alias", "set", "tumors", "champion", "--version", "1"]);
    let names = Names {
        kid: "AAAAAAAAAAAA".to_owned(),
        user: "rita",
        receipt: String::new(),
        asker: String::new(),
        item: ABSENT.to_owned(),
        request: ABSENT.to_owned(),
        url: "/?".to_owned(),
    };
    let asked = asked(&names);
    assert!(asked.len() >= 20, "the table names versions in {} routes", asked.len());
    let consumer = team.consumer();
    let rita = team.server.client_as(&team.home.invited("rita"));
    for (who, client) in [("an application", &consumer), ("a reader", &rita)] {
        // A candidate, its name, and what nobody has: all the same.
        let hidden = told(client, &asked, "challenger");
        for other in ["no-such-name", "2", "77"] {
            assert_eq!(told(client, &asked, other), hidden, "{who}: {other}");
        }
    }
    // Those who take part may see the candidate, and learn of a name that nothing has what they learn of such a number.
    for who in ["dora", "mel", "max"] {
        let client = team.server.client_as(&team.home.invited(who));
        assert_eq!(told(&client, &asked, "no-such-name"), told(&client, &asked, "77"), "{who}");
    }
    // What is live answers by its name, whoever may ask the model; the candidate its author alone.
    let predict = |client: &Client, name: &str| {
        let reply = client.post(&format!("/v1/models/tumors/versions/{name}/predict"), &question(&benign()));
        (reply.status, reply.json()["model"]["version"].as_u64())
    };
    for name in ["champion", "live", "1"] {
        assert_eq!(predict(&consumer, name).0, 200, "{name}");
    }
    let dora = team.server.client_as(&team.home.invited("dora"));
    assert_eq!(predict(&dora, "challenger").0, 200);
    // The same over gRPC.
    let rpc = |client: &Client, name: &str| {
        let message = [infer("tumors", &benign()), field(2, name.as_bytes())].concat();
        client.call(&format!("{SERVICE}/ModelInfer"), &message)
    };
    assert_eq!(rpc(&consumer, "champion").status(), 0);
    let strangers: BTreeSet<_> =
        ["challenger", "no-such-name", "2", "77"].iter().map(|name| rpc(&consumer, name).shape()).collect();
    assert_eq!(strangers.len(), 1, "{strangers:?}");
    // The log names the number.
    let log = team.home.log();
    let asked = log.iter().filter(|entry| entry["event"] == "inference" && entry["status"] == 200);
    assert!(asked.clone().any(|entry| entry["model_version"] == 2));
    assert!(
        !log.iter().any(|entry| entry.to_string().contains("no-such-name")),
        "a caller's text is in the log"
    );
}

#[test]
fn commands_take_names_wherever_they_take_numbers() {
    let home = Home::demo();
    home.json(&["model", "alias", "set", MODEL, "champion", "--version", "1"]);
    let input = home.beside("row.json");
    std::fs::write(&input, question(&benign()).to_string()).unwrap();
    let table = home.beside("test.csv");
    std::fs::write(&table, csv()).unwrap();
    let (input, table) = (input.to_str().unwrap(), table.to_str().unwrap());
    let out = home.beside("taken");
    let champion = format!("{MODEL}@champion");
    let _server = Server::start(&home);
    let both = |verb: &[&str], options: &[&str]| {
        let by_at = home.json(&[verb, &[champion.as_str()], options].concat());
        let by_option = home.json(&[verb, &[MODEL, "--version-number", "champion"], options].concat());
        (by_at, by_option)
    };
    for (verb, options) in [
        (vec!["model", "features"], vec![]),
        (vec!["model", "weights"], vec![]),
        (vec!["evaluate"], vec!["--data", table]),
    ] {
        let (by_at, by_option) = both(&verb, &options);
        assert_eq!(by_at, by_option, "{verb:?}");
    }
    for verb in ["predict", "explain"] {
        let output = home.run(&[verb, &champion, "--input", input]);
        assert!(output.status.success(), "{verb}: {}", String::from_utf8_lossy(&output.stderr));
    }
    home.json(&["model", "export", &champion, "--to", out.to_str().unwrap()]);
    let signed = home.json(&["model", "url", &champion]);
    assert_eq!(signed["version"], json!(1));
    for bad in [format!("{MODEL}@nobody"), format!("{MODEL}@77")] {
        for verb in [["model", "features"], ["model", "weights"]] {
            assert_eq!(
                home.run(&[&verb[..], &[bad.as_str()]].concat()).status.code(),
                Some(1),
                "{verb:?} {bad}"
            );
        }
    }
    let twice = home.run(&["model", "features", &champion, "--version-number", "1"]);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("named twice"));
}

/// The test set as a file, with the truth in `target`.
fn csv() -> String {
    let table = test_set();
    let line = |cells: &serde_json::Value| {
        let cells = cells.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap());
        cells.collect::<Vec<_>>().join(",")
    };
    let rows = table["rows"].as_array().unwrap().iter().map(line);
    std::iter::once(line(&table["columns"])).chain(rows).collect::<Vec<_>>().join("\n")
}
