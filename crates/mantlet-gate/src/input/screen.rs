//! The screen: remarks on what is valid and still odd. Reasons go to the audit entry, never to the answer.

use mantlet_types::{Contract, Tensor, entry::Token};

use super::{Screened, Valid, columns};
use crate::record::Record;

/// Features named in one entry; further ones are counted. An entry is metadata, not a copy of the input's shape.
const FEATURES_NAMED_MAX: usize = 8;

/// Looks at a valid request.
pub(crate) fn screen(valid: Valid, record: &mut Record) -> Screened {
    let remarks = remarks(valid.admission.model().contract(), &valid.tensors);
    record.entry().screen.extend(remarks);
    Screened { valid }
}

/// What is odd: `out_of_range:3` for a value of the fourth feature that the reference data did not have, and
/// `out_of_range:+5` for five such features more.
///
/// Features go by index: their names may be anything, and say more of the model than an entry should.
#[must_use]
pub fn remarks(contract: &Contract, tensors: &[Tensor]) -> Vec<Token> {
    let mut remarks = Vec::new();
    let mut further = 0_usize;
    for feature in columns::unseen(contract, tensors) {
        if remarks.len() < FEATURES_NAMED_MAX {
            remarks.push(Token::of(&format!("out_of_range:{feature}")));
        } else {
            further += 1;
        }
    }
    if further > 0 {
        remarks.push(Token::of(&format!("out_of_range:+{further}")));
    }
    remarks
}
