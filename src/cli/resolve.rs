//! `mailtls-exporter resolve NAME TYPE`: one validated look-up with its whole chain of trust, or a list of them.

use std::fs;
use std::io;
use std::io::BufRead as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use clap::ValueEnum;
use futures_util::Stream;
use futures_util::StreamExt as _;
use futures_util::future::ready;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::cli::Error;
use crate::cli::Everywhere;
use crate::cli::Outcome;
use crate::cli::block_on;
use crate::cli::check::Written;
use crate::cli::check::name;
use crate::cli::check::sum_up;
use crate::cli::check::written;
use crate::config::utf8_text;
use crate::probe::Prober;
use crate::probe::Question;
use crate::probe::QuestionError;
use crate::report::resolution;
use crate::report::resolution::Resolution;

/// What to look up, and how to say it.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code: 0 when the answer is secure or insecure (provably unsigned), 1 when it is bogus, 2 when it is \
        indeterminate (something on the way could not be learned) or the question cannot be asked. Of a list the worst \
        counts: bogus before indeterminate."
)]
pub(super) struct Flags {
    /// A name, like example.com or _25._tcp.mx.example.com
    #[arg(
        value_name = "NAME",
        required_unless_present = "file",
        requires = "rtype"
    )]
    name: Option<String>,

    /// A record type, like MX, TLSA, DNSKEY or TYPE65280
    #[arg(value_name = "TYPE", conflicts_with = "file")]
    rtype: Option<String>,

    /// A file with NAME TYPE on each line; - is standard input, answered as the lines come. Blank lines, and what
    /// follows a #, are passed over
    #[arg(long, value_name = "LIST")]
    file: Option<PathBuf>,

    /// In which form
    #[arg(long, value_name = "FORM", default_value = "text")]
    output: Output,

    /// How many look-ups of a list to have under way at one time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// An object; with --file a list of them
    Json,
    /// One object a line, in the order asked, each as soon as it is known
    Ndjson,
}

/// Why a look-up was not made.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookUpError {
    #[error("write mailtls-exporter resolve example.com MX")]
    Nothing,
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error("{}:{line}: {source}", name(.file))]
    Listed {
        file: PathBuf,
        line: usize,
        source: LineError,
    },
    #[error("{}: no question is in it: write NAME TYPE on each line", name(.0))]
    EmptyList(PathBuf),
    #[error("cannot read {}: {source}", name(.file))]
    List { file: PathBuf, source: io::Error },
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("{0:?} is not a name and a type with a blank between")]
    Words(String),
    #[error(transparent)]
    Question(#[from] QuestionError),
}

type Questions = Pin<Box<dyn Stream<Item = Result<Question, LookUpError>>>>;

/// Looks up, prints and sums up.
pub(super) fn run(everywhere: &Everywhere, flags: Flags) -> Result<Outcome, Error> {
    let is_list = flags.file.is_some();
    let (output, jobs) = (flags.output, usize::from(flags.jobs));
    // A list that is wrong somewhere is not begun.
    let questions = questions(flags)?;
    let config = everywhere.config()?;
    block_on(async {
        let prober = Prober::new(&config, Arc::default())?;
        let mut answers = questions
            .map(|question| {
                let prober = prober.clone();
                let look = async move { Ok::<_, LookUpError>(prober.resolve(question?).await) };
                Box::pin(look)
            })
            .buffered(jobs);
        let mut printer = Printer {
            output,
            out: anstream::stdout(),
            printed: 0,
            is_list,
        };
        let mut outcomes = Vec::new();
        while let Some(answer) = answers.next().await {
            let resolution = answer?;
            outcomes.push(judge(&resolution));
            if written(printer.print(&resolution))? == Written::NobodyReads {
                break;
            }
        }
        written(printer.finish())?;
        Ok(sum_up(&outcomes))
    })
}

const fn judge(resolution: &Resolution) -> Outcome {
    if resolution.is_bogus() {
        Outcome::NotFine
    } else if resolution.is_known() {
        Outcome::Fine
    } else {
        Outcome::Unanswered
    }
}

fn questions(flags: Flags) -> Result<Questions, LookUpError> {
    let Some(file) = flags.file else {
        let (Some(name), Some(rtype)) = (&flags.name, &flags.rtype) else {
            return Err(LookUpError::Nothing);
        };
        let question = Question::parse(name, rtype)?;
        return Ok(Box::pin(stream::once(ready(Ok(question)))));
    };
    if file == Path::new("-") {
        return Ok(Box::pin(typed(file)));
    }
    let text = fs::read(&file).and_then(utf8_text);
    let text = text.map_err(|source| LookUpError::List {
        file: file.clone(),
        source,
    })?;
    let questions: Vec<Question> = text
        .strip_prefix('\u{FEFF}')
        .unwrap_or(&text)
        .lines()
        .enumerate()
        .filter_map(|(index, line)| read(&file, index, line).transpose())
        .collect::<Result<_, _>>()?;
    if questions.is_empty() {
        return Err(LookUpError::EmptyList(file));
    }
    Ok(Box::pin(stream::iter(questions.into_iter().map(Ok))))
}

/// The question on a line; none on a blank one.
fn read(file: &Path, index: usize, line: &str) -> Result<Option<Question>, LookUpError> {
    let line = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    let question = match words.as_slice() {
        [] => return Ok(None),
        [name, rtype] => Question::parse(name, rtype).map_err(LineError::from),
        _ => Err(LineError::Words(line.trim().to_owned())),
    };
    question.map(Some).map_err(|source| LookUpError::Listed {
        file: file.to_owned(),
        line: index + 1,
        source,
    })
}

/// The questions on standard input as they come, so that whoever writes them can wait for each answer.
fn typed(file: PathBuf) -> impl Stream<Item = Result<Question, LookUpError>> {
    let (sender, receiver) = mpsc::channel(64);
    // A thread of its own, which may wait for a line that never comes and must not keep the process.
    std::thread::spawn(move || {
        let mut is_empty = true;
        for (index, line) in io::stdin().lock().lines().enumerate() {
            let question = match line {
                Ok(line) => read(&file, index, &line).transpose(),
                Err(source) => Some(Err(LookUpError::List {
                    file: file.clone(),
                    source,
                })),
            };
            let Some(question) = question else { continue };
            is_empty = false;
            let is_last = question.is_err();
            if sender.blocking_send(question).is_err() || is_last {
                return;
            }
        }
        if is_empty {
            // When nobody waits for it any more it need not be said.
            let _ = sender.blocking_send(Err(LookUpError::EmptyList(file)));
        }
    });
    stream::unfold(receiver, |mut receiver| async {
        let question = receiver.recv().await?;
        Some((question, receiver))
    })
}

/// Writes answers to standard output as they come.
struct Printer {
    output: Output,
    /// Takes colours away unless a terminal wants them.
    out: anstream::Stdout,
    printed: usize,
    is_list: bool,
}

impl Printer {
    fn print(&mut self, resolution: &Resolution) -> io::Result<()> {
        let is_first = self.printed == 0;
        self.printed += 1;
        match self.output {
            Output::Text => {
                let gap = if is_first { "" } else { "\n" };
                write!(self.out, "{gap}{}", resolution::render(resolution))?;
            }
            Output::Json => {
                let before = match (self.is_list, is_first) {
                    (false, _) => "",
                    (true, true) => "[\n",
                    (true, false) => ",\n",
                };
                let object = serde_json::to_string_pretty(&resolution::value(resolution))?;
                write!(self.out, "{before}{object}")?;
            }
            Output::Ndjson => {
                let object = serde_json::to_string(&resolution::value(resolution))?;
                writeln!(self.out, "{object}")?;
            }
        }
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
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
