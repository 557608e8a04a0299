//! `mailtls-exporter check DOMAIN…`: probes now, and prints what was found.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::io::IsTerminal as _;
use std::io::Read as _;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::ValueEnum;
use futures_util::FutureExt as _;
use futures_util::Stream;
use futures_util::StreamExt as _;
use futures_util::stream;
use indicatif::ProgressBar;
use indicatif::ProgressStyle;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::config::Config;
use crate::config::Module;
use crate::config::listed_names;
use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::probe::Prober;
use crate::report;
use crate::report::Report;
use crate::report::metrics::exposition::Format;

/// What to check, and how to say it.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Mail domains, like example.com
    #[arg(value_name = "DOMAIN")]
    domains: Vec<String>,

    /// A file with one domain a line; - is standard input. Blank lines, and what follows a #, are passed over
    #[arg(long, value_name = "LIST")]
    file: Option<PathBuf>,

    /// In which form
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,

    /// The module of the configuration to probe with; the default is the one that lists the domain, or else "default"
    #[arg(long, value_name = "MODULE")]
    module: Option<String>,

    /// How many domains to probe at one time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,

    /// From which severity on the exit code is 1
    #[arg(long, value_name = "SEVERITY", default_value = "critical")]
    fail_on: FailOn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// An object; a list of them for several domains and with --file
    Json,
    /// One object a line, as soon as it is known
    Ndjson,
    /// The metrics of one domain, as /probe exports them
    Prometheus,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FailOn {
    /// Some senders refuse, defer or can be downgraded now
    Critical,
    /// It will become critical, or protects less than it says
    Warning,
    /// Anything at all
    Info,
}

impl From<FailOn> for Severity {
    fn from(fail_on: FailOn) -> Self {
        match fail_on {
            FailOn::Critical => Self::Critical,
            FailOn::Warning => Self::Warning,
            FailOn::Info => Self::Info,
        }
    }
}

/// What is wrong with the question.
#[derive(Debug, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("no domain was given: write mailtls-exporter check example.com")]
    Nothing,
    #[error("{0}")]
    Domain(#[from] DomainNameError),
    #[error("{}:{line}: {source}", name(.file))]
    Listed {
        file: PathBuf,
        line: usize,
        source: DomainNameError,
    },
    #[error("{}: no domain is in it", name(.0))]
    EmptyList(PathBuf),
    #[error("cannot read {}: {source}", name(.file))]
    List { file: PathBuf, source: io::Error },
    #[error("there is no module {0:?} in the configuration")]
    Module(String),
    #[error("--output prometheus takes one domain: its metrics do not name the domain")]
    SeveralAsMetrics,
}

pub(super) fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Probes, prints and sums up.
pub(super) fn run(everywhere: &Everywhere, flags: &Flags) -> Result<Outcome, Error> {
    let domains = domains(flags)?;
    if flags.output == Output::Prometheus && domains.len() > 1 {
        return Err(QuestionError::SeveralAsMetrics.into());
    }
    let config = everywhere.config()?;
    let questions = domains
        .into_iter()
        .map(|domain| Ok((module(&config, &domain, flags.module.as_deref())?, domain)))
        .collect::<Result<Vec<_>, QuestionError>>()?;
    block_on(async {
        let prober = Prober::new(&config, Arc::default())?;
        let mut printer = Printer::new(flags, questions.len());
        let mut results = results(prober.clone(), questions, flags);
        let mut outcomes = Vec::new();
        let print = async {
            while let Some((domain, report)) = results.next().await {
                outcomes.push(judge(report.as_ref(), flags.fail_on.into()));
                if written(printer.print(&domain, report.as_ref()))? == Written::NobodyReads {
                    break;
                }
            }
            written(printer.finish())
        };
        let (printed, _) = tokio::join!(print, Box::pin(prober.check_itself()));
        printed?;
        outcomes.push(about_itself(&prober, flags.fail_on.into()));
        Ok(sum_up(&outcomes))
    })
}

/// The domains asked about, each once, in the order given.
fn domains(flags: &Flags) -> Result<Vec<DomainName>, QuestionError> {
    let mut domains = Vec::new();
    for text in &flags.domains {
        domains.push(DomainName::parse(text)?);
    }
    if let Some(file) = &flags.file {
        let text = if file == Path::new("-") {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        } else {
            fs::read_to_string(file)
        };
        let text = text.map_err(|source| QuestionError::List {
            file: file.clone(),
            source,
        })?;
        let listed = listed(&text, file)?;
        if listed.is_empty() {
            return Err(QuestionError::EmptyList(file.clone()));
        }
        domains.extend(listed);
    }
    if domains.is_empty() {
        return Err(QuestionError::Nothing);
    }
    let mut seen = HashSet::new();
    domains.retain(|domain| seen.insert(domain.clone()));
    Ok(domains)
}

fn listed(text: &str, file: &Path) -> Result<Vec<DomainName>, QuestionError> {
    let read = |(line, name)| {
        DomainName::parse(name).map_err(|source| QuestionError::Listed {
            file: file.to_owned(),
            line,
            source,
        })
    };
    listed_names(text).map(read).collect()
}

fn module(
    config: &Config,
    domain: &DomainName,
    asked: Option<&str>,
) -> Result<Arc<Module>, QuestionError> {
    let listed = config.listed(domain).map(|listed| listed.module.as_str());
    let name = asked.or(listed).unwrap_or("default");
    config
        .module(name)
        .map(Arc::clone)
        .ok_or_else(|| QuestionError::Module(name.to_owned()))
}

/// Each domain with its report; none when its probe panicked. In the order asked, but for ndjson.
fn results(
    prober: Prober,
    questions: Vec<(Arc<Module>, DomainName)>,
    flags: &Flags,
) -> Pin<Box<dyn Stream<Item = (DomainName, Option<Report>)>>> {
    let probes = stream::iter(questions).map(move |(module, domain)| {
        let prober = prober.clone();
        Box::pin(async move {
            let probe = prober.run(&domain, &module, module.timeout);
            let report = AssertUnwindSafe(probe).catch_unwind().await.ok();
            (domain, report)
        })
    });
    let jobs = usize::from(flags.jobs);
    match flags.output {
        Output::Ndjson => Box::pin(probes.buffer_unordered(jobs)),
        Output::Text | Output::Json | Output::Prometheus => Box::pin(probes.buffered(jobs)),
    }
}

/// Says once what is wrong with the monitor itself, wherever the reports go.
fn about_itself(prober: &Prober, fail_on: Severity) -> Outcome {
    let report = prober.about_itself();
    if report.findings.is_empty() {
        return Outcome::Fine;
    }
    // Nobody is left to tell when this fails.
    let _ = write!(
        anstream::stderr(),
        "mailtls-exporter: something is wrong here, not with the domains:\n{}",
        report::text::render_self(&report)
    );
    let is_bad = |finding: &Finding| finding.severity >= fail_on;
    if report.findings.iter().any(is_bad) {
        Outcome::NotFine
    } else {
        Outcome::Fine
    }
}

fn judge(report: Option<&Report>, fail_on: Severity) -> Outcome {
    match report {
        None => Outcome::Unanswered,
        Some(report) if report.unanswered() => Outcome::Unanswered,
        Some(report) if report.worst() >= Some(fail_on) => Outcome::NotFine,
        Some(_) => Outcome::Fine,
    }
}

/// What is known to be bad counts before what is not known.
pub(super) fn sum_up(outcomes: &[Outcome]) -> Outcome {
    [Outcome::NotFine, Outcome::Unanswered]
        .into_iter()
        .find(|outcome| outcomes.contains(outcome))
        .unwrap_or(Outcome::Fine)
}

/// Whether anybody still reads what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    Out,
    /// The pipe is closed: `check … | head` has seen enough, which is no error.
    NobodyReads,
}

/// What became of something written to standard output.
pub(super) fn written(result: io::Result<()>) -> Result<Written, Error> {
    match result {
        Ok(()) => Ok(Written::Out),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Written::NobodyReads),
        Err(error) => Err(Error::Output(error)),
    }
}

/// Writes reports to standard output as they come, with a progress bar beside them.
struct Printer {
    output: Output,
    /// Takes colours away unless a terminal wants them.
    out: anstream::Stdout,
    progress: ProgressBar,
    printed: usize,
    is_list: bool,
}

impl Printer {
    fn new(flags: &Flags, domains: usize) -> Self {
        // For one domain, and where nobody looks, there is no bar.
        let progress = if domains > 1 && io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}")
                .expect("the template is well-formed");
            ProgressBar::new(domains as u64).with_style(style)
        } else {
            ProgressBar::hidden()
        };
        progress.tick();
        Self {
            output: flags.output,
            out: anstream::stdout(),
            progress,
            printed: 0,
            is_list: domains > 1 || flags.file.is_some(),
        }
    }

    fn print(&mut self, domain: &DomainName, report: Option<&Report>) -> io::Result<()> {
        let bar = self.progress.clone();
        bar.set_message(domain.to_string());
        bar.inc(1);
        bar.suspend(|| match report {
            Some(report) => self.print_report(report),
            None => writeln!(
                io::stderr(),
                "mailtls-exporter: the probe of {domain} broke: this is a bug"
            ),
        })
    }

    fn print_report(&mut self, report: &Report) -> io::Result<()> {
        let is_first = self.printed == 0;
        self.printed += 1;
        match self.output {
            Output::Text => {
                let gap = if is_first { "" } else { "\n" };
                write!(self.out, "{gap}{}", report::text::render(report))?;
            }
            Output::Json => {
                let before = match (self.is_list, is_first) {
                    (false, _) => "",
                    (true, true) => "[\n",
                    (true, false) => ",\n",
                };
                let object = serde_json::to_string_pretty(&report::json::value(report))?;
                write!(self.out, "{before}{object}")?;
            }
            Output::Ndjson => {
                let object = serde_json::to_string(&report::json::value(report))?;
                writeln!(self.out, "{object}")?;
            }
            Output::Prometheus => {
                let metrics = report::metrics::probe::render(report, Format::Text);
                write!(self.out, "{metrics}")?;
            }
        }
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.progress.finish_and_clear();
        if self.output == Output::Json {
            let end = match (self.is_list, self.printed) {
                (false, 0) => "",
                (false, _) => "\n",
                (true, 0) => "[]\n",
                (true, _) => "\n]\n",
            };
            write!(self.out, "{end}")?;
        }
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists() {
        let file = Path::new("list.txt");
        let text = "\u{FEFF}# ours\nexample.com\r\n\n  b\u{fc}cher.example  # and theirs\n";
        let names: Vec<String> = listed(text, file)
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["example.com", "xn--bcher-kva.example"]);
        let error = listed("example.com\nme@example.com\n", file).unwrap_err();
        assert_eq!(
            error.to_string(),
            "list.txt:2: \"me@example.com\" is not a domain name: it contains '@'"
        );
    }

    #[test]
    fn the_worst_known_decides() {
        use Outcome::Fine;
        use Outcome::NotFine;
        use Outcome::Unanswered;
        for (outcomes, expected) in [
            (&[][..], Fine),
            (&[Fine, Fine], Fine),
            (&[Fine, Unanswered], Unanswered),
            (&[Unanswered, NotFine, Fine], NotFine),
        ] {
            assert_eq!(sum_up(outcomes), expected, "{outcomes:?}");
        }
    }
}
