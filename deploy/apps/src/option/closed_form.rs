//! The formula of Black and Scholes ("The Pricing of Options and Corporate Liabilities",
//! 1973, equation 13, and put-call parity), to compare the simulation with.

use super::terms::{Kind, Terms};
use crate::exact::{exp, ln, normal_distribution};

/// The exact price of a European option; `None` for those without a closed form here: Asian
/// ones, and the limits of no volatility and no strike, where the formula divides by zero.
pub fn black_scholes(terms: &Terms) -> Option<f64> {
    let spread = terms.volatility * terms.years.sqrt();
    if terms.kind.is_asian() || spread <= 0.0 || terms.strike <= 0.0 {
        return None;
    }
    let carried = terms.rate + 0.5 * terms.volatility * terms.volatility;
    let upper = (ln(terms.spot / terms.strike) + carried * terms.years) / spread;
    let lower = upper - spread;
    let strike_today = terms.strike * exp(-terms.rate * terms.years);
    let call = terms.spot * normal_distribution(upper) - strike_today * normal_distribution(lower);
    match terms.kind {
        Kind::Call | Kind::AsianCall => Some(call),
        Kind::Put | Kind::AsianPut => Some(call - terms.spot + strike_today),
    }
}

#[cfg(test)]
mod tests {
    use super::super::terms::tests::terms;
    use super::*;

    #[test]
    fn textbook_prices_come_out() {
        // Hull, "Options, Futures, and Other Derivatives", example 15.6: 4.76 and 0.81.
        let line = "--spot 42 --strike 40 --rate 0.1 --volatility 0.2 --years 0.5";
        let call = black_scholes(&terms(&format!("{line} --kind call"))).unwrap();
        let put = black_scholes(&terms(&format!("{line} --kind put"))).unwrap();
        assert!((call - 4.759_422).abs() < 1e-6, "{call}");
        assert!((put - 0.808_599).abs() < 1e-6, "{put}");
    }

    #[test]
    fn there_is_no_closed_form_for_the_mean() {
        assert_eq!(black_scholes(&terms("--kind asian-call")), None);
        assert_eq!(black_scholes(&terms("--volatility 0")), None);
    }
}
