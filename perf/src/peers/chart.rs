//! The picture: a bar for each contender's median rate, with the range of its rounds.
//!
//! Written by hand as SVG; colours follow what the reader's background is, where the viewer tells.

use std::fmt::Write as _;

use crate::measurement::median;
use crate::peers::contender::Contender;
use crate::peers::figures::Figures;
use crate::peers::record::{PeersRecord, ScenarioRecord};

/// Draws all scenarios, one below the other, on one scale.
#[must_use]
pub fn draw(record: &PeersRecord) -> String {
    let groups: Vec<Group> = record.scenarios.iter().map(Group::of).collect();
    let most = groups.iter().map(|group| group.most).fold(1.0, f64::max);
    let rows: usize = groups.iter().map(|group| group.figures.len()).sum();
    let height = TOP + pixels(groups.len()) * (TITLE + GAP) + pixels(rows) * ROW;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" font-size=\"12\" \
         font-family=\"system-ui, sans-serif\">\n<title>{HEAD}</title>\n{STYLE}\n\
         <text x=\"0\" y=\"14\">{HEAD}</text>\n"
    );
    let mut at = TOP;
    for group in &groups {
        group.draw(&mut text, at, most);
        at += TITLE + GAP + pixels(group.figures.len()) * ROW;
    }
    text.push_str("</svg>\n");
    text
}

/// A scenario.
struct Group {
    name: String,
    figures: Vec<Figures>,
    limit: f64,
    /// The greatest rate in it.
    most: f64,
}

impl Group {
    fn of(scenario: &ScenarioRecord) -> Self {
        let contenders = scenario.contenders();
        let figures: Vec<Figures> =
            contenders.into_iter().filter_map(|each| scenario.figures(each)).collect();
        let limits = scenario.limits.iter().map(|limit| scenario.limit(limit));
        let limit = median(limits.collect());
        let rates = figures.iter().map(|figures| figures.mb_per_s.max);
        let most = rates.fold(limit, f64::max);
        Self { name: scenario.name.clone(), figures, limit, most }
    }

    fn draw(&self, text: &mut String, at: f64, most: f64) {
        let x = |rate: f64| LEFT + rate / most * (RIGHT - LEFT);
        let mut y = at + TITLE;
        element(
            text,
            &format!("<text class=\"name\" x=\"0\" y=\"{}\">{}</text>", y - 6.0, self.name),
        );
        for figures in &self.figures {
            let rate = figures.mb_per_s;
            let (class, title) = (class(figures.contender), figures.contender.title());
            let (top, middle, base) = (y + 3.0, y + ROW / 2.0, y + ROW / 2.0 + 4.0);
            let label = format!("<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">", LEFT - 8.0);
            element(text, &format!("{label}{title}</text>"));
            let (wide, high) = (x(rate.median) - LEFT, ROW - 6.0);
            let bar = format!("<rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\"");
            element(text, &format!("{bar} width=\"{wide:.1}\" height=\"{high}\"/>"));
            let (low, far) = (x(rate.min), x(rate.max));
            let range =
                format!("M{low:.1} {middle}H{far:.1}M{low:.1} {top}v{high}M{far:.1} {top}v{high}");
            element(text, &format!("<path class=\"range\" d=\"{range}\"/>"));
            let (median, cpu) = (rate.median, figures.cpu_per_gb);
            let told = format!("{median:.0} MB/s, {cpu:.2} CPU s/GB");
            element(text, &format!("<text x=\"{:.1}\" y=\"{base}\">{told}</text>", far + 8.0));
            y += ROW;
        }
        if self.limit > 0.0 {
            let (x, top) = (x(self.limit), at + TITLE);
            element(text, &format!("<path class=\"limit\" d=\"M{x:.1} {top}V{y}\"/>"));
        }
    }
}

const fn class(contender: Contender) -> &'static str {
    match contender {
        Contender::Ringmirror => "ours",
        Contender::RingmirrorBuffered => "twin",
        Contender::Discard => "beside",
        _ => "peer",
    }
}

fn element(text: &mut String, element: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{element}");
}

fn pixels(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

const HEAD: &str = "Rate of copying a topic, MB/s: bars are medians, whiskers the slowest and the \
                    fastest round, dashes the limit";
const STYLE: &str = "<style>
text { fill: #1f2328 } .name { font-weight: bold } .ours { fill: #d9480f } .twin { fill: #f08c5a }
.peer { fill: #7088a8 } .beside { fill: #b8bec6 }
.range { stroke: #1f2328; fill: none } .limit { stroke: #1f2328; stroke-dasharray: 3 3; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .range, .limit { stroke: #e6edf3 } .beside { fill: #6b737d }
}
</style>";
const WIDTH: f64 = 900.0;
/// Where bars begin.
const LEFT: f64 = 170.0;
/// Where the longest one ends; behind it is room for its figures.
const RIGHT: f64 = 710.0;
const TOP: f64 = 24.0;
const TITLE: f64 = 26.0;
const ROW: f64 = 20.0;
const GAP: f64 = 8.0;

#[cfg(test)]
mod tests;
