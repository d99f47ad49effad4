//! Medians of paired runs, so that both sides see the same noise.

/// Runs both alternately, `rounds` times, and returns the median of each.
pub(crate) fn paired(rounds: usize, mut a: impl FnMut() -> f64, mut b: impl FnMut() -> f64) -> (f64, f64) {
    let (a, b) = (0..rounds).map(|_| (a(), b())).unzip();
    (median(a), median(b))
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
