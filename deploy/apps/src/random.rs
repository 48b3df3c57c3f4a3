//! Numbers that look random and are a function of a seed and a counter alone.
//!
//! There is no state to carry: number `n` of a stream costs the same whichever numbers were
//! drawn before, so any share of the work can start in the middle. The mixing function is
//! the finalizer of SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
//! Generators", 2014), whose constants these are. Not for cryptography.

/// The golden ratio in 64 bits: an odd constant whose multiples are spread evenly.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes 64 bits so that each input bit changes about half of the output bits.
#[inline]
pub const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Number `counter` of the stream `seed`.
#[inline]
pub const fn draw(seed: u64, counter: u64) -> u64 {
    mix(mix(seed ^ GOLDEN).wrapping_add(counter.wrapping_mul(GOLDEN)))
}

/// A number in the open interval (0, 1): the upper 52 bits of `bits`, centred in their cell,
/// which is exact in a double and can be neither 0 nor 1.
#[inline]
pub fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / 4_503_599_627_370_496.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixing_is_that_of_splitmix64() {
        // First output of SplitMix64 with state 0, from the authors' reference program.
        assert_eq!(mix(GOLDEN), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn units_stay_inside_the_open_interval() {
        assert!(unit(0) > 0.0);
        assert!(unit(u64::MAX) < 1.0);
        assert_eq!(unit(1 << 63), 0.5 + 0.5 / 4_503_599_627_370_496.0);
    }

    #[test]
    fn mean_and_variance_are_those_of_the_uniform_distribution() {
        let count = 100_000;
        let values: Vec<f64> = (0..count).map(|n| unit(draw(3, n))).collect();
        let mean = values.iter().sum::<f64>() / count as f64;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64;
        assert!((mean - 0.5).abs() < 0.003, "{mean}");
        assert!((variance - 1.0 / 12.0).abs() < 0.001, "{variance}");
    }
}
