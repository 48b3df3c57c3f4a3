//! Elementary functions that give the same bits on every machine.
//!
//! IEEE 754 fixes addition, multiplication, division and square root to the last bit; `exp`
//! and `ln` of a platform's library it does not, and two workers with different libraries
//! would vote for different results. Here they are made of the fixed operations alone, in a
//! fixed order (the compiler neither reorders nor fuses floating point in Rust). Accuracy is
//! about one unit in the last place, which the tests hold against the platform's own.

/// ln 2 split in two, the first with enough trailing zeros that `k * LN2_HIGH` is exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 1, 1/2, 1/3, ... 1/13, for the series of the exponential.
const INVERSES: [f64; 13] = {
    let mut inverses = [1.0; 13];
    let mut index = 1;
    while index < 13 {
        inverses[index] = 1.0 / (index + 1) as f64;
        index += 1;
    }
    inverses
};

/// 1/3, 1/5, ... 1/23, for the series of the logarithm.
const ODD_INVERSES: [f64; 11] = {
    let mut inverses = [1.0; 11];
    let mut index = 0;
    while index < 11 {
        inverses[index] = 1.0 / (2 * index + 3) as f64;
        index += 1;
    }
    inverses
};

/// Beyond this e^x is not representable, and below its negative it is nearly zero.
const EXP_RANGE: f64 = 708.0;

/// e to the power `x`, for |x| <= 708; outside, zero or infinity. NaN stays NaN.
pub fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x > EXP_RANGE {
        return f64::INFINITY;
    }
    if x < -EXP_RANGE {
        return 0.0;
    }
    let power = (x * std::f64::consts::LOG2_E + 0.5).floor();
    let rest = (x - power * LN2_HIGH) - power * LN2_LOW;
    // Taylor's series on |rest| <= ln(2)/2, where 13 terms are below the last bit.
    let mut sum = 1.0;
    for inverse in INVERSES.iter().rev() {
        sum = 1.0 + sum * rest * inverse;
    }
    sum * power_of_two(power as i64)
}

/// Natural logarithm of a positive normal number; NaN for anything else.
pub fn ln(x: f64) -> f64 {
    if !(x.is_normal() && x > 0.0) {
        return f64::NAN;
    }
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i64) - 1023;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2 artanh((m - 1) / (m + 1)), with an argument of at most 0.172.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for inverse in ODD_INVERSES.iter().rev() {
        sum = (sum + inverse) * square;
    }
    let exponent = exponent as f64;
    exponent * LN2_HIGH + (2.0 * ratio * (1.0 + sum) + exponent * LN2_LOW)
}

/// `base` to the power `exponent`, for a positive base; zero for a base of zero or less,
/// which is what colours need.
pub fn power(base: f64, exponent: f64) -> f64 {
    if base < f64::MIN_POSITIVE {
        return 0.0;
    }
    exp(exponent * ln(base))
}

/// The standard normal distribution function, P(Z <= x), with an absolute error of about 1e-16.
pub fn normal_distribution(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    let size = x.abs();
    let density = exp(-0.5 * size * size) / 2.506_628_274_631_000_5;
    let tail = if size < 5.0 {
        // Marsaglia's series around zero: 1/2 - density * (x + x^3/3 + x^5/15 + ...).
        let mut term = size;
        let mut sum = size;
        let mut odd = 1.0;
        // 120 terms suffice for |x| < 5; fewer are taken when the sum no longer moves.
        for _ in 0..120 {
            odd += 2.0;
            term *= size * size / odd;
            if sum + term == sum {
                break;
            }
            sum += term;
        }
        0.5 - density * sum
    } else {
        // Laplace's continued fraction for the tail, evaluated from the back.
        let mut fraction = size;
        for step in (1..=60u8).rev() {
            fraction = size + f64::from(step) / fraction;
        }
        density / fraction
    };
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The inverse of [`normal_distribution`] for p in (0, 1), to about 1e-15: algorithm AS 241
/// (Wichura, "The Percentage Points of the Normal Distribution", 1988), routine PPND16.
pub fn normal_quantile(p: f64) -> f64 {
    let centred = p - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        return centred * polynomial(&CENTRE_ABOVE, r) / polynomial(&CENTRE_BELOW, r);
    }
    let tail = if centred < 0.0 { p } else { 1.0 - p };
    let r = (-ln(tail)).sqrt();
    let value = if r <= 5.0 {
        polynomial(&MIDDLE_ABOVE, r - 1.6) / polynomial(&MIDDLE_BELOW, r - 1.6)
    } else {
        polynomial(&FAR_ABOVE, r - 5.0) / polynomial(&FAR_BELOW, r - 5.0)
    };
    if centred < 0.0 { -value } else { value }
}

/// Two to the power `n`, for n of a normal number, built from its bits.
fn power_of_two(n: i64) -> f64 {
    f64::from_bits(((n + 1023).clamp(1, 2046) as u64) << 52)
}

/// Horner's rule; the coefficients start with the constant.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

// The coefficients of PPND16, as published.
const CENTRE_ABOVE: [f64; 8] = [
    3.387_132_872_796_366_5,
    1.331_416_678_917_843_8e2,
    1.971_590_950_306_551_3e3,
    1.373_169_376_550_946e4,
    4.592_195_393_154_987e4,
    6.726_577_092_700_87e4,
    3.343_057_558_358_813e4,
    2.509_080_928_730_122_7e3,
];
const CENTRE_BELOW: [f64; 8] = [
    1.0,
    4.231_333_070_160_091e1,
    6.871_870_074_920_579e2,
    5.394_196_021_424_751e3,
    2.121_379_430_158_659_7e4,
    3.930_789_580_009_271e4,
    2.872_908_573_572_194_3e4,
    5.226_495_278_852_854e3,
];
const MIDDLE_ABOVE: [f64; 8] = [
    1.423_437_110_749_683_5,
    4.630_337_846_156_546,
    5.769_497_221_460_691,
    3.647_848_324_763_204_5,
    1.270_458_252_452_368_4,
    2.417_807_251_774_506e-1,
    2.272_384_498_926_918_4e-2,
    7.745_450_142_783_414e-4,
];
const MIDDLE_BELOW: [f64; 8] = [
    1.0,
    2.053_191_626_637_759,
    1.676_384_830_183_803_8,
    6.897_673_349_851e-1,
    1.481_039_764_274_800_8e-1,
    1.519_866_656_361_645_7e-2,
    5.475_938_084_995_345e-4,
    1.050_750_071_644_416_9e-9,
];
const FAR_ABOVE: [f64; 8] = [
    6.657_904_643_501_103,
    5.463_784_911_164_114,
    1.784_826_539_917_291_3,
    2.965_605_718_285_048_9e-1,
    2.653_218_952_657_612_4e-2,
    1.242_660_947_388_078_4e-3,
    2.711_555_568_743_487_6e-5,
    2.010_334_399_292_288_1e-7,
];
const FAR_BELOW: [f64; 8] = [
    1.0,
    5.998_322_065_558_879e-1,
    1.369_298_809_227_358e-1,
    1.487_536_129_085_061_5e-2,
    7.868_691_311_456_133e-4,
    1.846_318_317_510_054_8e-5,
    1.421_511_758_316_446e-7,
    2.044_263_103_389_939_8e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn close(ours: f64, theirs: f64, relative: f64) {
        let error = (ours - theirs).abs() / theirs.abs().max(f64::MIN_POSITIVE);
        assert!(error <= relative, "{ours} against {theirs}: {error}");
    }

    #[test]
    fn exp_and_ln_agree_with_the_platform() {
        for step in -7000..7000 {
            let x = f64::from(step) / 10.0;
            close(exp(x), x.exp(), 1e-15);
        }
        for step in 1..20_000 {
            let x = f64::from(step) * f64::from(step) / 1e4;
            if x != 1.0 {
                close(ln(x), x.ln(), 1e-15);
            }
        }
        assert_eq!(ln(1.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn the_edges_are_defined() {
        assert_eq!(exp(1000.0), f64::INFINITY);
        assert_eq!(exp(-1000.0), 0.0);
        assert!(exp(f64::NAN).is_nan() && ln(0.0).is_nan() && ln(-1.0).is_nan());
        assert_eq!(power(0.0, 2.2), 0.0);
        close(power(2.0, 10.0), 1024.0, 1e-14);
    }

    #[test]
    fn the_normal_distribution_has_its_tabled_values() {
        // Abramowitz and Stegun, table 26.1.
        close(normal_distribution(0.0), 0.5, 0.0);
        close(normal_distribution(1.0), 0.841_344_746_068_543, 1e-14);
        close(normal_distribution(2.0), 0.977_249_868_051_821, 1e-14);
        close(normal_distribution(-3.0), 0.001_349_898_031_630_095, 1e-12);
        close(normal_distribution(-6.0), 9.865_876_450_376_98e-10, 1e-12);
    }

    #[test]
    fn the_quantile_inverts_the_distribution() {
        let mut cases = 0;
        for step in 1..2000 {
            let p = f64::from(step) / 2000.0;
            close(normal_distribution(normal_quantile(p)), p, 1e-12);
            cases += 1;
        }
        for p in [1e-4, 1e-8, 1e-12, 1e-15] {
            close(normal_distribution(normal_quantile(p)), p, 1e-9);
            cases += 1;
        }
        assert_eq!(cases, 2003);
        close(normal_quantile(0.975), 1.959_963_984_540_054, 1e-14);
    }

    #[test]
    fn the_bits_are_pinned() {
        // A compiler or target that computes otherwise would split the workers' votes.
        assert_eq!(exp(1.25).to_bits(), 0x400b_ec38_edb0_faf0);
        assert_eq!(ln(7.5).to_bits(), 0x4000_1e85_798e_b9a3);
    }
}
