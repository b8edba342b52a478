//! The role matrix as it was decided on, cell by cell.

use std::sync::LazyLock;

use mantlet_types::entry::Decision;

use super::super::{Cell, testing::POLICY};

/// One role bound in the project, a team's home, second factor, protected connection, datasets granted, ceiling given.
/// `part`: allowed for some things of the kind only.
const TABLE: &str = "
action              reader analyst admin data_engineer data_scientist ml_engineer security operator reviewer monitor none
predict             yes    yes     yes   -             -              yes         -        -        -        -       -
explain             yes    yes     yes   -             part           yes         -        -        -        -       -
evaluate            -      yes     yes   -             part           yes         -        -        -        -       -
inspect_features    -      yes     yes   -             part           -           -        -        -        -       -
view_weights        -      -       yes   -             -              -           -        -        -        -       -
export              -      -       yes   -             -              -           -        -        -        -       -
redeem_url          -      -       -     -             -              -           -        -        -        -       -
try_candidate       -      -       -     -             -              -           -        -        -        -       -
create_dataset      -      -       -     yes           -              -           -        -        -        -       -
write_dataset       -      -       -     yes           -              -           -        -        -        -       -
run_pipeline        -      -       -     yes           -              -           -        -        -        -       -
read_dataset        -      -       -     yes           yes            -           -        -        -        -       -
define_feature      -      -       -     yes           -              -           -        -        -        -       -
register_version    -      -       -     -             yes            -           -        -        -        -       -
write_artifact      -      -       -     -             -              -           -        -        -        -       -
request_deployment  -      -       -     -             -              yes         -        -        -        -       -
approve_deployment  -      -       -     -             -              part        part     -        -        -       -
activate_deployment -      -       -     -             -              part        -        -        -        -       -
update_model        -      -       part  -             -              part        -        -        -        -       -
rollback            -      -       -     -             -              part        -        -        -        -       -
disable_model       -      -       -     -             -              yes         -        -        -        -       -
use_feature         yes    yes     yes   -             part           yes         -        -        -        -       -
attribute_feature   part   part    part  -             part           part        -        -        -        -       -
read_feature        -      -       -     -             -              -           -        -        -        -       -
complete            -      -       -     -             -              -           -        -        -        -       -
scan                -      -       -     -             -              -           -        -        -        -       -
configure_route     -      -       -     -             -              -           -        yes      -        -       -
list_reviews        -      -       -     -             -              -           -        -        yes      -       -
read_review         -      -       -     -             -              -           -        -        yes      -       -
decide_review       -      -       -     -             -              -           -        -        yes      -       -
read_held           -      -       -     -             -              -           -        -        -        -       -
monitor             -      -       -     -             -              -           -        -        -        yes     -
acknowledge_alert   -      -       -     -             -              yes         -        yes      -        -       -
read_audit          -      -       -     -             -              -           yes      -        -        -       -
export_audit        -      -       -     -             -              -           yes      -        -        -       -
verify_audit        -      -       -     -             -              -           yes      -        -        -       -
prove_audit         -      -       -     -             -              -           yes      -        -        -       -
delete_audit        -      -       -     -             -              -           -        -        -        -       -
manage_users        -      -       -     -             -              -           -        yes      -        -       -
manage_consumers    -      -       -     -             -              -           -        yes      -        -       -
manage_secret       -      -       -     -             -              -           -        yes      -        -       -
grant               -      -       -     -             -              -           -        yes      -        -       -
propose_change      -      -       -     -             -              part        -        yes      -        -       -
approve_change      -      -       -     -             -              -           yes      -        -        -       -
apply_change        -      -       -     -             -              part        -        yes      -        -       -
";

static MATRIX: LazyLock<Vec<Cell>> = LazyLock::new(|| POLICY.matrix());

#[test]
fn every_cell_is_as_decided_on() {
    let matrix = &*MATRIX;
    let mut lines = TABLE.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let roles = lines.next().unwrap();
    let mut cells = 0;
    for line in lines {
        for (role, expect) in roles.iter().zip(&line).skip(1) {
            let cell =
                matrix.iter().find(|cell| cell.role == *role && cell.action.as_str() == line[0]).unwrap();
            assert_eq!(said(cell), *expect, "{role} {}: {cell:?}", line[0]);
            cells += 1;
        }
    }
    assert_eq!((cells, matrix.len()), (45 * 11, 45 * 11), "the table and the matrix have the same cells");
}

fn said(cell: &Cell) -> &'static str {
    match (cell.decision, cell.condition) {
        (Decision::Allow, None) => "yes",
        (Decision::Allow, Some(_)) => "part",
        (Decision::Deny, _) => "-",
        (Decision::Error, _) => "error",
    }
}

#[test]
fn every_cell_names_what_decided() {
    let named = |role: &str, action: &str| {
        let cell = MATRIX.iter().find(|cell| cell.role == role && cell.action.as_str() == action).unwrap();
        (cell.policy.clone(), cell.condition)
    };
    assert_eq!(named("reader", "predict"), ("P01_reader".to_owned(), None));
    assert_eq!(named("reader", "export"), ("default".to_owned(), None));
    assert_eq!(named("security", "delete_audit"), ("F10_no_delete_audit".to_owned(), None));
    assert_eq!(named("admin", "read_audit"), ("F09_audit_security".to_owned(), None));
    let explains = ("P05_data_scientist".to_owned(), Some("the model is not live"));
    assert_eq!(named("data_scientist", "explain"), explains);
}

#[test]
fn cells_are_written_for_machines() {
    let cell = serde_json::to_value(&MATRIX[0]).unwrap();
    let expect = serde_json::json!({
        "role": "reader", "action": "predict", "resource": "Model", "decision": "allow", "policy": "P01_reader",
    });
    assert_eq!(cell, expect);
}
