//! `mantlet serve`: listeners in front of the gate, until told to stop.

use std::{
    fs,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use mantlet_gate::{
    administer,
    identity::{Arrival, Channel, Credential},
};
use mantlet_types::entry::Event;
use serde_json::json;
use tokio::{
    net::{TcpListener, UnixListener},
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    args::{Common, Init, Serve},
    exit::Failure,
    identity::write_secret,
    init, print,
    session::{self, root_key},
};
use crate::{
    assemble::{self, App, Live, accept_older_store, make_databases, told},
    config::{Config, Overlay},
    confine,
    deeds::reload::{ReloadConfig, Reloader},
    demo, faults,
    home::{Home, HomeLock, RootKey},
    logging,
    registrar::Registrar,
    server::{
        Server,
        listen::{self, Listeners},
        tls::{self, ServerCertificate},
    },
};

/// A home that is about to be served, by a process that has given up what it will not need.
pub struct Ready {
    home: Home,
    config: Config,
    overlay: Overlay,
    root: RootKey,
    held: HomeLock,
    /// Whether an older store was accepted.
    restored: bool,
    registrar: Option<Arc<Registrar>>,
}

/// Makes the home where there is none, takes it, starts the registrar, and confines this process.
///
/// # Errors
/// If there is anything that stands against serving; with advice.
pub fn prepare(common: &Common, command: &Serve) -> Result<Ready, Failure> {
    // Whatever this process makes is its user's alone, the control socket among it.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let home = runtime.block_on(Box::pin(open_or_make(common, command)))?;
    let overlay = super::overlay()
        .listen(command.listen.map(|address| address.to_string()))
        .plaintext_loopback(command.plaintext_loopback);
    let config = Config::read(&home.config_path(), overlay.clone())
        .map_err(|errors| super::config::invalid(&errors))?;
    logging::start(&config.log);
    for danger in config.dangers() {
        tracing::warn!("[danger] {danger} is switched on");
    }
    let held = home.lock().map_err(|error| told(&error, error.hint()))?;
    let root = root_key(&home, &config)?;
    let restored =
        command.accept_older_store && runtime.block_on(Box::pin(accept_older_store(&home, &root)))?;
    runtime.block_on(Box::pin(make_databases(&home, &root)))?;
    drop(assemble::registry(&home, &root)?);
    drop(runtime);
    let registrar = confined(&home, &config)?;
    Ok(Ready { home, config, overlay, root, held, restored, registrar })
}

/// Starts the registrar and gives up writing what it writes. Where that cannot be, it is said, and this process goes on
/// as its own registrar, unless the configuration is strict.
fn confined(home: &Home, config: &Config) -> Result<Option<Arc<Registrar>>, Failure> {
    if !is_alone() {
        if config.server.strict {
            return Err(Failure::new("a thread of the preparation goes on, which would not be confined")
                .hint("start again"));
        }
        tracing::warn!("a thread of the preparation goes on unconfined until the next start");
    }
    let registrar = match Registrar::start(home.dir()) {
        Ok(registrar) => registrar,
        Err(error) if config.server.strict => {
            return Err(Failure::new(format!("the registrar cannot be started: {error}")));
        }
        Err(error) => {
            tracing::warn!(%error, "not confined: the registrar cannot be started");
            return Ok(None);
        }
    };
    match confine::server(home, config) {
        Ok(()) => {
            tracing::info!("confined: the kernel refuses this process to write packages and to read keys");
            Ok(Some(Arc::new(registrar)))
        }
        Err(why) if config.server.strict => {
            let failure = Failure::new(format!("this process cannot be confined: {why}"));
            let hint =
                why.hint().unwrap_or("serve where the kernel has Landlock, or without `[server] strict`");
            Err(failure.hint(hint))
        }
        Err(why) => {
            let hint = why.hint().unwrap_or_default();
            tracing::warn!(%why, hint, "not confined: this process can write packages and read keys");
            Ok(None)
        }
    }
}

/// Waits for threads to end that made the home or looked after its databases: they would not be confined.
fn is_alone() -> bool {
    let threads = || fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    let until = Instant::now() + THREADS_END;
    while threads() > 1 {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// How long threads may take to end whose work has ended.
const THREADS_END: Duration = Duration::from_secs(2);

/// Runs the command.
pub async fn run(common: &Common, ready: Ready) -> Result<(), Failure> {
    let Ready { home, config, overlay, root, held, restored, registrar } = ready;
    if let Some(registrar) = &registrar {
        let failed =
            |error: std::io::Error| Failure::new(format!("the registrar cannot be watched: {error}"));
        registrar.attend().map_err(failed)?;
    }
    let opened = App::open_kept_by(home.clone(), root, config.clone(), overlay, held, registrar);
    let (app, live) = opened.await?;
    let noted = if restored {
        administer::announce(app.server.gate(), Event::SysRestore, None).await
    } else {
        Ok(())
    };
    let served = match noted {
        Ok(()) => attend(common, &home, &app, live, &config).await,
        Err(rejection) => Err(rejection.into()),
    };
    // In good order, also where nothing could be served: what has a start in the log has a stop.
    app.close().await;
    served
}

/// Stands at the doors until told to stop.
async fn attend(
    common: &Common,
    home: &Home,
    app: &App,
    live: Arc<Live>,
    config: &Config,
) -> Result<(), Failure> {
    let (listeners, address) = listeners(home, config, &live).await?;
    // Before anybody is told that there is a server: a signal that comes first would end it in disorder.
    let (stop, hangup) = (stop(app.server.bounds().drain_timeout), signal(SignalKind::hangup()));
    faults::attempt(home);
    announce(common, home, address, &listeners, config.danger.plaintext)?;
    let fetching = Arc::clone(&live);
    fetching.issuers().fetch();
    live.watch_upstreams();
    let renewing = tokio::spawn(Arc::clone(&live).renew_daily());
    let expiring = tokio::spawn(expire(Arc::clone(&app.server)));
    let reloading = tokio::spawn(reload_on_hangup(Arc::clone(&app.server), live, hangup));
    listen::serve(Arc::clone(&app.server), listeners, stop).await;
    reloading.abort();
    renewing.abort();
    expiring.abort();
    fetching.issuers().stop();
    for path in [home.control_socket(), home.address_path()] {
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// The home, made first where there is none.
async fn open_or_make(common: &Common, command: &Serve) -> Result<Home, Failure> {
    let dir = Home::find(common.home.as_deref(), |name| std::env::var_os(name));
    if Home::is_home(&dir) {
        return session::home(common);
    }
    let wanted = Init { single_person: command.demo, demo: command.demo, ..Init::default() };
    let made = init::make(&dir, &wanted).await?;
    if common.json {
        init::keep_operator_key(&made)?;
    } else {
        init::tell(&made, &wanted)?;
    }
    Ok(made.home)
}

/// Binds every socket that the configuration asks for. Nothing listens before everything could be bound.
async fn listeners(home: &Home, config: &Config, live: &Live) -> Result<(Listeners, SocketAddr), Failure> {
    let mut listeners = Listeners::default();
    let main = bind(config.server.listen).await?;
    let address = main.local_addr().map_err(|error| Failure::new(error.to_string()))?;
    if config.danger.plaintext {
        if !address.ip().to_canonical().is_loopback() {
            return Err(Failure::new(format!(
                "plain HTTP at {address} would show keys and answers to the network"
            ))
            .hint("listen on 127.0.0.1, or leave out --plaintext-loopback"));
        }
        listeners.dangerous_plaintext = Some(main);
    } else {
        let identity = live.server_identity(config)?;
        let ca = home.ca_certificate().map_err(|error| told(&error, error.hint()))?;
        let certificate =
            ServerCertificate::new(identity).map_err(|error| Failure::new(error.to_string()))?;
        live.watch(Arc::clone(&certificate));
        let tls = tls::config(certificate, Some(ca), live.trust(), false)
            .map_err(|error| Failure::new(error.to_string()))?;
        listeners.tls.push((main, tls));
    }
    if let Some(address) = config.server.probe_listen {
        listeners.probe = Some(bind(address).await?);
    }
    listeners.control = Some(control_socket(home)?);
    Ok((listeners, address))
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(format!("cannot listen at {address}: {error}"))
            .hint("choose another address with --listen")
    })
}

/// Makes the control socket, closed to others, in the place of one that a dead server left: the lock says that it is dead.
fn control_socket(home: &Home) -> Result<(UnixListener, u32), Failure> {
    let path = home.control_socket();
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot make the control socket `{}`: {error}", path.display()))
            .hint("a socket's path has at most 107 bytes; a home nearer the root is shorter")
    };
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    // The directory is closed to others; so is the socket, by the mask that the process began with.
    Ok((listener, rustix::process::geteuid().as_raw()))
}

/// Says where the server listens, once it does: a line for a person, a document for a program, a file for commands.
fn announce(
    common: &Common,
    home: &Home,
    address: SocketAddr,
    listeners: &Listeners,
    plaintext: bool,
) -> Result<(), Failure> {
    let path = home.address_path();
    let _ = fs::remove_file(&path); // left by a server that was killed
    write_secret(&path, address.to_string().as_bytes())?;
    let probe = listeners.probe.as_ref().and_then(|probe| probe.local_addr().ok());
    let scheme = if plaintext { "http" } else { "https" };
    if common.json {
        return print::json(&json!({
            "listen": address.to_string(), "url": format!("{scheme}://{address}"), "home": home.dir(),
            "ca": home.ca_path(), "probe": probe.map(|probe| probe.to_string()),
        }));
    }
    print::line(format!("serving at     {scheme}://{address}"))?;
    if home.demo_key_path().exists() {
        // The key stays in its file: standard output is often somebody's log.
        print::line(format!(
            "\ntry it: curl --cacert {} -H \"Authorization: Bearer $(cat {})\" \\\n  {scheme}://{address}/v1/models/{}/predict -d '{}'",
            home.ca_path().display(),
            home.demo_key_path().display(),
            demo::MODEL,
            demo::ROW.split_whitespace().collect::<String>(),
        ))?;
    }
    Ok(())
}

/// SIGTERM, or a person's Ctrl-C. Heard from the call on, not only once somebody waits.
fn stop(drain: Duration) -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        // Without signals, only a kill ends the server; it is built to survive that.
        let (Ok(mut term), Ok(mut interrupt)) = signals else { return std::future::pending().await };
        tokio::select! { _ = term.recv() => {} _ = interrupt.recv() => {} }
        tracing::info!(seconds = drain.as_secs_f64(), "stopping; requests under way may end");
    }
}

/// How often it is looked for held answers that have ended. They are not shown from the moment on at which they end;
/// this is how much longer their keys exist.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// Forgets held answers as their time ends.
async fn expire(server: Arc<Server>) {
    loop {
        tokio::time::sleep(EXPIRY_INTERVAL).await;
        if let Err(rejection) = administer::expire_reviews(server.gate()).await {
            let cause = rejection.cause.as_deref().unwrap_or_default();
            tracing::error!(%rejection, %cause, "held answers that have ended could not be forgotten");
        }
    }
}

/// SIGHUP reads the configuration again, through door 2, as the owner: nobody else can send the signal.
async fn reload_on_hangup(server: Arc<Server>, live: Arc<Live>, hangup: std::io::Result<Signal>) {
    let Ok(mut hangup) = hangup else { return };
    while hangup.recv().await.is_some() {
        let arrival = Arrival {
            request_id: server.gate().request_id(),
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            trace_id: None,
            channel: Channel::Control,
            credential: Credential::LocalOwner,
        };
        let deed = ReloadConfig(Arc::clone(&live) as Arc<dyn Reloader>);
        match administer::administer(Arc::clone(server.gate()), arrival, deed).await.into_parts().0 {
            Ok(reloaded) => tracing::info!("{}", reloaded.message),
            Err(rejection) => tracing::error!(%rejection, "the configuration stays as it was"),
        }
    }
}
