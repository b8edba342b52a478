//! `mantlet config`: what was typed, what it means, and making a server read it again.

use http::Method;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde_json::json;

use super::{
    args::{Common, Config as Command},
    exit::Failure,
    print,
    session::{self, Session},
};
use crate::{
    config::{ConfigError, ConfigErrors},
    llm,
};

/// Runs the command.
pub async fn run(common: &Common, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check => {
            let config = session::config(&session::home(common)?)?;
            for (route, why) in llm::lacking(&config) {
                print::note(format_args!("route `{route}` cannot be asked from here: {why}"));
            }
            let report = config.report();
            if common.json { print::json(&report) } else { print::line(report.to_string().trim_end()) }
        }
        Command::Reload => {
            let reply =
                Session::running(common)?.call(Method::POST, "/admin/v1/reload", Some(&json!({}))).await?;
            if common.json {
                return print::json(&reply);
            }
            if !reply["stopped"].is_null() {
                let stopped = print::cell(&reply, "stopped");
                print::note(format_args!(
                    "no longer answering, since nobody trusts their signers: {stopped}"
                ));
            }
            print::line(print::cell(&reply, "message"))
        }
    }
}

/// An invalid configuration: each error once, with the place and what to do.
pub fn invalid(errors: &ConfigErrors) -> Failure {
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_links(false);
    let render = |error: &ConfigError| {
        let mut shown = String::new();
        match handler.render_report(&mut shown, &Unadvised(error)) {
            Ok(()) => shown.trim_matches('\n').to_owned(),
            Err(_) => error.to_string(),
        }
    };
    let hint = |error: &ConfigError| error.advice().map(str::to_owned);
    let title = "the configuration cannot be used";
    match errors.0.as_slice() {
        [only] => Failure { hint: hint(only), ..Failure::new(format!("{title}\n{}", render(only))) },
        all => {
            let advised = |error| match hint(error) {
                Some(hint) => format!("{}\nhint: {hint}", render(error)),
                None => render(error),
            };
            let shown: Vec<String> = all.iter().map(advised).collect();
            Failure::new(format!("{title}: {} errors\n{}", all.len(), shown.join("\n\n")))
        }
    }
}

/// An error without its advice, which commands show in a line of its own.
#[derive(Debug)]
struct Unadvised<'a>(&'a ConfigError);

impl std::fmt::Display for Unadvised<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unadvised<'_> {}

impl Diagnostic for Unadvised<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.labels()
    }
}
