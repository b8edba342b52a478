//! IEEE 754 binary16, which Rust does not have yet: bit patterns to numbers and back.

/// A binary16 number by its bits: one of sign, five of exponent, ten of fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Half(pub(crate) u16);

/// 2^-24, the distance of subnormals.
const TINY: f64 = 1.0 / 16_777_216.0;

impl Half {
    /// A quiet NaN.
    pub(crate) const NAN: Self = Self(0x7E00);

    /// Neither infinite nor NaN: the exponent is not all ones.
    pub(crate) fn is_finite(self) -> bool {
        self.0 & 0x7C00 != 0x7C00
    }

    /// Not a number: the exponent is all ones and the fraction is not zero.
    pub(crate) fn is_nan(self) -> bool {
        self.0 & 0x7FFF > 0x7C00
    }

    /// The number, exactly.
    pub(crate) fn to_f64(self) -> f64 {
        let fraction = f64::from(self.0 & 0x3FF);
        let magnitude = match i32::from(self.0 >> 10 & 0x1F) {
            0 => fraction * TINY,
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            exponent => (fraction + 1_024.0) * f64::powi(2.0, exponent - 25),
        };
        if self.0 & 0x8000 == 0 { magnitude } else { -magnitude }
    }

    /// The nearest binary16, ties to even; infinite from 65,520 on.
    pub(crate) fn from_f64(value: f64) -> Self {
        if value.is_nan() {
            return Self::NAN;
        }
        let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
        let magnitude = value.abs();
        let bits = if magnitude < 6.103_515_625e-5 {
            // Below 2^-14 the bits count multiples of 2^-24; 1,024 of them are the first normal number.
            (magnitude / TINY).round_ties_even() as u16
        } else if magnitude >= 65_520.0 {
            0x7C00
        } else {
            // INVARIANT: 2^-14 <= magnitude < 2^16, so the exponent is -14 to 15. A fraction that rounds up to
            // 2,048 carries into the exponent, as it should.
            let exponent = (magnitude.to_bits() >> 52) as i32 - 1_023;
            let fraction = (magnitude * f64::powi(2.0, 10 - exponent)).round_ties_even() as u16;
            ((exponent + 14) as u16) * 1_024 + fraction
        };
        Self(sign | bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_round_trips() {
        for bits in 0..=u16::MAX {
            let half = Half(bits);
            let value = half.to_f64();
            assert_eq!(half.is_finite(), value.is_finite(), "{bits:#06x}");
            assert_eq!(half.is_nan(), value.is_nan(), "{bits:#06x}");
            if !value.is_nan() {
                assert_eq!(Half::from_f64(value), half, "{bits:#06x}");
            }
        }
        assert!(Half::from_f64(f64::NAN).to_f64().is_nan());
    }

    #[test]
    fn rounding_goes_to_the_nearest_and_ties_to_even() {
        for bits in 0..0x7BFF_u16 {
            let (low, high) = (Half(bits), Half(bits + 1));
            let middle = f64::midpoint(low.to_f64(), high.to_f64());
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(Half::from_f64(middle), even, "{bits:#06x}");
            assert_eq!(Half::from_f64(middle.next_down()), low, "{bits:#06x}");
            assert_eq!(Half::from_f64(middle.next_up()), high, "{bits:#06x}");
        }
        assert_eq!(Half::from_f64(65_519.99), Half(0x7BFF));
        assert_eq!(Half::from_f64(-65_520.0), Half(0xFC00));
    }

    #[test]
    fn known_numbers() {
        for (value, bits) in [(1.0, 0x3C00), (-2.0, 0xC000), (65_504.0, 0x7BFF), (0.333_251_953_125, 0x3555)]
        {
            assert_eq!(Half(bits).to_f64(), value);
        }
    }
}
