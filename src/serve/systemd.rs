//! What systemd is told of the process (`sd_notify(3)`): that it serves, reads its configuration anew, stops, and is
//! alive. Without a `NOTIFY_SOCKET` in the environment, as everywhere else, nothing of this does anything.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sd_notify::NotifyState;

/// It serves.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// It reads its configuration anew, until the returned value is dropped: `Type=notify-reload` waits for that.
#[must_use]
pub(super) fn reloading() -> Reloading {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock"),
    }
    Reloading(())
}

/// While this lives, the configuration is being read.
pub(super) struct Reloading(());

impl Drop for Reloading {
    fn drop(&mut self) {
        ready();
    }
}

/// Says again and again that the process is alive, twice as often as `WatchdogSec` asks for. It is, as long as its
/// tasks are run.
pub(super) async fn keep_alive() -> Infallible {
    let Some(within) = sd_notify::watchdog_enabled().filter(|within| !within.is_zero()) else {
        return std::future::pending().await;
    };
    let mut turns = tokio::time::interval((within / 2).max(Duration::from_millis(1)));
    loop {
        turns.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    if let Err(error) = send(&name, states) {
        tracing::warn!(%error, "cannot talk to the service manager");
    }
}

/// `sd_notify` the crate takes every name for that of a file.
fn send(name: &OsStr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let lines: Vec<String> = states.iter().map(ToString::to_string).collect();
    let text = format!("{}\n", lines.join("\n"));
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address(name)?)?;
    Ok(())
}

fn address(name: &OsStr) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = name.as_bytes().strip_prefix(b"@") {
        return SocketAddr::from_abstract_name(name);
    }
    SocketAddr::from_pathname(name)
}
