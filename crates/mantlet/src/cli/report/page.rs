//! An evaluation as one HTML page that needs nothing else: no script, no image, no font from anywhere. Everything that
//! came from a table, a package or a server is escaped; the page's own policy forbids whatever were missed to do anything.

use std::fmt::Write as _;

use mantlet_models::evaluate::{Classification, Method, Report, Sliced};

use super::{figures, interval, number, plots, slice_table};

/// Classes up to which the confusion matrix is drawn; larger ones are in the JSON document.
const CLASSES_MAX: usize = 40;

const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --front: #1a1d21; --soft: #667; --rule: #d8dce2; --mark: #1f5fbf; --off: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --front: #e6e8eb; --soft: #9aa3ad; --rule: #343b43; --mark: #7fb2ff; --off: #ff8a80; } }
body { background: var(--back); color: var(--front); font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.soft, caption, th { color: var(--soft); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; } caption { text-align: left; padding-bottom: .4rem; }
th, td { padding: .3rem .8rem .3rem 0; text-align: right; border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 500; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } figure { margin: 0; }
svg { width: 22rem; max-width: 100%; height: auto; } svg.wide { width: 40rem; }
svg text { fill: var(--soft); font-size: 12px; } .frame { fill: none; stroke: var(--rule); }
.diagonal { stroke: var(--rule); stroke-dasharray: 4 4; } .line { fill: none; stroke: var(--mark); stroke-width: 2; }
.dot { fill: var(--mark); fill-opacity: .8; } .gap { stroke: var(--off); }
table.confusion td.cell { text-align: center; padding: .3rem .6rem; background: color-mix(in srgb, var(--mark) calc(var(--share) * 60%), transparent); }
";

/// The page.
pub fn page(report: &Report) -> String {
    let version = report.version.map(|version| format!(" version {version}")).unwrap_or_default();
    let title = escaped(&format!("Evaluation of {}{version}", report.model));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    introduction(&mut html, report);
    figure_table(&mut html, report);
    if let Some(all) = &report.classification {
        curves(&mut html, all);
        confusion(&mut html, all);
        classes(&mut html, all);
    }
    report.slices.iter().for_each(|sliced| slice(&mut html, report, sliced));
    html.push_str("</body>\n</html>\n");
    html
}

/// Text as HTML shows it, in elements and in attributes with double quotes.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What turns the direction of text around could make it say something else than it does.
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{0}'..='\u{8}' => escaped.push('\u{FFFD}'),
            other => escaped.push(other),
        }
    }
    escaped
}

// Writing to a string cannot fail, so what `write!` says of it is dropped throughout.
fn introduction(html: &mut String, report: &Report) {
    let rows = report.rows;
    let _ = write!(html, "<p>{} of {} rows evaluated", rows.evaluated, rows.given);
    if rows.refused > 0 {
        let _ =
            write!(html, "; {} refused by the model's contract, as they would be in service", rows.refused);
    }
    let _ = write!(html, ". The truth is the column <b>{}</b>.", escaped(&report.target));
    if report.candidate {
        html.push_str(" This version is a candidate: it is not live.");
    }
    let _ = write!(
        html,
        "</p>\n<p class=\"soft\">Package {}. Intervals are of 95 %: Wilson's for shares, DeLong's for the area under the \
         curve, percentiles of {} resamples (seed {}) for the others.</p>\n",
        report.digest, report.bootstrap.resamples, report.bootstrap.seed
    );
}

fn figure_table(html: &mut String, report: &Report) {
    html.push_str(
        "<h2>Figures</h2>\n<div class=\"scroll\"><table>\n<tr><th>figure</th><th>value</th><th>95 % interval</th><th>by</th></tr>\n",
    );
    for (name, estimate) in figures(report) {
        let method = estimate.interval.map_or("", |interval| match interval.method {
            Method::Wilson => "Wilson",
            Method::Delong => "DeLong",
            Method::StructuralComponents => "DeLong's components",
            Method::Bootstrap => "bootstrap",
            Method::AgrestiMin => "Agresti-Min",
            Method::Normal => "normal",
        });
        let _ = writeln!(
            html,
            "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{method}</td></tr>",
            number(estimate.value),
            interval(&estimate)
        );
    }
    html.push_str("</table></div>\n");
}

fn curves(html: &mut String, all: &Classification) {
    html.push_str("<h2>Curves</h2>\n<div class=\"plots\">\n");
    if !all.roc.is_empty() {
        let positive = all.positive.as_deref().unwrap_or_default();
        let caption = escaped(&format!("ROC of “{positive}”"));
        let _ = writeln!(html, "<figure>{}<figcaption>{caption}</figcaption></figure>", plots::roc(&all.roc));
    }
    if !all.reliability.is_empty() {
        let caption = format!("Reliability, {} bins; the larger a dot, the more rows", all.ece_bins);
        let plot = plots::reliability(&all.reliability);
        let _ = writeln!(html, "<figure>{plot}<figcaption>{caption}</figcaption></figure>");
    }
    html.push_str("</div>\n");
}

fn confusion(html: &mut String, all: &Classification) {
    if all.labels.len() > CLASSES_MAX {
        return;
    }
    html.push_str(
        "<h2>Confusion</h2>\n<div class=\"scroll\"><table class=\"confusion\">\n<caption>Rows: the truth. Columns: the answer. \
         Withheld answers are counted as what they would have been.</caption>\n<tr><th></th>",
    );
    for label in &all.labels {
        let _ = write!(html, "<th>{}</th>", escaped(label));
    }
    html.push_str("</tr>\n");
    for (label, counts) in all.labels.iter().zip(&all.confusion) {
        let _ = write!(html, "<tr><th>{}</th>", escaped(label));
        let sum: usize = counts.iter().sum();
        if counts.is_empty() {
            let _ = write!(html, "<td colspan=\"{}\">too few rows to tell</td>", all.labels.len());
        }
        for count in counts {
            let share = *count as f64 / sum.max(1) as f64;
            let _ = write!(html, "<td class=\"cell\" style=\"--share: {share:.3}\">{count}</td>");
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
}

fn classes(html: &mut String, all: &Classification) {
    html.push_str(
        "<h2>Classes</h2>\n<div class=\"scroll\"><table>\n<tr><th>class</th><th>rows</th><th>precision</th><th>95 % \
         interval</th><th>recall</th><th>95 % interval</th><th>F1</th><th>95 % interval</th><th>ROC AUC</th></tr>\n",
    );
    for class in &all.classes {
        let _ = write!(html, "<tr><td>{}</td><td>{}</td>", escaped(&class.label), class.support);
        for estimate in [class.precision, class.recall, class.f1] {
            let value = estimate.map_or("–".to_owned(), |estimate| number(estimate.value));
            let ends = estimate.map_or("–".to_owned(), |estimate| interval(&estimate));
            let _ = write!(html, "<td>{value}</td><td>{ends}</td>");
        }
        let area = class.roc_auc.map_or("–".to_owned(), |area| number(area.value));
        let _ = writeln!(html, "<td>{area}</td></tr>");
    }
    html.push_str("</table></div>\n");
}

fn slice(html: &mut String, report: &Report, sliced: &Sliced) {
    let _ = writeln!(html, "<h2>By {}</h2>", escaped(&sliced.column));
    let all = match (&report.classification, &report.regression) {
        (Some(all), _) => Some(("accuracy", all.figures.accuracy)),
        (None, Some(all)) => Some(("mean absolute error", all.figures.mae)),
        (None, None) => None,
    };
    if let Some((name, all)) = all {
        let groups: Vec<_> = sliced
            .groups
            .iter()
            .filter_map(|group| {
                let of_classes = group.classification.as_ref().map(|figures| figures.accuracy);
                let estimate = of_classes.or(group.regression.as_ref().map(|figures| figures.mae))?;
                Some((group.group.as_str(), estimate))
            })
            .collect();
        let title =
            format!("{name} by {}, with 95 % intervals; the dashed line is that of all rows", sliced.column);
        let _ = writeln!(
            html,
            "<figure>{}<figcaption class=\"soft\">{}</figcaption></figure>",
            plots::groups(&title, &groups, all),
            escaped(&title)
        );
    }
    let (header, rows) = slice_table(&sliced.column, &sliced.groups);
    html.push_str("<div class=\"scroll\"><table>\n<tr>");
    header.iter().for_each(|name| {
        let _ = write!(html, "<th>{}</th>", escaped(name));
    });
    html.push_str("</tr>\n");
    for row in rows {
        html.push_str("<tr>");
        row.iter().for_each(|cell| {
            let _ = write!(html, "<td>{}</td>", escaped(cell));
        });
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_that_is_shown_can_be_markup() {
        assert_eq!(escaped(r#"<b a="1">'&"#), "&lt;b a=&quot;1&quot;&gt;&#39;&amp;");
        assert_eq!(escaped("a\u{202E}b\u{0}"), "a\u{FFFD}b\u{FFFD}");
    }
}
