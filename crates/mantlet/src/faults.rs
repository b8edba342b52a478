//! Disk faults and another time on order, so that tests of the real binary can watch the log fail and things end. Compiled
//! in with the feature `faults` only, which no release has.

#[cfg(feature = "faults")]
mod attempts;

#[cfg(feature = "faults")]
pub use attempts::attempt;

/// Attempts nothing.
#[cfg(not(feature = "faults"))]
pub const fn attempt(_home: &crate::home::Home) {}

#[cfg(feature = "faults")]
mod armed {
    use std::{
        pin::Pin,
        sync::{Arc, LazyLock},
    };

    use mantlet_audit::{
        Options,
        disk::faulty::{FaultPlan, FaultyDisk},
    };
    use mantlet_gate::{
        administer::Warrant,
        directory::Change,
        ports::{Store, StoreFault},
    };

    /// A store with a step before each change is durable and one after.
    struct Stepped(Arc<dyn Store>);

    impl Store for Stepped {
        fn commit<'a>(
            &'a self,
            warrant: &'a Warrant,
            changes: &'a [Change],
        ) -> Pin<Box<dyn Future<Output = Result<u64, StoreFault>> + Send + 'a>> {
            Box::pin(async move {
                step("change-decided");
                let committed = self.0.commit(warrant, changes).await;
                step("change-durable");
                committed
            })
        }
    }

    /// The store, with steps at which the process can be made to die.
    pub fn stepped(store: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Stepped(store))
    }

    /// By how many seconds `MANTLET_CLOCK_AHEAD` puts the clock ahead.
    pub fn clock_ahead_s() -> i64 {
        static AHEAD: LazyLock<i64> = LazyLock::new(|| {
            std::env::var("MANTLET_CLOCK_AHEAD").ok().and_then(|text| text.parse().ok()).unwrap_or(0)
        });
        *AHEAD
    }

    /// Ends the process as a kill would, at the step that `MANTLET_DIE_AT` names.
    pub fn step(name: &str) {
        if std::env::var("MANTLET_DIE_AT").is_ok_and(|step| step == name) {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
        }
    }

    /// Arms the plan in `MANTLET_FAULTS`, if there is one. A plan that cannot be read ends the process: a test that
    /// asks for a fault and gets none would prove nothing.
    pub fn arm(options: &mut Options) {
        let Ok(text) = std::env::var("MANTLET_FAULTS") else { return };
        match text.parse::<FaultPlan>() {
            Ok(plan) => {
                let disk = FaultyDisk::new(Arc::clone(&options.disk));
                disk.arm(Some(plan));
                options.disk = Arc::new(disk);
            }
            Err(error) => {
                tracing::error!(%error, "MANTLET_FAULTS cannot be read");
                std::process::exit(2);
            }
        }
    }
}

#[cfg(feature = "faults")]
pub use armed::{arm, clock_ahead_s, step, stepped};

/// The clock goes as the machine's does.
#[cfg(not(feature = "faults"))]
pub(crate) const fn clock_ahead_s() -> i64 {
    0
}

/// Does nothing: this build has no faults to arm.
#[cfg(not(feature = "faults"))]
pub fn arm(_options: &mut mantlet_audit::Options) {}

/// The store as it is: this build does not die on order.
#[cfg(not(feature = "faults"))]
pub fn stepped(
    store: std::sync::Arc<dyn mantlet_gate::ports::Store>,
) -> std::sync::Arc<dyn mantlet_gate::ports::Store> {
    store
}

/// Does nothing: this build does not die on order.
#[cfg(not(feature = "faults"))]
pub const fn step(_name: &str) {}
