//! `mantlet init`: a home with its first people, and for a demonstration its first model.
//!
//! Everything is made beside the place where the home will be and put there in one step, people and model included:
//! a home that could not be finished was never there.

use std::{collections::BTreeSet, io::IsTerminal, os::unix::fs::DirBuilderExt, path::Path};

use bytes::Bytes;
use http::{Method, header};
use mantlet_gate::{
    administer,
    people::founding::{Founder, FounderKey},
};
use mantlet_models::{
    artifact::{SigningKey, sign},
    package::{Package, SIGNATURE_FILE},
};
use mantlet_store::SqliteStore;
use mantlet_types::{ProjectId, Role, Sha256, UserId};
use serde_json::{Value, json};

use super::{
    args::{Common, Init},
    exit::Failure,
    identity::{self, KEY_FILE, write_secret},
    print,
    session::{self, Session},
    transport,
};
use crate::{
    assemble::{App, told},
    demo,
    home::{self, Home, InitOptions, UserCertificate},
    server::upload,
};

/// What was made, for `--json` and for `serve`, which makes a home where there is none.
pub struct Made {
    /// The home.
    pub home: Home,
    /// The members of the `--json` document.
    pub said: Value,
}

/// Runs the command.
pub async fn run(common: &Common, command: Init) -> Result<(), Failure> {
    let dir = command.dir.clone().or_else(|| common.home.clone());
    let dir = Home::find(dir.as_deref(), |name| std::env::var_os(name));
    let command = if common.json { command } else { ask(command)? };
    let made = make(&dir, &command).await?;
    if common.json {
        return print::json(&made.said);
    }
    tell(&made, &command)?;
    print::note(format_args!("next: mantlet serve --home {}", print::cell(&made.said, "home")));
    Ok(())
}

/// Asks the one question whose answer changes everything after; without a terminal the strict answer holds.
fn ask(mut command: Init) -> Result<Init, Failure> {
    let decided = command.single_person || command.demo || command.security.is_some();
    if decided || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(command);
    }
    print::note(format_args!(
        "Will one person hold all duties here (a laptop), or several (a team)?\n\
         In a one-person home nobody approves what that person does, and every record says so. [o]ne / [t]eam:"
    ));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(|error| Failure::new(error.to_string()))?;
    match answer.trim() {
        "o" | "one" => command.single_person = true,
        "t" | "team" => {}
        _ => return Err(Failure::new("neither `one` nor `team`; nothing was made")),
    }
    Ok(command)
}

/// Makes a home.
pub async fn make(dir: &Path, command: &Init) -> Result<Made, Failure> {
    let single_person = command.single_person || command.demo;
    if single_person && command.security.is_some() {
        return Err(Failure::new("a one-person home has no second person").hint("leave out --security"));
    }
    let operator = command.operator.clone().map_or_else(login_name, Ok)?;
    let names = command.names.clone();
    let root_key = command.root_key.clone();
    let options = InitOptions { names, owner: Some(operator.clone()), single_person, root_key };
    let new = home::prepare(dir, &options, |name| std::env::var_os(name))
        .map_err(|error| told(&error, error.hint()))?;
    let store = {
        let key = new.root_key().store_key().map_err(|error| Failure::new(error.to_string()))?;
        SqliteStore::create(&new.home().store_path(), key, new.home().id().as_str()).await
    };
    store.map_err(|error| told(&error, error.hint().map(str::to_owned)))?.close().await;

    let security =
        if single_person { None } else { Some(command.security.clone().map_or_else(second_person, Ok)?) };
    let certificates = founders(new.home(), &operator, security.as_ref(), single_person)?;
    let config = session::config(new.home())?;
    let root = session::root_key(new.home(), &config)?;
    let held = new.home().lock().map_err(|error| told(&error, error.hint()))?;
    let listen = config.server.listen;
    let (app, _) = App::open(new.home().clone(), root, config, super::overlay(), held).await?;
    let founding: Vec<Founder> = certificates.iter().map(|(founder, _)| founder.clone()).collect();
    let keys = administer::found(app.server.gate(), &founding).await?;
    let session = Session::of(new.home(), app);
    let demo_key = if command.demo { Some(demonstrate(&session).await?) } else { None };
    session.close().await;
    let (home, _) = new.finish().map_err(|error| told(&error, error.hint()))?;
    hand_over(home, keys, &certificates, &operator, demo_key.as_deref(), &listen.to_string())
}

/// A team has a second person from its first day, or nothing could ever be approved.
fn second_person() -> Result<UserId, Failure> {
    "security".parse().map_err(|_| Failure::new("name the security person with --security"))
}

fn login_name() -> Result<UserId, Failure> {
    let name = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "owner".into());
    name.to_lowercase().parse().map_err(|_| {
        Failure::new("the login name is no user name here")
            .hint("choose one with --operator, as in --operator alice")
    })
}

/// The first people: the owner with every role, or a team's operator and security person with one duty each.
fn founders(
    home: &Home,
    operator: &UserId,
    security: Option<&UserId>,
    single_person: bool,
) -> Result<Vec<(Founder, UserCertificate)>, Failure> {
    let first =
        if single_person { Role::ALL.into_iter().collect() } else { BTreeSet::from([Role::Operator]) };
    let people =
        [(operator, first)].into_iter().chain(security.map(|user| (user, BTreeSet::from([Role::Security]))));
    people
        .map(|(user, roles)| {
            let issued = session::issue_user_certificate(home, user)?;
            Ok((Founder { user: user.clone(), certificate: issued.digest, roles }, issued))
        })
        .collect()
}

/// Signs and registers the bundled model and makes a key for it alone.
async fn demonstrate(session: &Session) -> Result<String, Failure> {
    let package = Package::from_files(demo::files(), demo::MODEL.to_owned())
        .map_err(|error| told(&error, error.hint()))?;
    let key = session.author_key()?.ok_or_else(|| Failure::new("the home has no author's key"))?;
    let key = SigningKey::from_pem(&key).map_err(|error| Failure::new(error.to_string()))?;
    let signature = sign(&package, &key).map_err(|error| told(&error, error.hint()))?;
    let home = "home".parse().map_err(|_| Failure::new("the home has no project"))?;
    let origin = Origin { project: home, data_authors: Vec::new(), data_digests: Vec::new() };
    register(session, &package.with_file(SIGNATURE_FILE, signature), &origin, false).await?;
    let body = json!({ "consumer": "demo", "project": "home", "models": [demo::MODEL], "env": "test" });
    let reply = session.call(Method::POST, "/admin/v1/keys", Some(&body)).await?;
    Ok(print::cell(&reply, "key"))
}

/// Where a package is registered, and where it comes from.
pub struct Origin {
    /// The project.
    pub project: ProjectId,
    /// Who made the data; whoever registers, if nobody is named.
    pub data_authors: Vec<UserId>,
    /// Digests of the data sets.
    pub data_digests: Vec<Sha256>,
}

/// Sends a signed package through door 2.
pub async fn register(
    session: &Session,
    package: &Package,
    Origin { project, data_authors, data_digests }: &Origin,
    candidate: bool,
) -> Result<Value, Failure> {
    let name = package.settings().map_err(|error| told(&error, error.hint()))?.name;
    let mut path = format!("/admin/v1/models/{name}?project={project}");
    if !data_authors.is_empty() {
        let names: Vec<&str> = data_authors.iter().map(UserId::as_str).collect();
        path = format!("{path}&data_authors={}", names.join(","));
    }
    if !data_digests.is_empty() {
        let digests: Vec<String> = data_digests.iter().map(ToString::to_string).collect();
        path = format!("{path}&data_digests={}", digests.join(","));
    }
    if candidate {
        path.push_str("&candidate=true");
    }
    let mut request = transport::request(Method::POST, &path, None)?;
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(upload::CONTENT_TYPE));
    *request.body_mut() = Bytes::from(upload::encode(package.subject(), package.files()));
    session.send(request).await?.json()
}

/// Puts what is shown once where it belongs: what each of the first people acts by in a directory of theirs, but for the
/// operator's key, which the terminal shows.
fn hand_over(
    home: Home,
    keys: Vec<FounderKey>,
    certificates: &[(Founder, UserCertificate)],
    operator: &UserId,
    demo_key: Option<&str>,
    listen: &str,
) -> Result<Made, Failure> {
    let mut said = json!({
        "home": home.dir(), "ca": home.ca_path(), "listen": listen, "operator": operator, "models": [],
        "operator_key": null, "demo_key": demo_key,
    });
    let place = session::place(&home, &session::config(&home)?)?;
    make_dir(&home.people_dir())?;
    for (founder, issued) in certificates {
        let dir = home.person_dir(&founder.user);
        make_dir(&dir)?;
        identity::write(&dir, None, issued, &place)?;
    }
    for key in keys {
        let is_operator = key.user == *operator;
        let text = key.secret.reveal();
        let dir = home.person_dir(&key.user);
        if is_operator {
            said["operator_key"] = Value::String(text.to_string());
            said["operator_directory"] = json!(dir);
        } else {
            write_secret(&dir.join(KEY_FILE), text.as_bytes())?;
            said["security_directory"] = json!(dir);
            said["security_key_file"] = json!(dir.join(KEY_FILE));
            said["security"] = json!(key.user);
        }
    }
    if let Some(key) = said["demo_key"].as_str() {
        write_secret(&home.demo_key_path(), key.as_bytes())?;
        said["models"] = json!([demo::MODEL]);
    }
    Ok(Made { home, said })
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .map_err(|error| Failure::new(format!("`{}`: {error}", dir.display())))
}

/// Keeps the operator's key in a file that only its owner reads, for where there is no terminal to show it on.
pub fn keep_operator_key(made: &Made) -> Result<(), Failure> {
    write_secret(&operator_key_path(made), print::cell(&made.said, "operator_key").as_bytes())
}

fn operator_key_path(made: &Made) -> std::path::PathBuf {
    Path::new(&print::cell(&made.said, "operator_directory")).join(KEY_FILE)
}

/// Tells a person what was made. The operator's key goes to a terminal, or to a file that only its owner reads: a log
/// that collects standard output is no place for it.
pub fn tell(made: &Made, command: &Init) -> Result<(), Failure> {
    let cell = |member| print::cell(&made.said, member);
    print::line(format!("home           {}", cell("home")))?;
    print::line(format!("CA certificate {}", cell("ca")))?;
    if std::io::stdout().is_terminal() {
        print::line(format!("operator key   {}  ({}; shown once)", cell("operator_key"), cell("operator")))?;
    } else {
        keep_operator_key(made)?;
        let path = operator_key_path(made);
        print::line(format!("operator key   in {} ({}); take it away", path.display(), cell("operator")))?;
    }
    if command.demo {
        print::line(format!("demo key       {}  (for {} alone)", cell("demo_key"), demo::MODEL))?;
    }
    if !made.said["security_key_file"].is_null() {
        let (who, dir) = (cell("security"), cell("security_directory"));
        print::line(format!("security       {dir} is for {who}: key and certificate; hand it over"))?;
    }
    if command.single_person || command.demo {
        print::note(format_args!(
            "one person holds all duties here ([danger] single_person); every record says so"
        ));
    }
    Ok(())
}
