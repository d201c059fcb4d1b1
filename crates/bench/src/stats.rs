//! The few statistics that a noisy machine allows: medians, percentiles, ratios within a round.

/// The middle value; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that `percent` of the values do not exceed (nearest rank); 0 of nothing.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The exponent `e` of the best fit `t = c * n^e` through the points (n, t).
pub(crate) fn exponent(points: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, t)| (n.ln(), t.ln())).collect();
    let count = logs.len() as f64;
    let mean_n = logs.iter().map(|(n, _)| n).sum::<f64>() / count;
    let mean_t = logs.iter().map(|(_, t)| t).sum::<f64>() / count;
    let covariance: f64 = logs.iter().map(|(n, t)| (n - mean_n) * (t - mean_t)).sum();
    let variance: f64 = logs.iter().map(|(n, _)| (n - mean_n).powi(2)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_percentile_take_a_value_that_was_measured() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert!((percentile(&values, 99.0) - 99.0).abs() < 1e-9);
        assert!(median(&[]).abs() < 1e-9);
    }

    #[test]
    fn linear_growth_has_exponent_one_and_none_has_zero() {
        let points = |f: fn(f64) -> f64| [1e3, 1e4, 5e4].map(|n| (n, f(n)));
        assert!((exponent(&points(|n| 7.0 * n)) - 1.0).abs() < 1e-9);
        assert!(exponent(&points(|_| 7.0)).abs() < 1e-9);
        assert!((exponent(&points(|n| n * n)) - 2.0).abs() < 1e-9);
    }
}
