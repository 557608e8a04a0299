//! The programs of the chain, each with a configuration as documented. All of them end when the stack is dropped.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::World;
use mailtls_lab::demo;
use serde_json::Value;
use tempfile::TempDir;

use crate::faster;
use crate::faster::Pace;
use crate::printed;
use crate::receiver::Receiver;
use crate::rules::releases;
use crate::rules::repository;

/// Seconds between two scrapes. Two minutes in life.
const INTERVAL: u32 = 2;

/// For how long something is waited for that takes seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// Everything that runs.
pub(crate) struct Stack {
    pub(crate) world: World,
    pub(crate) receiver: Receiver,
    pub(crate) pace: Pace,
    prometheus: String,
    folder: TempDir,
    _programs: Vec<Program>,
}

impl Stack {
    pub(crate) fn start() -> Self {
        let world = demo::world().ttl(1).start_blocking();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let receiver = Receiver::start();
        let [exporter, alertmanager, prometheus] = [(); 3].map(|()| free_address());
        let pace = pace(&world, &folder, &exporter);
        eprintln!("{pace:?}");
        write(&folder, "exporter.yaml", &exporter_config(&world, pace));
        let rules = ["rules", "alerts", "alerts-optional"];
        for name in rules {
            let text = read(&format!("dashboards/prometheus/{name}.yaml"));
            write(
                &folder,
                &format!("{name}.yaml"),
                &faster::rules(&text, pace),
            );
        }
        let url = format!("http://{}", receiver.address);
        let text = faster::alertmanager(&read("deploy/alertmanager.yml"), &url);
        write(&folder, "alertmanager.yml", &text);
        let text = prometheus_config(&exporter, &alertmanager, pace);
        write(&folder, "prometheus.yml", &text);

        let file = |name: &str| folder.path().join(name).display().to_string();
        let program = |name: &str, program: &Path, arguments: Vec<String>, address: &str| {
            Program::start(name, program, arguments, address, folder.path())
        };
        let programs = vec![
            start_exporter(&folder, &exporter),
            program(
                "alertmanager",
                Path::new("prometheus-alertmanager"),
                vec![
                    format!("--config.file={}", file("alertmanager.yml")),
                    format!("--storage.path={}", file("alertmanager")),
                    format!("--web.listen-address={alertmanager}"),
                    "--cluster.listen-address=".to_owned(),
                ],
                &alertmanager,
            ),
            program(
                "prometheus",
                &releases("prometheus").pop().expect("there are three"),
                vec![
                    format!("--config.file={}", file("prometheus.yml")),
                    format!("--storage.tsdb.path={}", file("data")),
                    format!("--web.listen-address={prometheus}"),
                ],
                &prometheus,
            ),
        ];
        Self {
            world,
            receiver,
            pace,
            prometheus,
            folder,
            _programs: programs,
        }
    }

    /// An instant query: the series of its answer, or what Prometheus has against it.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let answer = self.ask("query", &[("query", query)]);
        match answer.pointer("/data/result").and_then(Value::as_array) {
            Some(result) => Ok(result.clone()),
            None => Err(answer.to_string()),
        }
    }

    /// A question to the API of Prometheus.
    pub(crate) fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut command = Command::new("curl");
        command.args(["-sS", "-G", "--max-time", "20"]);
        for (name, value) in parameters {
            command.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        command.arg(format!("http://{}/api/v1/{path}", self.prometheus));
        serde_json::from_str(&printed(&mut command)).expect("the API speaks JSON")
    }

    /// Waits until something holds, and says what was missing when it never does.
    #[expect(clippy::disallowed_methods, reason = "a test waits in real time")]
    pub(crate) fn wait(&self, for_what: &str, missing: impl Fn(&Self) -> Option<String>) {
        let began = Instant::now();
        let patience = PATIENCE * self.pace.0;
        let mut said = String::new();
        while let Some(missing) = missing(self) {
            if missing != said {
                eprintln!("{for_what}, {:.1?}: {missing}", began.elapsed());
                said.clone_from(&missing);
            }
            assert!(
                began.elapsed() < patience,
                "{for_what}: not within {patience:?}: {missing}\n{}",
                self.logs()
            );
            thread::sleep(Duration::from_millis(250));
        }
        eprintln!("{for_what}: after {:.1?}", began.elapsed());
    }

    fn logs(&self) -> String {
        ["exporter", "alertmanager", "prometheus"]
            .map(|name| {
                let text = fs::read_to_string(self.folder.path().join(format!("{name}.log")));
                let text = text.unwrap_or_default();
                let from = text.len().saturating_sub(2000);
                format!("{name}:\n{}\n", text.get(from..).unwrap_or(&text))
            })
            .concat()
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).expect("it is part of the repository")
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).expect("the folder is ours");
}

fn start_exporter(folder: &TempDir, address: &str) -> Program {
    let config = folder.path().join("exporter.yaml");
    Program::start(
        "exporter",
        Path::new(env!("CARGO_BIN_EXE_mailtls-exporter")),
        vec![
            format!("--config.file={}", config.display()),
            format!("--web.listen-address={address}"),
        ],
        address,
        folder.path(),
    )
}

/// How fast this machine is now: all domains are probed at once, by an exporter that knows nothing yet. What takes longer
/// than half an interval gets longer intervals: how busy the machine is with other things shall not matter.
#[expect(clippy::disallowed_methods, reason = "it is about real time")]
fn pace(world: &World, folder: &TempDir, address: &str) -> Pace {
    write(folder, "exporter.yaml", &exporter_config(world, Pace(1)));
    let _exporter = start_exporter(folder, address);
    let began = Instant::now();
    let mut command = Command::new("curl");
    command.args([
        "-sS",
        "--parallel",
        "--parallel-max",
        "100",
        "-o",
        "/dev/null",
    ]);
    for exhibit in demo::domains() {
        // One is slow on purpose.
        if exhibit.name != "tarpit.example" {
            command.arg(format!("http://{address}/probe?target={}", exhibit.name));
        }
    }
    printed(&mut command);
    let halves = 2.0 * began.elapsed().as_secs_f64() / f64::from(INTERVAL);
    eprintln!("all domains: {:.1?}", began.elapsed());
    Pace(
        (1..20)
            .find(|pace| halves <= f64::from(*pace))
            .unwrap_or(20),
    )
}

/// What is shared between probes is shared for less than an interval here, and nothing waits longer than one.
fn exporter_config(world: &World, pace: Pace) -> String {
    let reuse = format!("smtp:\n  reuse: {}\n", pace.seconds(INTERVAL));
    let timeout = format!("dns:\n  timeout: {}ms\n", 300 * pace.0);
    let mut text = world
        .config_yaml()
        .replace("smtp:\n", &reuse)
        .replace("dns:\n", &timeout);
    text.push_str("domains:\n");
    for exhibit in demo::domains() {
        writeln!(text, "  - domain: {}", exhibit.name).expect("a String takes everything");
    }
    text
}

/// As in docs/prometheus.md.
fn prometheus_config(exporter: &str, alertmanager: &str, pace: Pace) -> String {
    let (interval, evaluation) = (pace.seconds(INTERVAL), pace.seconds(1));
    format!(
        "global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: {evaluation}}}\n\
         rule_files: [rules.yaml, alerts.yaml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n\
         scrape_configs:\n\
         - job_name: mailtls\n  metrics_path: /probe\n  http_sd_configs: [{{url: 'http://{exporter}/sd'}}]\n  relabel_configs:\n  \
         - {{source_labels: [__address__], target_label: __param_target}}\n  \
         - {{source_labels: [__param_target], target_label: instance}}\n  \
         - {{target_label: __address__, replacement: '{exporter}'}}\n\
         - job_name: mailtls-exporter\n  static_configs: [{{targets: ['{exporter}']}}]\n",
    )
}

/// An address at which nothing listens.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    listener.local_addr().expect("it is bound").to_string()
}

/// A program that ends with us.
struct Program(Child);

impl Program {
    fn start(
        name: &str,
        program: &Path,
        arguments: Vec<String>,
        address: &str,
        folder: &Path,
    ) -> Self {
        let log = File::create(folder.join(format!("{name}.log"))).expect("the folder is ours");
        let errors = log.try_clone().expect("a file can be shared");
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let mut running = Self(child);
        for _ in 0..1200 {
            if std::net::TcpStream::connect(address).is_ok() {
                return running;
            }
            let ended = running.0.try_wait().expect("it is our child");
            let log = || fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default();
            assert!(ended.is_none(), "{name} ended: {}", log());
            thread::sleep(Duration::from_millis(100));
        }
        panic!("{name} does not listen at {address}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
