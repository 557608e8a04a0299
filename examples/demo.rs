//! The exporter over a little mail internet of its own: a real run with nothing to install and no network.
//!
//! ```text
//! cargo run --release --example demo [-- --listen 127.0.0.1:10064]
//! ```
//!
//! DNS, mail servers, policy hosts and authorities live in this process, on loopback addresses (`tests/lab`); what looks
//! at them is the exporter as it is shipped. Everything goes with the process, which ends on Ctrl-C.

#![expect(clippy::print_stdout, reason = "it tells where to look")]

use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use mailtls_exporter::config::Config;
use mailtls_exporter::config::Overrides;
use mailtls_exporter::serve;
use mailtls_exporter::serve::Lifecycle;
use mailtls_exporter::serve::Listen;
use mailtls_exporter::serve::ListenAddress;
use mailtls_exporter::serve::Location;
use mailtls_exporter::serve::Options;
use mailtls_lab::World;
use mailtls_lab::demo;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

const DEFAULT_LISTEN: &str = "127.0.0.1:10064";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        return Err("The demo needs Linux: its servers listen on many addresses in 127.0.0.0/8, of which other \
                    systems have the first alone."
            .to_owned());
    }
    let listen = free(&asked_for()?)?;
    let log = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(log)
        .with(serve::probe_log::layer())
        .init();
    println!("Starting the domains of the demo …");
    let world = demo::world().start_blocking();
    let file = world.dir().join("demo.yaml");
    std::fs::write(&file, configuration(&world))
        .map_err(|error| format!("Cannot write {}: {error}.", file.display()))?;
    let config =
        Config::load(Some(&file), &Overrides::default()).map_err(|error| error.to_string())?;
    introduce(listen, &file);
    let options = Options {
        listen: Listen::At(vec![ListenAddress::Host {
            host: listen.ip().to_string(),
            port: listen.port(),
        }]),
        web_config_file: None,
        location: Location::default(),
        timeout_offset: Duration::from_millis(500),
        lifecycle: Lifecycle::BySignal,
        auto_reload: None,
    };
    tokio::runtime::Runtime::new()
        .map_err(|error| format!("Cannot start: {error}."))?
        .block_on(serve::run(config, options))
        .map_err(|error| error.to_string())
}

/// The address of `--listen`.
fn asked_for() -> Result<SocketAddr, String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .flat_map(|argument| argument.splitn(2, '='))
        .collect();
    let text = match words[..] {
        [] => DEFAULT_LISTEN,
        ["--listen", address] => address,
        _ => {
            return Err(
                "Usage: cargo run --release --example demo [-- --listen 127.0.0.1:10064]"
                    .to_owned(),
            );
        }
    };
    text.parse()
        .map_err(|_| format!("{text:?} is no address to listen on: write {DEFAULT_LISTEN}, or port 0 for any free one."))
}

/// The address with a port that nobody has. Found out before anything else is started.
fn free(asked: &SocketAddr) -> Result<SocketAddr, String> {
    let tried = TcpListener::bind(asked).and_then(|listener| listener.local_addr());
    tried.map_err(|error| {
        format!(
            "Cannot listen on {asked}: {error}. Choose another address with --listen 127.0.0.1:0"
        )
    })
}

/// The world's own, with the domains listed.
fn configuration(world: &World) -> String {
    let mut text = world.config_yaml();
    text.push_str("domains:\n");
    for exhibit in demo::domains() {
        text.push_str("  - domain: ");
        text.push_str(exhibit.name);
        text.push('\n');
    }
    text
}

fn introduce(listen: SocketAddr, file: &Path) {
    println!("\nThe page:                 http://{listen}/");
    println!("The exporter's metrics:   http://{listen}/metrics");
    println!("\nA probe of each domain, as Prometheus would ask for it:\n");
    for exhibit in demo::domains() {
        println!(
            "http://{listen}/probe?target={}\n    {}",
            exhibit.name, exhibit.shows
        );
    }
    println!("\nA report for people: add &debug=true, or in another terminal");
    println!(
        "    cargo run --release -- check good.example conflict.example --config.file {}",
        file.display()
    );
    println!("\nCtrl-C ends it.");
}
