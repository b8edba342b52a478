//! How many different rows a principal has sent, in four kilobytes (Flajolet et al. 2007, "HyperLogLog"). What a budget is charged by: the only
//! brake on theft by ordinary rows.

use serde::{Deserialize, Serialize};

/// Registers: a standard error of 1.6 %.
pub const REGISTERS: usize = 4_096;
/// Bits of a digest that choose a register.
const BITS: u32 = 12;

/// An estimate of how many different digests were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Distinct(Vec<u8>);

impl Default for Distinct {
    fn default() -> Self {
        Self(vec![0; REGISTERS])
    }
}

impl Distinct {
    /// Counts a digest, which must be uniformly distributed and, against principals who would choose their rows by it, keyed.
    pub fn observe(&mut self, digest: u64) {
        let index = (digest >> (u64::BITS - BITS)) as usize;
        // The run of zeros in the rest, plus one; a set bit below ends it at the latest.
        let run = ((digest << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
        if let Some(register) = self.0.get_mut(index) {
            *register = (*register).max(run);
        }
    }

    /// The estimate.
    #[must_use]
    pub fn count(&self) -> f64 {
        let registers = REGISTERS as f64;
        let sum: f64 = self.0.iter().map(|run| 2.0_f64.powi(-i32::from(*run))).sum();
        let raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
        let empty = self.0.iter().filter(|run| **run == 0).count() as f64;
        // Few are counted by the registers that are still empty.
        if raw <= 2.5 * registers && empty > 0.0 { registers * (registers / empty).ln() } else { raw }
    }

    /// Adds what another replica has counted.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own = (*own).max(*other));
    }
}

impl From<Distinct> for Vec<u8> {
    fn from(distinct: Distinct) -> Self {
        distinct.0
    }
}

impl TryFrom<Vec<u8>> for Distinct {
    type Error = &'static str;

    fn try_from(registers: Vec<u8>) -> Result<Self, Self::Error> {
        let is_sound = registers.len() == REGISTERS
            && registers.iter().all(|run| u32::from(*run) <= u64::BITS - BITS + 1);
        if is_sound { Ok(Self(registers)) } else { Err("not the registers of a count") }
    }
}
