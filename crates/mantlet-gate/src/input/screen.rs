//! The screen: remarks on what is valid and still odd. Reasons go to the audit entry, never to the answer.

use super::{Screened, Valid};
use crate::record::Record;

/// Looks at a valid request.
pub(crate) fn screen(valid: Valid, record: &mut Record) -> Screened {
    let _ = record;
    Screened { valid }
}
