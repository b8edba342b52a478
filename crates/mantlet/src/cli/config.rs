//! `mantlet config`: what was typed, what it means, and making a server read it again.

use http::Method;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde_json::json;

use super::{
    args::{Common, Config as Command},
    exit::Failure,
    print,
    session::{self, Session},
};
use crate::config::ConfigErrors;

/// Runs the command.
pub async fn run(common: &Common, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check => {
            let config = session::config(&session::home(common)?)?;
            let report = config.report();
            if common.json { print::json(&report) } else { print::line(report.to_string().trim_end()) }
        }
        Command::Reload => {
            let reply =
                Session::running(common)?.call(Method::POST, "/admin/v1/reload", Some(&json!({}))).await?;
            if common.json { print::json(&reply) } else { print::line(print::cell(&reply, "message")) }
        }
    }
}

/// An invalid configuration, each error with the place and what to do.
pub fn invalid(errors: &ConfigErrors) -> Failure {
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_links(false);
    if handler.render_report(&mut text, errors).is_err() {
        text = errors.to_string();
    }
    let hint = errors.0.iter().find_map(|error| error.advice().map(str::to_owned));
    Failure { hint, ..Failure::new(text.trim()) }
}
