//! Numbers of every element type: exact conversion from JSON's only one, and comparison with a contract's bounds.

use mantlet_types::contract::Range;

use super::half::Half;

/// The largest integer that a JSON number, read as binary64, tells apart from its neighbors: 2^53 - 1. Larger ones
/// travel in tensors, which carry their type.
const SAFE_INTEGER_MAX: f64 = 9_007_199_254_740_991.0;

/// An element of a numeric tensor.
pub(super) trait Number: Copy {
    /// What stands for a missing value, if the type has such.
    const MISSING: Option<Self> = None;

    /// The number as this type; `None` where that would change an integer or leave the finite numbers. Rounding to
    /// a shorter float is what the model was exported to expect, and is no change.
    fn exact(value: f64) -> Option<Self>;

    /// The truth value as this type, for the one type that has them.
    fn truth(_value: bool) -> Option<Self> {
        None
    }

    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool {
        true
    }

    /// Stands for no number at all.
    fn is_nan(self) -> bool {
        false
    }

    /// Whether the number lies within the bounds, these rounded to this type as the number was: a caller who sends
    /// the upper bound itself in FP32 is within it.
    fn within(self, range: &Range) -> bool;
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl Number for $type {
            fn exact(value: f64) -> Option<Self> {
                let safe = value.trunc() == value && value.abs() <= SAFE_INTEGER_MAX;
                // Integral and below 2^53, so the cast to i64 is exact.
                if safe { Self::try_from(value as i64).ok() } else { None }
            }

            fn within(self, range: &Range) -> bool {
                range.contains(self as f64)
            }
        })*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl Number for bool {
    fn exact(value: f64) -> Option<Self> {
        match value {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        }
    }

    fn truth(value: bool) -> Option<Self> {
        Some(value)
    }

    fn within(self, range: &Range) -> bool {
        range.contains(f64::from(u8::from(self)))
    }
}

impl Number for f64 {
    const MISSING: Option<Self> = Some(Self::NAN);

    fn exact(value: f64) -> Option<Self> {
        value.is_finite().then_some(value)
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn within(self, range: &Range) -> bool {
        range.contains(self)
    }
}

impl Number for f32 {
    const MISSING: Option<Self> = Some(Self::NAN);

    fn exact(value: f64) -> Option<Self> {
        Some(value as Self).filter(|value| value.is_finite())
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn within(self, range: &Range) -> bool {
        range.min as Self <= self && self <= range.max as Self
    }
}

impl Number for Half {
    const MISSING: Option<Self> = Some(Self::NAN);

    fn exact(value: f64) -> Option<Self> {
        Some(Self::from_f64(value)).filter(|value| value.is_finite())
    }

    fn is_finite(self) -> bool {
        self.is_finite()
    }

    fn is_nan(self) -> bool {
        self.is_nan()
    }

    fn within(self, range: &Range) -> bool {
        let bound = |bound| Self::from_f64(bound).to_f64();
        Range { min: bound(range.min), max: bound(range.max) }.contains(self.to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Number + PartialEq + std::fmt::Debug>(value: f64, expect: Option<T>) {
        assert_eq!(T::exact(value), expect, "{value}");
    }

    #[test]
    fn integers_are_taken_whole_or_not_at_all() {
        check(255.0, Some(255_u8));
        check::<u8>(256.0, None);
        check::<u8>(-1.0, None);
        check(-128.0, Some(-128_i8));
        check::<i8>(-129.0, None);
        check::<i64>(0.5, None);
        check(-0.0, Some(0_i64));
        check(SAFE_INTEGER_MAX, Some(9_007_199_254_740_991_i64));
        check::<i64>(9_007_199_254_740_992.0, None);
        check::<u64>(-9_007_199_254_740_993.0, None);
        check::<i64>(f64::NAN, None);
        check::<i64>(f64::INFINITY, None);
    }

    #[test]
    fn floats_stay_finite() {
        check(0.1, Some(0.1_f32));
        check::<f32>(1e39, None);
        check::<f32>(f64::NAN, None);
        check::<f64>(f64::INFINITY, None);
        check::<Half>(65_520.0, None);
        check(65_519.0, Some(Half::from_f64(65_504.0)));
    }

    #[test]
    fn truth_is_zero_or_one() {
        check(1.0, Some(true));
        check(-0.0, Some(false));
        check::<bool>(2.0, None);
        assert_eq!(f32::truth(true), None);
    }

    #[test]
    fn a_bound_is_within_itself() {
        let range = Range { min: -0.1, max: 0.1 };
        assert!(0.1_f32.within(&range) && (-0.1_f32).within(&range));
        assert!(Half::from_f64(0.1).within(&range));
        assert!(!0.100_1_f32.within(&range) && !f32::NAN.within(&range) && !Half::NAN.within(&range));
    }
}
