//! LightGBM's text format: a header, trees, and parameters, as lines of `key=value`.

use crate::{
    Input, Rule,
    scan::{Scan, Stop},
};

/// The file is LightGBM's.
pub(crate) static MALFORMED: Rule = Rule {
    id: "lightgbm/structure",
    class: "lightgbm-malformed",
    demands: "a LightGBM model has trees whose lists are as long as their leaves say, and children within them",
};

/// Whether content begins like a LightGBM model.
pub(crate) fn recognizes(input: &Input<'_>) -> Result<bool, Stop> {
    let head = super::head(input, 64)?.unwrap_or_default();
    Ok(head.starts_with("tree\n") || head.starts_with("tree\r\n"))
}

/// Lists of a tree with one entry for each inner node.
const OF_NODES: [&str; 8] = [
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "internal_value",
    "internal_count",
];

/// Judges a model.
pub(crate) fn scan(input: &Input<'_>, scan: &mut Scan<'_>) -> Result<(), Stop> {
    let bytes = input.read(0, input.len())?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Stop::malformed(error.valid_up_to() as u64, "the model is not UTF-8"))?;
    if let Some(at) = text.bytes().position(|byte| !super::is_textual(byte)) {
        return Err(Stop::malformed(at as u64, "a control character stands in the model"));
    }
    let (mut at, mut leaves, mut ended, mut features) = (0_u64, None::<u64>, false, None::<u64>);
    for line in text.split('\n') {
        scan.charge(1)?;
        let place = at;
        at += line.len() as u64 + 1;
        let line = line.trim_end();
        if line == "end of trees" {
            ended = true;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if ended {
            continue;
        }
        let number = |value: &str| value.parse::<u64>().ok();
        let wrong =
            |why: &str| Err(Stop::malformed(place, format!("`{}` {why}", super::super::window::shown(key))));
        match key {
            "Tree" => leaves = None,
            "max_feature_idx" => features = number(value),
            "num_leaves" => {
                let Some(count) = number(value).filter(|count| (1..=1 << 24).contains(count)) else {
                    return wrong("is out of bounds");
                };
                leaves = Some(count);
            }
            key if OF_NODES.contains(&key) => {
                let Some(leaves) = leaves else { return wrong("stands before the number of leaves") };
                let items: Vec<&str> = value.split_ascii_whitespace().collect();
                if items.len() as u64 != leaves - 1 && !(leaves == 1 && items.len() <= 1) {
                    return wrong("has not one entry for each node");
                }
                if leaves > 1 && (key.ends_with("_child") || key == "split_feature") {
                    let low = -i128::from(leaves);
                    let high = if key == "split_feature" {
                        i128::from(features.unwrap_or(u64::from(u32::MAX)))
                    } else {
                        i128::from(leaves) - 2
                    };
                    let low = if key == "split_feature" { 0 } else { low };
                    let within =
                        |item: &&str| item.parse::<i128>().is_ok_and(|item| (low..=high).contains(&item));
                    if !items.iter().all(within) {
                        return wrong("leads out of the tree");
                    }
                }
            }
            _ => {}
        }
    }
    if ended { Ok(()) } else { Err(Stop::Cut { offset: input.len() }) }
}
