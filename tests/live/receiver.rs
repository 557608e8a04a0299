//! Who is told: a web server that takes what Alertmanager sends, and remembers it.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use serde_json::Value;

/// One alert of one message.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) firing: bool,
    pub(crate) labels: Value,
    pub(crate) annotations: Value,
    /// Whom it was meant for.
    pub(crate) receiver: String,
}

impl Notice {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }

    /// Domain (or exporter) and alert.
    pub(crate) fn subject(&self) -> (String, String) {
        (
            self.label("instance").to_owned(),
            self.label("alertname").to_owned(),
        )
    }
}

/// It lives until the process ends.
pub(crate) struct Receiver {
    /// Where it listens.
    pub(crate) address: String,
    notices: Arc<Mutex<Vec<Notice>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound").to_string();
        let notices = Arc::<Mutex<Vec<Notice>>>::default();
        let store = Arc::clone(&notices);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let store = Arc::clone(&store);
                thread::spawn(move || serve(&stream, &store));
            }
        });
        Self { address, notices }
    }

    /// Everything that was said since as many notices.
    pub(crate) fn since(&self, count: usize) -> Vec<Notice> {
        let notices = self.notices.lock().expect("nobody panics holding it");
        notices.iter().skip(count).cloned().collect()
    }

    /// How much was said.
    pub(crate) fn count(&self) -> usize {
        self.since(0).len()
    }

    /// What fires, by the last word about each alert with all its labels.
    pub(crate) fn firing(&self) -> BTreeSet<(String, String)> {
        let mut last = std::collections::BTreeMap::new();
        for notice in self.since(0) {
            last.insert(notice.labels.to_string(), notice);
        }
        last.values()
            .filter(|notice| notice.firing)
            .map(Notice::subject)
            .collect()
    }
}

/// Requests of one connection, until it ends.
fn serve(stream: &TcpStream, store: &Mutex<Vec<Notice>>) {
    let mut reader = BufReader::new(stream);
    while let Some(body) = request(&mut reader) {
        let message: Value = serde_json::from_slice(&body).expect("a webhook speaks JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = message["alerts"].as_array().into_iter().flatten();
        let found = alerts.map(|alert| Notice {
            firing: alert["status"] == "firing",
            labels: alert["labels"].clone(),
            annotations: alert["annotations"].clone(),
            receiver: text(&message["receiver"]),
        });
        store
            .lock()
            .expect("nobody panics holding it")
            .extend(found);
        let mut stream = stream;
        if stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .is_err()
        {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = None;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
