//! A network of our own: Linux namespaces in which every server and every tool of these tests runs.
//!
//! Inside, all of 127.0.0.0/8 is free, so that DNS, SMTP and HTTPS have their real ports and nothing that runs on the
//! machine is in the way; the mount namespace gives them files in `/etc` of our own (a `resolv.conf` that names our resolver) without
//! touching the machine's. Process 1 inside is a `cat` that waits for this test to end: its standard input is a pipe
//! from us, and when we are gone, however we went, the kernel ends everything that still runs in there.

use std::fmt;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

/// The namespaces; everything in them ends when this is dropped.
pub(crate) struct Namespace {
    holder: Child,
    inside: String,
}

impl Namespace {
    /// Opens them, with the files in `etc` in the place of those of the same names in `/etc`. Needs root.
    pub(crate) fn open(etc: &Path) -> Self {
        let script = "ip link set lo up && for file in \"$0\"/*; do mount --bind \"$file\" /etc/\"${file##*/}\" || exit; done \
                      && echo open && exec cat";
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["sh", "-c", script])
            .arg(etc)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is part of every Debian");
        let mut line = String::new();
        let output = holder.stdout.take().expect("standard output is a pipe");
        BufReader::new(output)
            .read_line(&mut line)
            .expect("the pipe is readable");
        assert_eq!(
            line, "open\n",
            "namespaces of our own need root: run tests/run as root"
        );
        let id = holder.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))
            .expect("unshare has a child");
        let inside = children
            .split_whitespace()
            .next()
            .expect("unshare has a child")
            .to_owned();
        Self { holder, inside }
    }

    /// A command that will run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args([
                "--target",
                &self.inside,
                "--net",
                "--mount",
                "--pid",
                // Or it would leave a chroot that the tests run in.
                "--root",
                "--",
                program,
            ])
            .stdin(Stdio::null());
        command
    }

    /// Runs a tool inside for at most 30 seconds.
    pub(crate) fn run<S: AsRef<str>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Ran {
        let mut command = self.command("timeout");
        command.args(["30", program]);
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        Ran::of(&mut command)
    }

    /// Waits until something listens at an address, at most 20 seconds; says whether something does.
    pub(crate) fn wait_for(&self, address: &str, port: u16) -> bool {
        let script = "for i in $(seq 200); do (exec 3<>/dev/tcp/$0/$1) 2>/dev/null && exit 0; sleep 0.1; done; exit 1";
        self.run("bash", ["-c", script, address, &port.to_string()])
            .succeeded()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        // It ends because its child ended; whether with success does not matter.
        let _ = self.holder.wait();
    }
}

/// What a command printed and how it ended.
pub(crate) struct Ran {
    /// Exit status; 124 when it ran out of time.
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs `command` to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Whether the exit status was 0.
    pub(crate) fn succeeded(&self) -> bool {
        self.status == 0
    }

    /// Everything that was printed.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Standard output, after a run that must have succeeded.
    pub(crate) fn expect(self, why: &str) -> String {
        assert!(self.succeeded(), "{why}: {self}");
        self.stdout
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}\n{}", self.status, self.text())
    }
}
