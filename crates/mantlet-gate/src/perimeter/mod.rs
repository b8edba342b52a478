//! The perimeter: who may knock, how often, and how much work that buys.

use std::sync::Arc;

use mantlet_types::{PrincipalId, Rejection, quota::Standing};

use crate::{Gate, identity::Principal, policy::Permit, ports::Model};

/// Limits of all principals.
pub struct Limiter {}

impl Limiter {
    /// Nobody has done anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

/// How many denials of each principal get an entry of their own.
pub struct Denials {}

impl Denials {
    /// Nobody was denied anything yet.
    #[must_use]
    pub fn new() -> Self {
        Self {}
    }

    /// Whether this principal's next denial gets an entry of its own.
    #[must_use]
    pub fn admits(&self, principal: Option<&PrincipalId>, per_minute: u32) -> bool {
        let _ = (principal, per_minute);
        true
    }
}

impl Default for Denials {
    fn default() -> Self {
        Self::new()
    }
}

/// Leave to use a share of the model: the proof that the limit was asked.
pub struct Admission {
    permit: Permit,
    standing: Standing,
}

impl Admission {
    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        self.permit.principal()
    }

    /// The version that will answer.
    #[must_use]
    pub fn model(&self) -> &Arc<dyn Model> {
        self.permit.model()
    }

    /// The permit.
    #[must_use]
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// How the limit stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Charges for rows beyond the first, once their number is known.
    ///
    /// # Errors
    /// 429 if they do not fit into the limit; then nothing more is charged.
    pub(crate) fn charge(&mut self, rows: usize) -> Result<(), Rejection> {
        let _ = rows;
        Ok(())
    }
}

/// Charges one evaluation of the model to the principal.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn limit(gate: &Gate, permit: Permit) -> Result<Admission, Rejection> {
    let _ = gate;
    Ok(Admission { permit, standing: Standing::default() })
}

/// Charges one administrative request to the principal.
///
/// # Errors
/// 429 with the time to wait.
pub(crate) fn limit_deed(gate: &Gate, principal: &Principal) -> Result<(), Rejection> {
    let _ = (gate, principal);
    Ok(())
}
