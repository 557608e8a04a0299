//! The servers, each as Debian packages it, with a configuration of its own and in the foreground: NSD, BIND, Unbound
//! twice, Postfix and nginx.

use std::fs;
use std::fs::File;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use crate::domains::Domain;
use crate::domains::Family;
use crate::domains::Program;
use crate::domains::Server;
use crate::domains::all;
use crate::namespace::Namespace;
use crate::namespace::Ran;
use crate::zones::EXAMPLE_SERVER;
use crate::zones::ROOT_SERVER;
use crate::zones::Zones;

/// The resolver that validates: the tools' opinion on DNSSEC, and what `/etc/resolv.conf` names.
pub(crate) const VALIDATING_RESOLVER: &str = "127.53.0.53";
/// The resolver that does not: the exporter's upstream.
pub(crate) const PLAIN_RESOLVER: &str = "127.53.0.54";

/// The files of key and chain that servers present.
pub(crate) trait Bundles {
    /// Of the server at an address.
    fn of(&self, domain: &Domain, address: &str) -> Vec<PathBuf>;
    /// Of what that server presents for the name in its SNI map.
    fn of_sni(&self, domain: &Domain, address: &str) -> PathBuf;
    fn of_policy_host(&self, domain: &Domain) -> PathBuf;
}

/// All servers of one program.
fn servers(program: Program) -> impl Iterator<Item = (&'static Domain, String, &'static Server)> {
    all().iter().flat_map(move |domain| {
        domain
            .servers()
            .filter(move |(_, _, server)| server.program == program)
            .map(move |(_, address, server)| (domain, address.to_string(), server))
    })
}

/// Starts servers in a namespace, with their files in a folder.
pub(crate) struct Servers<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) folder: &'a Path,
}

impl Servers<'_> {
    /// NSD for the root, BIND for the rest, two Unbounds; returns when they answer.
    pub(crate) fn start_dns(&self, zones: &Zones) {
        self.nsd(zones.root());
        self.bind(zones);
        self.unbound(
            "validating",
            VALIDATING_RESOLVER,
            "validator iterator",
            &zones.anchor(),
        );
        self.unbound("plain", PLAIN_RESOLVER, "iterator", &zones.anchor());
    }

    /// One Postfix with a listener for each address; `bundles` names the files of key and chain of a server, and for
    /// its SNI map of a name.
    pub(crate) fn start_postfix(&self, bundles: &impl Bundles) {
        let folder = self.subfolder("postfix");
        let (queue, data) = (
            self.subfolder("postfix/queue"),
            self.subfolder("postfix/data"),
        );
        Ran::of(Command::new("chown").arg("postfix").arg(&data))
            .expect("Postfix's package makes its user");
        let main = format!(
            "compatibility_level = 3.6\n\
             queue_directory = {}\n\
             data_directory = {}\n\
             daemon_directory = /usr/lib/postfix/sbin\n\
             command_directory = /usr/sbin\n\
             shlib_directory = /usr/lib/postfix\n\
             meta_directory = /etc/postfix\n\
             mail_owner = postfix\n\
             setgid_group = postdrop\n\
             myhostname = mail.example\n\
             mydestination =\n\
             alias_maps =\n\
             inet_protocols = all\n\
             inet_interfaces = 127.0.0.1\n\
             maillog_file = {}\n\
             maillog_file_prefixes = /\n\
             max_idle = 5s\n\
             import_environment = MAIL_CONFIG POSTLOG_SERVICE POSTLOG_HOSTNAME LANG=C OPENSSL_CONF={}\n\
             smtpd_tls_security_level = may\n\
             smtpd_peername_lookup = no\n\
             smtpd_client_connection_count_limit = 0\n",
            queue.display(),
            data.display(),
            folder.join("log").display(),
            self.openssl_for_old_peers().display(),
        );
        fs::write(folder.join("main.cf"), main).expect("the folder is ours");
        let mut master = "postlog unix-dgram n - n - 1 postlogd\n\
             tlsmgr unix - - n 1000? 1 tlsmgr\n\
             anvil unix - - n - 1 anvil\n\
             rewrite unix - - n - - trivial-rewrite\n\
             cleanup unix n - n - 0 cleanup\n\
             qmgr unix n - n 300 1 qmgr\n\
             proxymap unix - - n - - proxymap\n"
            .to_owned();
        let mut listening = None;
        for (domain, address, server) in servers(Program::Postfix) {
            let name = match server.family {
                Family::V4 => address.clone(),
                Family::V6 => format!("[{address}]"),
            };
            let files: Vec<String> = bundles
                .of(domain, &address)
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            master += &format!(
                "{name}:25 inet n - n - - smtpd\n  -o smtpd_tls_chain_files={}\n",
                files.join(",")
            );
            if let Some((label, _)) = server.sni {
                let map = folder.join(format!("sni-{address}"));
                let line = format!(
                    "{} {}\n",
                    domain.full_name(label),
                    bundles.of_sni(domain, &address).display()
                );
                fs::write(&map, line).expect("the folder is ours");
                let map = format!("hash:{}", map.display());
                let mut command = Command::new("postmap");
                command.arg("-c").arg(&folder).args(["-F", &map]);
                Ran::of(&mut command).expect("postmap");
                master += &format!("  -o tls_server_sni_maps={map}\n");
            }
            for option in &server.options {
                master += &format!("  -o {{ {option} }}\n");
            }
            listening = Some(address);
        }
        fs::write(folder.join("master.cf"), master).expect("the folder is ours");
        let mut command = self.namespace.command("postfix");
        command.arg("-c").arg(&folder).arg("start-fg");
        // The master process listens at all of them before it serves one.
        self.start("postfix", command, listening, 25);
    }

    /// An Exim for each address that is one's.
    pub(crate) fn start_exim(&self, bundles: &impl Bundles) {
        for (domain, address, _) in servers(Program::Exim) {
            let folder = self.subfolder(&format!("exim-{address}"));
            Ran::of(Command::new("chown").arg("postfix").arg(&folder))
                .expect("Postfix's package makes its user");
            let files: Vec<String> = bundles
                .of(domain, &address)
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            // GnuTLS: a colon separates the two certificates.
            let text = format!(
                "exim_user = postfix\nexim_group = postfix\nnever_users =\nprimary_hostname = mail.example\n\
                 spool_directory = {folder}\nlog_file_path = {folder}/%slog\nlocal_interfaces = {address}\n\
                 daemon_smtp_ports = 25\ntls_advertise_hosts = *\ntls_certificate = {files}\n\
                 tls_privatekey = {files}\nhost_lookup =\nrfc1413_query_timeout = 0s\n",
                folder = folder.display(),
                files = files.join(":"),
            );
            let file = folder.join("exim.conf");
            fs::write(&file, text).expect("the folder is ours");
            let mut command = self.namespace.command("exim4");
            command.arg("-bdf").arg("-C").arg(&file);
            self.start(&format!("exim-{address}.log"), command, [&address], 25);
        }
    }

    /// One nginx with a virtual host for each policy.
    pub(crate) fn start_nginx(&self, bundles: &impl Bundles) {
        let folder = self.subfolder("nginx");
        let mut hosts = String::new();
        let mut listening = None;
        for domain in all() {
            let (Some(body), Some(host)) = (domain.policy_body(), &domain.policy_host) else {
                continue;
            };
            let file = folder.join(domain.name);
            fs::write(&file, body).expect("the folder is ours");
            let serve = match host.nginx {
                "" => format!("default_type text/plain;\n    alias {};", file.display()),
                directives => directives.to_owned(),
            };
            hosts += &format!(
                "server {{\n  listen {}:443 ssl;\n  server_name {};\n  ssl_certificate {bundle};\n  \
                 ssl_certificate_key {bundle};\n  location = /.well-known/mta-sts.txt {{\n    {serve}\n  }}\n}}\n",
                domain.policy_address(),
                domain.policy_host_name(),
                bundle = bundles.of_policy_host(domain).display(),
            );
            listening = Some(domain.policy_address());
        }
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {};\n", folder.join(kind).display()))
            .concat();
        let text = format!(
            "user root;\ndaemon off;\npid {};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}{hosts}}}\n",
            folder.join("pid").display(),
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).expect("the folder is ours");
        let mut command = self.namespace.command("nginx");
        command.arg("-c").arg(&file).arg("-e").arg("stderr");
        self.start("nginx", command, listening, 443);
    }

    /// A configuration of OpenSSL that takes what is obsolete: Debian's own refuses short keys, SHA-1 and TLS 1.1.
    pub(crate) fn openssl_for_old_peers(&self) -> PathBuf {
        let file = self.folder.join("old-peers.cnf");
        let text = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = default\n[default]\n\
                    MinProtocol = TLSv1\nCipherString = DEFAULT:@SECLEVEL=0\n";
        fs::write(&file, text).expect("the folder is ours");
        file
    }

    /// Starts a program, its output in a file of the folder, and waits until it listens at all of the addresses.
    pub(crate) fn start<A: AsRef<str>>(
        &self,
        name: &str,
        mut command: Command,
        addresses: impl IntoIterator<Item = A>,
        port: u16,
    ) {
        let log = self.folder.join(format!("{name}.log"));
        let output = File::create(&log).expect("the folder is ours");
        let errors = output.try_clone().expect("a file can be shared");
        // Not waited for: it ends with the namespace.
        drop(
            command
                .stdout(output)
                .stderr(errors)
                .spawn()
                .unwrap_or_else(|error| panic!("{command:?} does not start: {error}")),
        );
        for address in addresses {
            let address = address.as_ref();
            assert!(
                self.namespace.wait_for(address, port),
                "{name} does not listen at {address}:{port}; it said:\n{}",
                fs::read_to_string(&log).unwrap_or_default(),
            );
        }
    }

    /// A folder below ours.
    pub(crate) fn subfolder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).expect("the folder is ours");
        folder
    }

    fn nsd(&self, root: &Path) {
        let folder = self.subfolder("nsd");
        let text = format!(
            "server:\n  ip-address: {ROOT_SERVER}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: {folder}\n  database: \"\"\n  \
             pidfile: {folder}/pid\n  xfrdfile: {folder}/xfrd\n  zonelistfile: {folder}/zones\n  xfrdir: {folder}\n\
             remote-control:\n  control-enable: no\n\
             zone:\n  name: .\n  zonefile: {root}\n",
            folder = folder.display(),
            root = root.display(),
        );
        let file = folder.join("nsd.conf");
        fs::write(&file, text).expect("the folder is ours");
        let mut command = self.namespace.command("nsd");
        command.arg("-d").arg("-c").arg(&file);
        self.start("nsd", command, [ROOT_SERVER], 53);
    }

    fn bind(&self, zones: &Zones) {
        let folder = self.subfolder("bind");
        let mut text = format!(
            "options {{\n  directory \"{}\";\n  listen-on {{ {EXAMPLE_SERVER}; }};\n  listen-on-v6 {{ none; }};\n  \
             pid-file none;\n  session-keyfile none;\n  recursion no;\n  dnssec-validation no;\n  notify no;\n}};\n\
             controls {{}};\n",
            folder.display()
        );
        for (name, file) in zones.below_root() {
            text += &format!(
                "zone \"{name}\" {{ type primary; file \"{}\"; }};\n",
                file.display()
            );
        }
        let file = folder.join("named.conf");
        fs::write(&file, text).expect("the folder is ours");
        // BIND listens at addresses of interfaces alone, and 127.0.0.0/8 is one address to it.
        self.namespace
            .run(
                "ip",
                [
                    "address",
                    "add",
                    &format!("{EXAMPLE_SERVER}/32"),
                    "dev",
                    "lo",
                ],
            )
            .expect("an address in a namespace of ours");
        let mut command = self.namespace.command("named");
        command.arg("-g").arg("-c").arg(&file);
        self.start("bind", command, [EXAMPLE_SERVER], 53);
    }

    fn unbound(&self, name: &str, address: &str, modules: &str, anchor: &Path) {
        let folder = self.subfolder(name);
        let hints = folder.join("hints");
        fs::write(&hints, format!(". 3600 NS ns.\nns. 3600 A {ROOT_SERVER}\n"))
            .expect("the folder is ours");
        let text = format!(
            "server:\n  interface: {address}\n  access-control: 127.0.0.0/8 allow\n  username: \"\"\n  chroot: \"\"\n  \
             directory: {folder}\n  pidfile: {folder}/pid\n  use-syslog: no\n  do-not-query-localhost: no\n  \
             do-ip6: no\n  num-threads: 1\n  root-hints: {hints}\n  trust-anchor-file: {anchor}\n  \
             module-config: \"{modules}\"\n\
             remote-control:\n  control-enable: no\n",
            folder = folder.display(),
            hints = hints.display(),
            anchor = anchor.display(),
        );
        let file = folder.join("unbound.conf");
        fs::write(&file, text).expect("the folder is ours");
        let mut command = self.namespace.command("unbound");
        command.arg("-d").arg("-p").arg("-c").arg(&file);
        self.start(&format!("unbound-{name}"), command, [address], 53);
    }
}
