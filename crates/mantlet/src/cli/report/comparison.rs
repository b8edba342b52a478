//! A comparison for people: what callers would notice, and whether it is for the better.

use mantlet_models::evaluate::{
    Estimate,
    compare::{Comparison, Paired, Spread},
};

use super::{
    super::{exit::Failure, print},
    interval, number,
};

/// Prints the differences as tables.
pub fn comparison(comparison: &Comparison) -> Result<(), Failure> {
    let Comparison { model, live, candidate, rows, changed, outcomes, .. } = comparison;
    print::line(format!(
        "{model}: version {} against version {}, which is live, on {} of {} rows",
        candidate.version, live.version, rows.compared, rows.given
    ))?;
    print::line(format!(
        "{} rows are answered differently: a share of {} ({})",
        changed.rows,
        number(changed.share.value),
        interval(&changed.share)
    ))?;
    print::line("")?;
    let mut counts = vec![
        ("served by both".to_owned(), outcomes.served_by_both),
        ("served → fallback".to_owned(), outcomes.served_to_fallback),
        ("fallback → served".to_owned(), outcomes.fallback_to_served),
        ("fallback by both".to_owned(), outcomes.fallback_by_both),
        ("refused by the new version alone".to_owned(), rows.refused_by_candidate_alone),
        ("refused by the live version alone".to_owned(), rows.refused_by_live_alone),
    ];
    if let Some(answers) = &comparison.answers {
        counts.push(("other class".to_owned(), answers.changed));
        let changes = answers.changes.iter();
        counts.extend(changes.map(|change| (format!("  {} → {}", change.from, change.to), change.rows)));
        if answers.further > 0 {
            counts.push(("  other changes".to_owned(), answers.further));
        }
    }
    let counts: Vec<Vec<String>> =
        counts.into_iter().map(|(what, rows)| vec![what, rows.to_string()]).collect();
    print::table(&["difference", "rows"], &counts)?;
    let probability = comparison.answers.as_ref().and_then(|answers| answers.probability.as_ref());
    let spreads = [
        ("confidence, new less live", comparison.confidence.as_ref()),
        ("probability, greatest difference of a row", probability),
        ("value, new less live", comparison.values.as_ref()),
    ];
    for (name, spread) in spreads {
        if let Some(spread) = spread {
            spread_table(name, spread)?;
        }
    }
    truth_table(comparison)?;
    let took = |party: &mantlet_models::evaluate::compare::Party| number(party.us_per_row);
    print::line("")?;
    print::line(format!("a row takes {} µs, {} µs with the live version", took(candidate), took(live)))
}

fn spread_table(name: &str, spread: &Spread) -> Result<(), Failure> {
    print::line("")?;
    let row = |name: String, value: f64, range: String| vec![name, number(value), range];
    let mean = row("mean".to_owned(), spread.mean.value, interval(&spread.mean));
    let quantiles = spread.quantiles.iter();
    let quantiles =
        quantiles.map(|quantile| row(format!("{} quantile", quantile.at), quantile.value, "-".to_owned()));
    let rows: Vec<_> = std::iter::once(mean).chain(quantiles).collect();
    print::table(&[name, "value", "95 % interval"], &rows)
}

/// Which of the two is right, where the rows say what is true.
fn truth_table(comparison: &Comparison) -> Result<(), Failure> {
    let Some(truth) = &comparison.truth else { return Ok(()) };
    let figures = [
        ("accuracy", truth.accuracy),
        ("log loss", truth.log_loss),
        ("Brier score", truth.brier),
        ("mean absolute error", truth.absolute_error),
        ("mean squared error", truth.squared_error),
    ];
    let cell = |estimate: &Estimate| number(estimate.value);
    let row = |(name, paired): (&str, Option<Paired>)| {
        let Paired { live, candidate, difference } = paired?;
        Some(vec![name.to_owned(), cell(&live), cell(&candidate), cell(&difference), interval(&difference)])
    };
    print::line("")?;
    let rows: Vec<_> = figures.into_iter().filter_map(row).collect();
    print::table(&["figure", "live", "new", "difference", "95 % interval"], &rows)?;
    if let Some(test) = truth.mcnemar {
        print::line(format!(
            "right by the live version alone {}, by the new one alone {}; by chance with p = {} (McNemar, exact)",
            test.only_live_right,
            test.only_candidate_right,
            number(test.p)
        ))?;
    }
    Ok(())
}
