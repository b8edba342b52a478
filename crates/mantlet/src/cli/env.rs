//! `mantlet env`: variables with which ordinary clients find this server and trust its certificate, so that nobody
//! switches verification off.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    args::{Common, Dialect, Env},
    exit::Failure,
    identity::write_secret,
    print, session,
    transport::system_bundle,
};
use crate::{config::env_vars, home::Home};

/// Prints the variables.
pub fn run(common: &Common, command: &Env) -> Result<(), Failure> {
    let home = session::home(common)?;
    let config = session::config(&home)?;
    let (url, ca) = (session::local_url(&home, &config), home.ca_path());
    // Clients that add one file to what they trust trust the system anyway; MANTLET_CA is all that `predict` trusts.
    let is_own = config.server.certificate.is_none();
    let bundle = bundle(&home, &ca)?;
    let grpc = if is_own && home.grpc_path().exists() { home.grpc_path() } else { bundle.clone() };
    let (bundle, ca) = (bundle.display().to_string(), ca.display().to_string());
    let mut variables = vec![
        (env_vars::HOME.name, home.dir().display().to_string()),
        (env_vars::URL.name, url.clone()),
        (env_vars::CA.name, if is_own { ca.clone() } else { bundle.clone() }),
        // curl, Python requests, Python's own ssl (httpx, the OpenAI SDK), Node.
        ("CURL_CA_BUNDLE", bundle.clone()),
        ("REQUESTS_CA_BUNDLE", bundle.clone()),
        ("SSL_CERT_FILE", bundle),
        ("NODE_EXTRA_CA_CERTS", ca),
        // gRPC's own libraries.
        ("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", grpc.display().to_string()),
        ("OPENAI_BASE_URL", format!("{url}/v1")),
    ];
    // A key is shown once and kept nowhere, except the one of a demonstration.
    if let Ok(key) = fs::read_to_string(home.demo_key_path()) {
        variables.push((env_vars::API_KEY.name, key.trim().to_owned()));
        variables.push(("OPENAI_API_KEY", key.trim().to_owned()));
    }
    if common.json {
        let object: serde_json::Map<String, serde_json::Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        return print::json(&object);
    }
    variables.iter().try_for_each(|(name, value)| {
        print::line(match command.shell {
            Dialect::Sh => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            // In fish a backslash is special between single quotes as well.
            Dialect::Fish => {
                format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
            }
        })
    })
}

/// The system's authorities and this home's, in one file: clients that take a bundle take it instead of the system's,
/// and must still trust everybody else.
fn bundle(home: &Home, ca: &Path) -> Result<PathBuf, Failure> {
    let failed = |path: &Path, error: std::io::Error| Failure::new(format!("`{}`: {error}", path.display()));
    let own = fs::read_to_string(ca).map_err(|error| failed(ca, error))?;
    let path = home.ca_bundle_path();
    // What an enclosing `eval` has set names this very file; it is not the system's.
    let system = system_bundle(&[&path, ca]);
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    write_secret(&temporary, format!("{}\n{own}", system.trim_end()).as_bytes())?;
    fs::rename(&temporary, &path).map_err(|error| failed(&path, error))?;
    Ok(path)
}
