//! The program itself as a process, and HTTP to it by hand, so that bytes arrive that no HTTP library would send.

use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::ExitStatus;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::World;
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary under test, whatever the environment says.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtls-exporter"));
    let set = std::env::vars().filter(|(name, _)| name.starts_with("MAILTLS_"));
    for (name, _) in set {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

/// A file with a configuration, in the directory of the world that it points at.
pub(crate) fn configuration(world: &World, more: &str) -> PathBuf {
    let file = tempfile::Builder::new()
        .prefix("config-")
        .suffix(".yaml")
        .tempfile_in(world.dir())
        .unwrap();
    let (mut file, path) = file.keep().unwrap();
    file.write_all(merged(&world.config_yaml(), more).as_bytes())
        .unwrap();
    path
}

/// `more` as a YAML text of sections with a blank line between; those that both texts have become one.
fn merged(base: &str, more: &str) -> String {
    let mut text = base.to_owned();
    for section in more.split("\n\n").filter(|section| !section.is_empty()) {
        let (head, body) = section.split_once('\n').expect("a section has a head");
        let head = format!("{head}\n");
        if text.contains(&head) {
            text = text.replace(&head, &format!("{head}{}\n", body.trim_end()));
        } else {
            text.push_str(section.trim_end());
            text.push('\n');
        }
    }
    text
}

/// A running exporter. It is killed when this is dropped.
pub(crate) struct Exporter {
    child: Child,
    pub(crate) address: SocketAddr,
    dir: TempDir,
}

/// What it answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// With names in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Everything that came on one connection.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {bytes:?}"));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let head = head
            .lines()
            .map(|line| match line.split_once(": ") {
                Some((name, value)) => format!("{}: {value}\n", name.to_ascii_lowercase()),
                None => format!("{line}\n"),
            })
            .collect();
        Self {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| (known == name).then_some(value))
    }
}

impl Exporter {
    /// Starts on a port that the system chooses, and waits until it listens.
    pub(crate) fn start(config: &Path) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_with(config: &Path, flags: &[&str]) -> Self {
        let mut command = program();
        command
            .args([
                "serve",
                "--web.listen-address",
                "127.0.0.1:0",
                "--config.file",
            ])
            .arg(config)
            .args(flags)
            .stdin(Stdio::null());
        Self::run(command)
    }

    /// The same with another command line and environment.
    pub(crate) fn run(mut command: Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = File::create(dir.path().join("log")).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut exporter = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            dir,
        };
        let began = Instant::now();
        exporter.address = loop {
            let log = exporter.log();
            let line = log.lines().find(|line| line.contains("listening"));
            if let Some(address) = line.and_then(|line| line.rsplit_once("address=")) {
                break address.1.parse().unwrap();
            }
            assert!(
                began.elapsed() < PATIENCE && exporter.child.try_wait().unwrap().is_none(),
                "not started: {log}"
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        exporter
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap()
    }

    /// `GET` of a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), "")
    }

    /// A request: its first line up to the version, and header lines, each with its end.
    pub(crate) fn ask(&self, request: &str, headers: &str) -> Answer {
        self.send(&format!(
            "{request} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n"
        ))
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends this and waits for nothing.
    pub(crate) fn open(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// Sends this and reads what comes back.
    pub(crate) fn send(&self, request: &str) -> Answer {
        let mut stream = self.open(request);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&bytes)
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own kill: a bare Debian has no other.
        let killed = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.child.id()))
            .status();
        assert!(killed.unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
