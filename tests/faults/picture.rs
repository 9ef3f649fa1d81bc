//! A picture of one case: a lane for the key, one per host, one for the client, and the faults in the background.

use std::fmt::Write as _;

use crate::record::{Record, Span};

const LEFT: f64 = 90.0;
const WIDTH: f64 = 860.0;
const LANE: f64 = 26.0;
const BAR: f64 = 14.0;
/// The approximate width of a letter.
const LETTER: f64 = 8.0;
/// The minimal width of a visible bar.
const THIN: f64 = 1.5;

/// The picture as an SVG element. The page defines the colours.
pub(crate) fn svg(record: &Record) -> String {
    let faults = record.faults.len().max(1);
    let rows = faults + 1 + record.lanes.len() + 1;
    let height = f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) * LANE + 30.0;
    let mut picture =
        format!("<svg viewBox=\"0 0 {:.0} {height:.0}\" role=\"img\" aria-label=\"timeline\">\n", LEFT + WIDTH + 20.0);
    let scale = Scale { length: record.length.max(0.001) };
    for (span, _) in &record.faults {
        scale.bar(&mut picture, "shade", *span, 0.0, height - 24.0, "");
    }
    let mut top = 4.0;
    for (span, text) in &record.faults {
        label(&mut picture, "fault", top);
        scale.bar(&mut picture, "fault", *span, top, BAR, text);
        scale.words(&mut picture, span.from, top, text);
        top += LANE;
    }
    label(&mut picture, "key", top);
    for (place, term) in record.terms.iter().enumerate() {
        let Some(value) = &term.value else { continue };
        scale.bar(&mut picture, "key", term.span, top, BAR, value);
        // The last label may use the rest of the picture.
        if place + 1 == record.terms.len() || scale.holds(term.span, value) {
            scale.words(&mut picture, term.span.from, top, value);
        }
    }
    top += LANE;
    for lane in &record.lanes {
        label(&mut picture, &lane.host, top);
        for held in &lane.held {
            scale.bar(&mut picture, "held", *held, top, BAR, "has the address");
        }
        for announced in &lane.announced {
            let x = scale.x(*announced);
            let _ = writeln!(
                picture,
                "<line class=\"announced\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>",
                top - 3.0,
                top + BAR + 3.0
            );
        }
        top += LANE;
    }
    label(&mut picture, "client", top);
    scale.bar(&mut picture, "answered", Span { from: 0.0, until: record.length }, top, BAR, "pings are answered");
    for silence in &record.silences {
        scale.bar(&mut picture, "silence", *silence, top, BAR, &format!("no answer for {:.2} s", silence.length()));
    }
    scale.axis(&mut picture, top + LANE);
    picture + "</svg>\n"
}

/// Escapes text for HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

struct Scale {
    length: f64,
}

impl Scale {
    fn x(&self, second: f64) -> f64 {
        LEFT + (second / self.length).clamp(0.0, 1.0) * WIDTH
    }

    fn bar(&self, picture: &mut String, class: &str, span: Span, top: f64, height: f64, title: &str) {
        let (from, until) = (self.x(span.from), self.x(span.until));
        let width = (until - from).max(THIN);
        let _ = writeln!(
            picture,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}: {:.2} s to {:.2} s</title></rect>",
            escaped(title),
            span.from,
            span.until
        );
    }

    /// Whether a text fits into the bar.
    fn holds(&self, span: Span, text: &str) -> bool {
        let letters = f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        self.x(span.until) - self.x(span.from) > letters * LETTER
    }

    fn words(&self, picture: &mut String, from: f64, top: f64, text: &str) {
        // A label near the right edge is written to the left of its position.
        let (x, anchor) = match self.x(from) {
            x if x > LEFT + WIDTH * 0.6 => (x - 3.0, "end"),
            x => (x + 4.0, "start"),
        };
        let _ = writeln!(
            picture,
            "<text class=\"words\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>",
            top + 11.0,
            escaped(text)
        );
    }

    fn axis(&self, picture: &mut String, top: f64) {
        let step = [0.5, 1.0, 2.0, 5.0, 10.0].into_iter().find(|step| self.length / step <= 16.0).unwrap_or(20.0);
        let mut second = 0.0;
        while second <= self.length {
            let x = self.x(second);
            let _ = writeln!(
                picture,
                "<text class=\"axis\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{second} s</text>",
                top + 12.0
            );
            second += step;
        }
    }
}

fn label(picture: &mut String, text: &str, top: f64) {
    let _ = writeln!(picture, "<text class=\"label\" x=\"4\" y=\"{:.1}\">{}</text>", top + 11.0, escaped(text));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Lane, LeaderTerm};

    fn record() -> Record {
        let span = |from, until| Span { from, until };
        Record {
            length: 10.0,
            lanes: vec![Lane { host: "db<1>".to_owned(), held: vec![span(0.0, 5.0)], announced: vec![0.1] }],
            terms: vec![LeaderTerm { span: span(0.0, 10.0), value: Some("db1".to_owned()) }],
            faults: vec![(span(2.0, 2.0), "killed & gone".to_owned())],
            silences: vec![span(5.0, 10.0)],
            ..Record::default()
        }
    }

    #[test]
    fn bars_are_placed_by_their_seconds() {
        let picture = svg(&record());
        assert!(picture.contains("class=\"held\" x=\"90.0\""), "{picture}");
        assert!(picture.contains("width=\"430.0\""), "half of the width: {picture}");
        assert!(picture.contains("class=\"silence\" x=\"520.0\""), "{picture}");
    }

    #[test]
    fn a_fault_without_duration_is_visible() {
        assert!(svg(&record()).contains("class=\"fault\" x=\"262.0\" y=\"4.0\" width=\"1.5\""));
    }

    #[test]
    fn a_term_too_short_for_its_name_is_drawn_without_it() {
        let term = |from, until, name: &str| LeaderTerm { span: Span { from, until }, value: Some(name.to_owned()) };
        let terms = vec![term(0.0, 0.1, "db7"), term(0.1, 9.9, "db8"), term(9.9, 10.0, "db9")];
        let picture = svg(&Record { terms, ..record() });
        assert!(!picture.contains(">db7</text>") && picture.contains("<title>db7:"), "{picture}");
        assert!(picture.contains(">db8</text>") && picture.contains(">db9</text>"), "{picture}");
    }

    #[test]
    fn texts_are_escaped() {
        let picture = svg(&record());
        assert!(picture.contains("db&lt;1&gt;") && picture.contains("killed &amp; gone"), "{picture}");
    }
}
