//! What versions must be to go live, and who may call them what.

use serde_json::json;

use super::*;

const DIGEST: &str = "5e1fb0a3c0ffee00000000000000000000000000000000000000000000000000";

fn release(lines: &str) -> String {
    format!("[[model]]\nname = \"fraud\"\n[model.release]\n{lines}\n")
}

#[test]
fn conditions_are_said_per_model() {
    let config = load(&release(&format!(
        "scan = \"clean\"\nsigned_by = [\"sha256:{DIGEST}\", \"{DIGEST}\"]\nevaluated_on = \"sha256:{DIGEST}\"\n\
         at_least = {{ roc_auc = 0.9, accuracy = 1.0 }}\nat_most = {{ brier = 0.1 }}"
    )));
    let conditions = &config.models["fraud"].release;
    assert!(conditions.scan_clean && conditions.signed_by.len() == 1);
    assert_eq!(
        conditions.told(),
        [
            "scan = clean".to_owned(),
            format!("signed_by = {DIGEST}"),
            format!("evaluated_on = {DIGEST}"),
            "accuracy >= 1".to_owned(),
            "roc_auc >= 0.9".to_owned(),
            "brier <= 0.1".to_owned(),
        ]
    );
    let report = config.report();
    let row = report.settings.iter().find(|row| row.setting == "model").unwrap();
    assert_eq!(row.value[0]["release"]["at_least"], json!({ "accuracy": 1.0, "roc_auc": 0.9 }));
    assert!(row.reloadable);
    assert!(load("[[model]]\nname = \"fraud\"").models["fraud"].release.is_empty());
}

#[test]
fn a_condition_that_says_nothing_is_refused() {
    let wrong = |lines: &str, message: &str, at: &str, hint: &str| check(&release(lines), message, at, hint);
    wrong(
        "scan = \"clear\"",
        "`model.release.scan` has no such choice",
        "\"clear\"",
        "did you mean `clean`?",
    );
    let nobody = "`signed_by` names no key, so that nothing could go live";
    wrong("signed_by = []", nobody, "[]", "leave it out");
    let digest = "`evaluated_on` is 64 lower-case hexadecimal characters, with or without `sha256:`";
    for bad in ["\"\"", "\"sha256:\"", "\"md5:0\"", "\"ABC\""] {
        wrong(&format!("evaluated_on = {bad}"), digest, bad, "data_digest");
    }
    wrong("at_least = { roc_auc = 0.9 }", "`at_least` without `evaluated_on`", "0.9", "say which");
    let on = |lines: &str| format!("evaluated_on = \"{DIGEST}\"\n{lines}");
    let unknown = "`at_least` names no figure of a report";
    wrong(&on("at_least = { auc = 0.9 }"), unknown, "0.9", "`roc_auc`");
    wrong(&on("at_least = { rocauc = 0.9 }"), unknown, "0.9", "did you mean `roc_auc`?");
    wrong(&on("at_most = { brier = nan }"), "`at_most`: a figure is a finite number", "nan", "a number");
    let never = "`brier` is to be at most less than it is to be at least";
    wrong(&on("at_least = { brier = 0.2 }\nat_most = { brier = 0.1 }"), never, "0.1", "nothing could");
    wrong("scans = \"clean\"", "unknown key `scans` in `[model.release]`", "scans", "did you mean `scan`?");
}

#[test]
fn an_alias_has_a_rule_of_its_own() {
    let alias = |lines: &str| format!("[[model]]\nname = \"fraud\"\n[[model.alias]]\n{lines}\n");
    let config = load(&alias("name = \"challenger\"\nstate = \"evaluated\"\nby = [\"data_scientist\"]"));
    let report = config.report();
    let row = report.settings.iter().find(|row| row.setting == "model").unwrap();
    let expect = json!([{ "name": "challenger", "state": "evaluated", "by": ["data_scientist"] }]);
    assert_eq!(row.value[0]["alias"], expect);
    let config = load(&alias("name = \"champion\""));
    let rule = &config.models["fraud"].aliases[&"champion".parse::<mantlet_types::Alias>().unwrap()];
    assert_eq!(*rule, AliasRule::default());
    let wrong = |lines: &str, message: &str, at: &str, hint: &str| check(&alias(lines), message, at, hint);
    let form = "a version's alias has 1 to 64 lower-case letters, digits, `.`, `_` or `-`, begins with a letter and \
                is not `live`";
    for bad in ["\"live\"", "\"7\"", "\"\""] {
        wrong(&format!("name = {bad}"), form, bad, "whatever callers get");
    }
    let role = "`model.alias.by` has no such choice";
    wrong("name = \"a\"\nby = [\"admin\"]", role, "\"admin\"", "`ml_engineer`, `data_scientist`");
    wrong("name = \"a\"\nby = []", "`by` names no role, so that nobody could give the alias", "\"a\"", "");
    wrong("name = \"a\"\nstat = \"live\"", "unknown key `stat` in `[model.alias]`", "stat", "`state`");
    let twice = format!("{}[[model.alias]]\nname = \"a\"\n", alias("name = \"a\""));
    check(&twice, "two rules for one alias", "\"a\"", "one `[[model.alias]]`");
}
