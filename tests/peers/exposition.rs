//! What the exporter prints, read by those who are strict about it: `promtool check metrics` for the text format, the
//! parser of the Python package prometheus-client for OpenMetrics. Every domain of this world and of the demo, and
//! `/metrics`.

use std::env;
use std::fs;
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use mailtls_lab::demo;

use crate::domains::all;
use crate::namespace::Ran;
use crate::scrape::Exporter;
use crate::scrape::Format;
use crate::scrape::probe_path;
use crate::scrape::samples;
use crate::world::World;

/// Reads each file and prints how many samples it holds; anything out of order is an exception.
const STRICT_PARSER: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for path in sys.argv[1:]:
    with open(path, encoding='utf-8', newline='') as file:
        try:
            print(sum(len(family.samples) for family in text_string_to_metric_families(file.read())))
        except Exception as error:
            sys.exit(f'{path}: {error!r}')
";

#[test]
fn promtool_and_the_strict_parser_accept_every_page_of_this_world() {
    let world = World::get();
    let names = all().iter().map(|domain| domain.name);
    check(
        &world.exporter(),
        names,
        &world.servers().subfolder("pages"),
    );
}

#[test]
fn promtool_and_the_strict_parser_accept_every_page_of_the_demo() {
    let world = demo::world().start_blocking();
    let configuration = world.dir().join("peers.yaml");
    fs::write(&configuration, world.config_yaml()).expect("the folder is the world's");
    let address = free_address();
    let mut running = Running::start(&configuration, &address);
    let exporter = Exporter {
        namespace: None,
        address,
    };
    running.wait_until_ready(&exporter);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = demo::domains();
    check(
        &exporter,
        names.iter().map(|exhibit| exhibit.name),
        folder.path(),
    );
}

/// Fetches the probes of all `names`, then `/metrics`, in both formats, and has them read.
fn check<'a>(exporter: &Exporter<'_>, names: impl Iterator<Item = &'a str>, folder: &Path) {
    let mut pages: Vec<(String, String)> = names
        .map(|name| (name.to_owned(), probe_path(name)))
        .collect();
    pages.push(("metrics".to_owned(), "/metrics".to_owned()));
    let mut open_metrics = Vec::new();
    let mut expected = Vec::new();
    for (name, path) in &pages {
        let text = exporter.fetch(path, Format::Text);
        let file = folder.join(format!("{name}.txt"));
        fs::write(&file, &text).expect("the folder is ours");
        promtool(name, &file);

        let page = exporter.fetch(path, Format::OpenMetrics);
        let file = folder.join(format!("{name}.openmetrics"));
        fs::write(&file, &page).expect("the folder is ours");
        open_metrics.push(file);
        expected.push(samples(&page).len());
    }
    let counted = strict_parser(&open_metrics);
    assert_eq!(counted.len(), pages.len(), "every page was read");
    for (((name, _), counted), expected) in pages.iter().zip(counted).zip(expected) {
        eprintln!("{name}: {counted} samples, in order for promtool and for prometheus-client");
        assert!(counted > 0, "{name} holds samples");
        assert_eq!(
            counted, expected,
            "{name}: the strict parser reads every sample"
        );
    }
}

/// Not a word: neither an error nor a hint of the linter.
fn promtool(name: &str, page: &Path) {
    let mut command = Command::new("promtool");
    command
        .args(["check", "metrics"])
        .stdin(File::open(page).expect("it was just written"));
    let ran = Ran::of(&mut command);
    assert!(
        ran.succeeded() && ran.text().is_empty(),
        "promtool on {name}: {ran}"
    );
}

fn strict_parser(pages: &[PathBuf]) -> Vec<usize> {
    let python = env::var("MAILTLS_PEERS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut command = Command::new(python);
    command.args(["-c", STRICT_PARSER]).args(pages);
    let printed = Ran::of(&mut command).expect("the strict parser of prometheus-client");
    printed
        .lines()
        .map(|line| line.parse().expect("a number for each page"))
        .collect()
}

/// An address at which nothing listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").to_string()
}

/// An exporter outside the namespace, which ends when this is dropped.
struct Running(Child);

impl Running {
    fn start(configuration: &Path, address: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"))
            .arg("--config.file")
            .arg(configuration)
            .args(["--web.listen-address", address])
            .stdin(Stdio::null())
            .spawn()
            .expect("cargo built it");
        Self(child)
    }

    fn wait_until_ready(&mut self, exporter: &Exporter<'_>) {
        for _ in 0..200 {
            if std::net::TcpStream::connect(&exporter.address).is_ok() {
                return;
            }
            let ended = self.0.try_wait().expect("it is our child");
            assert!(ended.is_none(), "the exporter ended: {ended:?}");
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the exporter does not listen at {}", exporter.address);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
