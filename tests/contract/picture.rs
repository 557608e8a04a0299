//! The picture of a report in the README is that of the recorded domain, as `check` says it now; `UPDATE_DOCS=1` draws it
//! anew.

use mailtls_exporter::report::text;

use crate::corpus::COLLECTIONS;
use crate::corpus::report;
use crate::docs::agrees;

const DOMAIN: &str = "conflict.example";

/// In characters. Longer lines are folded, as a terminal of this width would show them.
const WIDTH: usize = 130;

/// Of a line, in pixels.
const HEIGHT: usize = 18;

/// `b` is bold, `d` dim, the others are colours.
const STYLE: &str = "text{font:13.3px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;\
    fill:#d6deeb;white-space:pre}.b{font-weight:700}.d{fill:#8a94a6}.r{fill:#ff6b6b;font-weight:700}.y{fill:#ffcb6b}\
    .g{fill:#9ece6a}.c{fill:#7fdbca}";

#[test]
fn the_picture_of_a_report() {
    let [demo, _] = &*COLLECTIONS;
    let mut evidence = demo.evidence.iter();
    let evidence = evidence.find(|evidence| evidence.domain.as_str() == DOMAIN);
    agrees(
        "docs/check.svg",
        &drawing(&text::render(&report(evidence.unwrap().clone()))),
    );
}

fn drawing(text: &str) -> String {
    let mut lines = String::new();
    let mut y = 26;
    for line in text.lines() {
        let runs = runs(line);
        let plain: String = runs.iter().map(|(_, text)| *text).collect();
        let indent = plain.len() - plain.trim_start().len();
        let mut column = 0;
        let mut drawn = String::new();
        for (class, run) in runs {
            let mut piece = String::new();
            for word in run.split_inclusive(' ') {
                let length = word.chars().count();
                if column > indent && column + word.trim_end().chars().count() > WIDTH {
                    drawn.push_str(&tspan(class, &piece));
                    lines.push_str(&element(y, &drawn));
                    y += HEIGHT;
                    drawn.clear();
                    piece = " ".repeat(indent + 2);
                    column = indent + 2;
                }
                piece.push_str(word);
                column += length;
            }
            drawn.push_str(&tspan(class, &piece));
        }
        lines.push_str(&element(y, &drawn));
        y += HEIGHT;
    }
    let width = 32 + WIDTH * 8;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{y}\" viewBox=\"0 0 {width} {y}\" role=\"img\" \
         aria-label=\"mailtls-exporter check {DOMAIN}\">\n<style>{STYLE}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#11151c\"/>\n{lines}</svg>\n"
    )
}

fn element(y: usize, content: &str) -> String {
    format!("<text x=\"16\" y=\"{y}\" xml:space=\"preserve\">{content}</text>\n")
}

fn tspan(class: &str, text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
    }
    if class.is_empty() {
        format!("<tspan>{escaped}</tspan>")
    } else {
        format!("<tspan class=\"{class}\">{escaped}</tspan>")
    }
}

/// Pieces of a line that the terminal shows in one style, by the class that draws it.
fn runs(line: &str) -> Vec<(&'static str, &str)> {
    let mut class = "";
    let mut runs = Vec::new();
    for (position, part) in line.split('\u{1b}').enumerate() {
        let text = if position == 0 {
            part
        } else {
            let (code, text) = part.split_once('m').unwrap();
            class = match code.trim_start_matches('[') {
                "31" => "r",
                "32" => "g",
                "33" => "y",
                "36" => "c",
                "1" => "b",
                "2" => "d",
                "0" => "",
                other => panic!("a style without a class: {other:?}"),
            };
            text
        };
        if !text.is_empty() {
            runs.push((class, text));
        }
    }
    runs
}
