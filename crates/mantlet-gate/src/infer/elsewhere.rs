//! Asking a model that runs elsewhere, on the same terms as one that runs here: the principal's share, and the deadline.
//! What is waiting is a future, so that a slow answer holds no thread.

use std::time::Instant;

use super::ModelInput;
use crate::{
    perimeter::Place,
    ports::{Behalf, EngineFault, RawOutput, Remote},
};

/// Asks once the principal has its turn.
///
/// # Errors
/// What the remote reports; also if there is no answer when the deadline is over, waiting for the turn included.
pub(super) async fn ask(
    remote: &dyn Remote,
    own: &Place,
    input: ModelInput,
    behalf: &Behalf,
    ends: Instant,
) -> Result<RawOutput, EngineFault> {
    let broken = |why: &str| EngineFault::Broken(why.to_owned());
    let work = async {
        let _turn = own.turn(remote.concurrent_max()).await.ok_or_else(|| broken("the share is closed"))?;
        remote.ask(input, behalf).await
    };
    let slow = |_| broken("the model elsewhere took too long");
    tokio::time::timeout_at(ends.into(), work).await.map_err(slow)?
}
