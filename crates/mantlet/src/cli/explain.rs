//! `mantlet explain`: why a model answers as it does.

use serde_json::{Value, json};

use super::{
    args::{Common, Explain},
    exit::Failure,
    predict, print,
};

/// Characters of the longest bar.
const BAR: f64 = 24.0;

/// Asks for an explanation; exit code 1 if the answer is withheld, since then nothing is explained.
pub async fn run(common: &Common, command: Explain) -> Result<(), Failure> {
    let mut body = predict::body(&command.asking.input)?;
    if let Some(evaluations) = command.evaluations {
        // In the place where the body's own protocol has options.
        let options = if body.get("inputs").is_some() { "parameters" } else { "options" };
        body[options]["evaluations"] = json!(evaluations);
    }
    let reply = predict::ask(common, &command.asking, "v2", "explain", &body).await?;
    let explanation = &reply["explanation"];
    if common.json {
        print::json(&reply)?;
    } else if !explanation.is_null() {
        show(&reply, explanation)?;
    }
    if explanation.is_null() {
        return Err(Failure::no("the model is not sure, and what is withheld is not explained"));
    }
    Ok(())
}

/// The answer in a line, what it is made of in another, and a row for each feature, the weightiest first.
fn show(reply: &Value, explanation: &Value) -> Result<(), Failure> {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let (base, output) = (number(&explanation["base_value"]), number(&explanation["output_value"]));
    let cell = |member| print::cell(explanation, member);
    print::line(format!(
        "{} (confidence {})",
        print::cell(reply, "result"),
        print::cell(reply, "confidence")
    ))?;
    let (of, scale) = (cell("of"), cell("scale").replace('_', "-"));
    print::line(format!("{of}, {scale} scale: {output:.4} = {base:.4} on average {:+.4}", output - base))?;
    let name = |item: &Value| print::cell(item, "feature");
    let mut items: Vec<(String, f64, f64)> = explanation["attributions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| (name(item), number(&item["value"]), number(&item["standard_error"])))
        .collect();
    if let Some(count) = explanation["withheld"]["features"].as_u64() {
        let withheld = &explanation["withheld"];
        let (value, error) = (number(&withheld["value"]), number(&withheld["standard_error"]));
        items.push((format!("({count} withheld)"), value, error));
    }
    items.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let longest = items.first().map_or(0.0, |item| item.1.abs());
    let is_estimate = items.iter().any(|item| item.2 > 0.0);
    let rows: Vec<Vec<String>> = items
        .iter()
        .map(|(name, value, error)| {
            let error = if is_estimate { format!("± {error:.4}") } else { String::new() };
            vec![name.clone(), format!("{value:+.4}"), error, bar(*value, longest)]
        })
        .collect();
    print::table(&["feature", "added", if is_estimate { "error" } else { "" }, ""], &rows)?;
    print::note(format_args!(
        "{} explanation; {} evaluations of the model",
        cell("method"),
        cell("evaluations")
    ));
    Ok(())
}

/// As long as the value is large beside the longest; the sign stands in it too, since a bar has no other.
fn bar(value: f64, longest: f64) -> String {
    let share = if longest > 0.0 { value.abs() / longest } else { 0.0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to the bar's length")]
    let length = (share * BAR).round() as usize;
    (if value < 0.0 { "-" } else { "+" }).repeat(length)
}
