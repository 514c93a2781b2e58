//! Curves as SVG: one panel for each figure, all over the same seconds. It knows nothing of what they are of.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 46.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 200.0;
const COLOURS: [&str; 3] = ["#0b62a4", "#c2410c", "#6b7280"];

/// More points than this are a line, and no dots on it.
const MAX_DOTS: usize = 120;

/// A curve: values by seconds.
pub(crate) struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Curve {
    pub(crate) fn new(name: &str, points: impl Iterator<Item = (f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            points: points.collect(),
        }
    }
}

/// Curves of one figure.
pub(crate) struct Panel {
    title: &'static str,
    curves: Vec<Curve>,
    /// Values that do not change.
    pub(crate) lines: Vec<(String, f64)>,
}

impl Panel {
    pub(crate) fn new(title: &'static str, curves: impl IntoIterator<Item = Curve>) -> Self {
        Self {
            title,
            curves: curves.into_iter().collect(),
            lines: Vec::new(),
        }
    }
}

/// Draws them.
pub(crate) fn draw(panels: &[Panel]) -> String {
    let height = GAP + panels.len() as f64 * (PANEL + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    let curves = panels.iter().flat_map(|panel| &panel.curves);
    let last = curves.filter_map(|curve| Some(curve.points.last()?.0));
    let last = last.fold(1.0, f64::max);
    for (panel, at) in panels.iter().zip(0..) {
        let top = GAP + f64::from(at) * (PANEL + GAP);
        panel.draw(&mut svg, top, last);
    }
    svg.push_str("</svg>\n");
    svg
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, last: f64) {
        let values = self.curves.iter().flat_map(|curve| &curve.points);
        let values = values.map(|(_, value)| *value);
        let values = values.chain(self.lines.iter().map(|(_, value)| *value));
        let most = nice(values.fold(0.0, f64::max));
        let x = |at: f64| LEFT + at / last * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| top + PANEL * (1.0 - value.max(0.0) / most);
        self.draw_frame(svg, top, most, last);
        let mut label = top + 14.0;
        for (Curve { name, points }, colour) in self.curves.iter().zip(COLOURS) {
            let path = points
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)));
            let path: Vec<_> = path.collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            );
            for point in path.iter().filter(|_| points.len() <= MAX_DOTS) {
                let (x, y) = point.split_once(',').unwrap_or_default();
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x}\" cy=\"{y}\" r=\"2.5\" fill=\"{colour}\"/>"
                );
            }
            let newest = points
                .last()
                .map_or_else(String::new, |(_, value)| format!(" {value:.2}"));
            write_label(svg, &mut label, colour, &format!("{name}{newest}"));
        }
        for (name, value) in &self.lines {
            let colour = COLOURS[2];
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"{colour}\" stroke-dasharray=\"5 4\"/>",
                WIDTH - RIGHT,
                y(*value)
            );
            write_label(svg, &mut label, colour, &format!("- - {name} {value:.2}"));
        }
    }

    fn draw_frame(&self, svg: &mut String, top: f64, most: f64, last: f64) {
        let (right, bottom) = (WIDTH - RIGHT, top + PANEL);
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>\n\
             <path d=\"M{LEFT} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#111827\"/>",
            top - 10.0,
            self.title
        );
        for share in [0.0, 0.5, 1.0] {
            let (y, value) = (bottom - share * PANEL, share * most);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#e5e7eb\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#374151\">{value}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{0:.1}\" fill=\"#374151\">0 s</text>\n\
             <text x=\"{right}\" y=\"{0:.1}\" text-anchor=\"end\" fill=\"#374151\">{last:.0} s</text>",
            bottom + 16.0
        );
    }
}

fn write_label(svg: &mut String, at: &mut f64, colour: &str, text: &str) {
    let x = WIDTH - RIGHT + 14.0;
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{at:.1}\" fill=\"{colour}\">{text}</text>"
    );
    *at += 18.0;
}

/// A round number that is no smaller.
fn nice(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 10.0];
    let step = steps.into_iter().find(|step| step * power >= value);
    step.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::nice;

    #[test]
    fn axes_end_at_round_numbers() {
        let ends = [0.0, 0.3, 1.0, 3.7, 41.0, 99.0].map(nice);
        assert_eq!(ends.map(|end| end.round() as i64), [1, 0, 1, 4, 50, 100]);
    }
}
