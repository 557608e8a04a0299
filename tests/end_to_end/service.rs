//! The exporter under a service manager: sockets that it inherits, what it says of itself, signals, and its start.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use mailtls_lab::Domain;
use mailtls_lab::Mx;
use mailtls_lab::Smtp;
use mailtls_lab::World;

use crate::exporter::Exporter;
use crate::exporter::configuration;
use crate::exporter::program;

/// A shell that hands its standard input over as the first socket, as systemd does.
fn activated(socket: impl Into<OwnedFd>, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg("LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null")
        .arg(program().get_program())
        .args(arguments)
        .stdin(Stdio::from(socket.into()));
    command
}

#[test]
fn a_socket_of_the_service_manager() {
    let world = World::start_blocking([]);
    let config = configuration(&world, "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Who connects before the exporter runs is served all the same.
    let early = TcpStream::connect(address).unwrap();
    let arguments = [
        "--web.systemd-socket",
        "--config.file",
        config.to_str().unwrap(),
    ];
    let exporter = Exporter::run(activated(listener, &arguments));
    assert_eq!(exporter.address, address);
    assert_eq!(exporter.get("/-/ready").status, 200);
    drop(early);
}

#[test]
fn without_a_socket_there_is_nothing_to_serve() {
    let ran = program().arg("--web.systemd-socket").output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("the service manager has opened no socket"),
        "{said}"
    );

    let dir = tempfile::tempdir().unwrap();
    let datagrams = UnixDatagram::bind(dir.path().join("socket")).unwrap();
    let ran = activated(datagrams, &["--web.systemd-socket"])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(
        said.contains("cannot use a socket of the service manager"),
        "{said}"
    );
}

#[test]
fn the_service_manager_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    it_is_told(&UnixDatagram::bind(&path).unwrap(), path.as_os_str());
}

/// A name without a file begins with an @ (`sd_notify(3)`).
#[test]
fn the_service_manager_is_told_without_a_file() {
    let name = format!("mailtls-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&address).unwrap();
    it_is_told(&manager, format!("@{name}").as_ref());
}

fn it_is_told(manager: &UnixDatagram, name: &OsStr) {
    let world = World::start_blocking([]);
    let config = configuration(&world, "");
    manager
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = program();
    command
        .args(["--web.listen-address", "127.0.0.1:0", "--config.file"])
        .arg(&config)
        .env("NOTIFY_SOCKET", name)
        .env("WATCHDOG_USEC", "200000");
    let mut exporter = Exporter::run(command);
    assert_eq!(told(), "READY=1\n");
    let began = Instant::now();
    for _ in 0..4 {
        assert_eq!(told(), "WATCHDOG=1\n");
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    exporter.signal("HUP");
    let said = || std::iter::repeat_with(told).find(|said| said != "WATCHDOG=1\n");
    let reloading = said().unwrap();
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    assert!(
        since.is_some_and(|since| since.trim_end().parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(said().as_deref(), Some("READY=1\n"), "it was read");
    exporter.terminate();
    while told() != "STOPPING=1\n" {}
    assert_eq!(exporter.wait().code(), Some(0));
}

/// A container's health check reads what the exporter reads, and its own flag wins.
#[test]
fn a_health_check_below_a_prefix() {
    let world = World::start_blocking([]);
    let config = configuration(&world, "");
    let prefix = "--web.route-prefix=/mail/tls";
    let exporter = Exporter::start_with(&config, &[prefix]);
    let address = exporter.address.to_string();
    let external = "https://monitor.example/mail/tls/";
    let url = format!("http://{address}/mail/tls/-/healthy");
    for (why, flags, variables, code) in [
        ("no prefix", &[][..], &[][..], 1),
        ("a flag", &[prefix], &[], 0),
        ("a URL", &["--web.external-url", external], &[], 0),
        (
            "a prefix variable",
            &[],
            &[("MAILTLS_WEB_ROUTE_PREFIX", "/mail/tls")],
            0,
        ),
        (
            "a URL variable",
            &[],
            &[("MAILTLS_WEB_EXTERNAL_URL", external)],
            0,
        ),
        (
            "the whole URL",
            &["--url", &url],
            &[("MAILTLS_WEB_ROUTE_PREFIX", "/other")],
            0,
        ),
    ] {
        let ran = program()
            .arg("healthcheck")
            .args(flags)
            .env("MAILTLS_WEB_LISTEN_ADDRESS", &address)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(code), "{why}: {ran:?}");
    }
}

/// Ten seconds for what is under way, and none after a second signal.
#[test]
fn an_end_within_ten_seconds() {
    let world = World::start_blocking([Domain::new("tarpit.example")
        .mx(Mx::new("mx1").smtp(Smtp::new().greeting_after(Duration::from_secs(40))))]);
    let config = configuration(&world, "");
    for (why, signals, least, most) in [
        ("one", &["TERM"][..], 9, 15),
        ("two", &["TERM", "INT"], 0, 5),
        ("two interrupts", &["INT", "INT"], 0, 5),
    ] {
        let mut exporter = Exporter::start(&config);
        let address = exporter.address;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                use std::io::Read as _;
                use std::io::Write as _;
                let mut stream = TcpStream::connect(address).unwrap();
                let request = "GET /probe?target=tarpit.example HTTP/1.1\r\nHost: x\r\n\r\n";
                stream.write_all(request.as_bytes()).unwrap();
                let _ = stream.read_to_end(&mut Vec::new());
            });
            while !exporter
                .get("/metrics")
                .text()
                .contains("probes_in_flight 1\n")
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            let began = Instant::now();
            for signal in signals {
                exporter.signal(signal);
                // Two of a kind that come at once are one.
                while !exporter.log().contains("level=info msg=\"stopping") {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            assert_eq!(exporter.wait().code(), Some(0), "{why}: {}", exporter.log());
            let took = began.elapsed();
            assert!(took >= Duration::from_secs(least), "{why}: {took:?}");
            assert!(took < Duration::from_secs(most), "{why}: {took:?}");
        });
    }
}

/// Nothing is left behind that a start would have to wait for: killed and started again on the same port, it serves
/// within 200 ms. Measured is the best of five, for the machine has other things to do.
#[test]
fn killed_and_started_again() {
    let world = World::start_blocking([]);
    let config = configuration(&world, "");
    let mut exporter = Exporter::start(&config);
    let address = exporter.address;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        // An open connection keeps its port busy for a while.
        let _open = TcpStream::connect(address).unwrap();
        exporter.signal("KILL");
        exporter.wait();
        let mut command = program();
        command
            .args([
                "--web.listen-address",
                &address.to_string(),
                "--config.file",
            ])
            .arg(&config);
        let began = Instant::now();
        exporter = Exporter::run(command);
        assert_eq!(exporter.get("/-/ready").status, 200);
        best = best.min(began.elapsed());
    }
    assert!(best < Duration::from_millis(200), "{best:?}");
}
