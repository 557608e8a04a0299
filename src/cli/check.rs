//! `mailtls-exporter check DOMAIN…`: probes now, or judges what was recorded, and prints what was found.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::io::IsTerminal as _;
use std::io::Read as _;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
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
use crate::cli::recording;
use crate::cli::recording::Recorder;
use crate::config::Config;
use crate::config::Expectations;
use crate::config::Module;
use crate::config::listed_names;
use crate::config::utf8_text;
use crate::domain_name::DomainName;
use crate::domain_name::DomainNameError;
use crate::finding::Finding;
use crate::finding::Severity;
use crate::probe::Assumptions;
use crate::probe::CannotAssume;
use crate::probe::Prober;
use crate::probe::judge_assuming;
use crate::probe::recording::Form;
use crate::report;
use crate::report::Report;
use crate::report::junit::Junit;
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

    /// What if that were published? policy=FILE, mta-sts-record=TEXT, tlsrpt-record=TEXT, cert:MX=CHAIN.pem,
    /// tlsa:MX=TEXT, mode=enforce or mx=HOST,HOST; the rest is as observed, and what changes is marked. May be given
    /// several times
    #[arg(long, value_name = "KEY=VALUE")]
    assume: Vec<String>,

    /// Record what was observed, for a bug report or for --replay
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,

    /// Judge again what --evidence recorded, at the time it was observed and without any network; - is standard input.
    /// Domains choose from it
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
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
    /// XML for CI systems: a test suite for each domain, a test case for each check
    Junit,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum FailOn {
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
    #[error("--evidence {} would write over what {flag} reads: name another file", name(.file))]
    Overwritten { file: PathBuf, flag: &'static str },
    #[error("{}: nothing was recorded there about {domain}", name(.file))]
    NotRecorded { file: PathBuf, domain: DomainName },
}

/// What comes of one domain.
type Answer = Result<Report, Missing>;

/// Why there is no report on a domain.
#[derive(Debug, thiserror::Error)]
enum Missing {
    /// A panic.
    #[error("the probe broke: this is a bug")]
    Broken,
    #[error("cannot assume that: {0}")]
    Assumption(#[from] CannotAssume),
}

pub(super) fn name(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Probes or replays, prints and sums up.
pub(super) fn run(everywhere: &Everywhere, flags: &Flags) -> Result<Outcome, Error> {
    spare_inputs(flags)?;
    let assumptions = recording::assumptions(&flags.assume)?;
    match &flags.replay {
        Some(file) => replay(everywhere, flags, file, &assumptions),
        None => probe(everywhere, flags, assumptions),
    }
}

/// What is read is not written over, least of all evidence that nobody can observe again.
fn spare_inputs(flags: &Flags) -> Result<(), QuestionError> {
    let inputs = [("--replay", &flags.replay), ("--file", &flags.file)];
    for (flag, input) in inputs {
        let both = flags.evidence.as_ref().zip(input.as_ref());
        if let Some((file, _)) = both.filter(|(file, input)| is_same_file(file, input)) {
            let file = file.clone();
            return Err(QuestionError::Overwritten { file, flag });
        }
    }
    Ok(())
}

/// Also by another name of it, which a link is; what is not there yet is no file that is read.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |file: &Path| {
        let found = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
        Some((found.dev(), found.ino()))
    };
    identity(one).is_some_and(|found| identity(other) == Some(found))
}

fn probe(
    everywhere: &Everywhere,
    flags: &Flags,
    assumptions: Assumptions,
) -> Result<Outcome, Error> {
    let domains = domains(flags)?;
    if domains.is_empty() {
        return Err(QuestionError::Nothing.into());
    }
    let form = form(&domains, flags);
    let config = everywhere.config()?;
    let questions = domains
        .into_iter()
        .map(|domain| Ok((module(&config, &domain, flags.module.as_deref())?, domain)))
        .collect::<Result<Vec<_>, QuestionError>>()?;
    block_on(async {
        let prober = Prober::new(&config, Arc::default())?;
        let mut results = Results::new(flags, questions.len(), form)?;
        let mut reports = reports(prober.clone(), questions, Arc::new(assumptions), flags);
        let print = async {
            while let Some((domain, report)) = reports.next().await {
                if results.take(&domain, &report)? == Written::NobodyReads {
                    break;
                }
            }
            results.finish()
        };
        let (outcomes, _) = tokio::join!(print, Box::pin(prober.check_itself()));
        let mut outcomes = outcomes?;
        outcomes.push(about_itself(&prober, flags.fail_on.into()));
        Ok(sum_up(&outcomes))
    })
}

/// Judges what a file holds; the domains that were named, if any.
fn replay(
    everywhere: &Everywhere,
    flags: &Flags,
    file: &Path,
    assumptions: &Assumptions,
) -> Result<Outcome, Error> {
    let domains = domains(flags)?;
    let mut recordings = recording::read(file)?;
    let recorded = &mut recordings.evidence;
    for domain in &domains {
        if recorded.iter().all(|seen| seen.domain != *domain) {
            return Err(QuestionError::NotRecorded {
                file: file.to_owned(),
                domain: domain.clone(),
            }
            .into());
        }
    }
    recorded.retain(|seen| domains.is_empty() || domains.contains(&seen.domain));
    let config = everywhere.config()?;
    let expectations = Expectations::of(&config.domains);
    let form = match recordings.evidence.len() {
        1 if !domains.is_empty() => form(&domains, flags),
        _ => recordings.form,
    };
    let mut results = Results::new(flags, recordings.evidence.len(), form)?;
    for evidence in recordings.evidence {
        let domain = evidence.domain.clone();
        let module = module(&config, &domain, flags.module.as_deref())?;
        let expect = expectations.get(&domain, &module.name);
        let judge = || judge_assuming(evidence, assumptions, &module, &config.roots, &expect);
        let report = match catch_unwind(AssertUnwindSafe(judge)) {
            Ok(report) => report.map_err(Missing::from),
            Err(_) => Err(Missing::Broken),
        };
        if results.take(&domain, &report)? == Written::NobodyReads {
            break;
        }
    }
    Ok(sum_up(&results.finish()?))
}

/// One domain is an object, several and a list of one are a list.
fn form(domains: &[DomainName], flags: &Flags) -> Form {
    if domains.len() > 1 || flags.file.is_some() {
        Form::List
    } else {
        Form::Single
    }
}

/// Where the reports go.
struct Results {
    printer: Printer,
    recorder: Option<Recorder>,
    fail_on: Severity,
    outcomes: Vec<Outcome>,
}

impl Results {
    fn new(flags: &Flags, domains: usize, form: Form) -> Result<Self, Error> {
        if flags.output == Output::Prometheus && domains > 1 {
            return Err(QuestionError::SeveralAsMetrics.into());
        }
        let recorder = flags.evidence.as_deref();
        Ok(Self {
            recorder: recorder
                .map(|file| Recorder::create(file, form))
                .transpose()?,
            printer: Printer::new(flags, domains, form),
            fail_on: flags.fail_on.into(),
            outcomes: Vec::new(),
        })
    }

    /// Whether anybody waits for more.
    fn take(&mut self, domain: &DomainName, report: &Answer) -> Result<Written, Error> {
        if let (Some(recorder), Ok(report)) = (&mut self.recorder, report) {
            recorder.record(report)?;
        }
        let judged = report.as_ref().ok();
        self.outcomes.push(judge(judged, self.fail_on));
        let written = written(self.printer.print(domain, report.as_ref()))?;
        Ok(match self.recorder {
            Some(_) => Written::Out,
            None => written,
        })
    }

    fn finish(mut self) -> Result<Vec<Outcome>, Error> {
        written(self.printer.finish())?;
        self.recorder.map_or(Ok(()), Recorder::finish)?;
        Ok(self.outcomes)
    }
}

/// The domains asked about, each once, in the order given.
fn domains(flags: &Flags) -> Result<Vec<DomainName>, QuestionError> {
    let mut domains = Vec::new();
    for text in &flags.domains {
        domains.push(DomainName::parse(text)?);
    }
    if let Some(file) = &flags.file {
        let bytes = if file == Path::new("-") {
            let mut bytes = Vec::new();
            io::stdin().read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(file)
        };
        let text = bytes
            .and_then(utf8_text)
            .map_err(|source| QuestionError::List {
                file: file.clone(),
                source,
            })?;
        let listed = listed(&text, file)?;
        if listed.is_empty() {
            return Err(QuestionError::EmptyList(file.clone()));
        }
        domains.extend(listed);
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

/// Each domain with its report, or why there is none. In the order asked, but for ndjson.
fn reports(
    prober: Prober,
    questions: Vec<(Arc<Module>, DomainName)>,
    assumptions: Arc<Assumptions>,
    flags: &Flags,
) -> Pin<Box<dyn Stream<Item = (DomainName, Answer)>>> {
    let probes = stream::iter(questions).map(move |(module, domain)| {
        let prober = prober.clone();
        let assumptions = Arc::clone(&assumptions);
        Box::pin(async move {
            let probe = prober.run_assuming(&domain, &module, module.timeout, &assumptions);
            let report = match AssertUnwindSafe(probe).catch_unwind().await {
                Ok(report) => report.map_err(Missing::from),
                Err(_) => Err(Missing::Broken),
            };
            (domain, report)
        })
    });
    let jobs = usize::from(flags.jobs);
    match flags.output {
        Output::Ndjson => Box::pin(probes.buffer_unordered(jobs)),
        Output::Text | Output::Json | Output::Prometheus | Output::Junit => {
            Box::pin(probes.buffered(jobs))
        }
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
    // That there is no IPv6 here is said, and is no failure.
    let is_bad = |finding: &Finding| finding.severity >= fail_on.max(Severity::Warning);
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
    form: Form,
    /// The XML tells the sums first: it is written at the end.
    junit: Junit,
}

impl Printer {
    fn new(flags: &Flags, domains: usize, form: Form) -> Self {
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
            form,
            junit: Junit::new(flags.fail_on.into()),
        }
    }

    fn print(&mut self, domain: &DomainName, report: Result<&Report, &Missing>) -> io::Result<()> {
        let bar = self.progress.clone();
        bar.set_message(domain.to_string());
        bar.inc(1);
        bar.suspend(|| match report {
            Ok(report) => self.print_report(report),
            Err(missing) => writeln!(io::stderr(), "mailtls-exporter: {domain}: {missing}"),
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
                let before = match (self.form, is_first) {
                    (Form::Single, _) => "",
                    (Form::List, true) => "[\n",
                    (Form::List, false) => ",\n",
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
            Output::Junit => self.junit.add(report),
        }
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.progress.finish_and_clear();
        if self.output == Output::Json {
            let end = match (self.form, self.printed) {
                (Form::Single, 0) => "",
                (Form::Single, _) => "\n",
                (Form::List, 0) => "[]\n",
                (Form::List, _) => "\n]\n",
            };
            write!(self.out, "{end}")?;
        }
        if self.output == Output::Junit {
            let document = self.junit.document().map_err(io::Error::other)?;
            write!(self.out, "{document}")?;
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
