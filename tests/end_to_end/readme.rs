//! What the README shows of domains of the demo is what the program says of them. Commands that need no network:
//! `commands::forms`.

use std::process::Stdio;

use mailtls_lab::demo;

use crate::exporter::configuration;
use crate::exporter::program;

const README: &str = include_str!("../../README.md");

#[test]
fn commands_print_what_the_readme_shows() {
    let world = demo::world().start_blocking();
    let config = configuration(&world, "");
    let blocks = README.split("```text\n").skip(1);
    let sessions: Vec<(&str, &str)> = blocks
        .filter_map(|block| {
            let block = block.split("```").next()?;
            let (line, shown) = block
                .strip_prefix("$ mailtls-exporter ")?
                .split_once('\n')?;
            let command = line.strip_suffix("# a domain of the demo")?;
            Some((command.trim(), shown))
        })
        .collect();
    assert!(sessions.len() >= 2, "resolve, check --assume");
    for (command, shown) in sessions {
        let output = program()
            .args(command.split(' '))
            .env("MAILTLS_CONFIG_FILE", config.as_os_str())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = comparable(&String::from_utf8(output.stdout).unwrap());
        let shown = comparable(shown);
        // What follows is not shown.
        match shown.split_once('…') {
            Some((beginning, _)) => assert!(
                printed.starts_with(beginning),
                "{command}\n{printed}\nis not\n{shown}"
            ),
            None => assert_eq!(printed, shown, "{command}"),
        }
    }
}

/// Without what differs from run to run: key tags, dates, and the blanks that make up for their length.
fn comparable(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| {
        let words = line.split_whitespace().map(|word| {
            let digits = word.trim_end_matches([':', ',']);
            let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
            let is_date = word.ends_with('Z') && word.contains('T');
            if is_number || is_date { "N" } else { word }
        });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}
