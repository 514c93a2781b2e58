//! Numbers as people read them, to a few places. By whole numbers: what prints every float exactly would be a
//! good part of what a visitor downloads.

/// A number with so many places behind the point, rounded.
pub(crate) fn decimal(value: f64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let scaled = (value.abs() * unit as f64).round() as u64;
    let sign = if value < 0.0 && scaled > 0 { "-" } else { "" };
    let (whole, part) = (scaled / unit, scaled % unit);
    match places {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{part:0width$}", width = places as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_and_fills_up_like_any_printer() {
        for value in [
            0.0, 0.04, 0.05, 0.96, 1.0, 1.23, 7.0, 12.345, 999.96, -0.04, -3.25, 1e9,
        ] {
            assert_eq!(
                decimal(value, 1).trim_start_matches('-'),
                format!("{:.1}", value.abs() + 1e-9)
            );
            assert_eq!(
                decimal(value, 0).trim_start_matches('-'),
                format!("{:.0}", value.abs() + 1e-9)
            );
        }
        assert_eq!(decimal(-3.21, 1), "-3.2");
        assert_eq!(decimal(-0.04, 1), "0.0");
        assert_eq!(decimal(1.005, 2), "1.00");
        assert_eq!(decimal(f64::NAN, 1), "0.0");
    }
}
