//! `mailtls-exporter man`, `completions SHELL` and `docs findings|metrics`: what is made from the program itself.

use std::io;
use std::io::Write as _;

use clap::Command;
use clap::ValueEnum;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::EVERYWHERE;
use crate::cli::Error;
use crate::cli::Outcome;
use crate::cli::check::written;
use crate::report::catalogue_docs;

/// For which shell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "To try them in this shell: source <(mailtls-exporter completions bash). To keep them: put the output where \
        the shell looks for completions, for bash /etc/bash_completion.d/mailtls-exporter, for zsh a directory of \
        $fpath as _mailtls-exporter, for fish ~/.config/fish/completions/mailtls-exporter.fish."
)]
pub(super) struct CompletionFlags {
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Which page.
#[derive(Debug, clap::Args)]
pub(super) struct DocsFlags {
    #[arg(value_name = "PAGE")]
    page: Page,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Page {
    /// Every finding, what it means and what to do
    Findings,
    /// Every metric
    Metrics,
}

/// Prints completions for a shell.
pub(super) fn completions(mut command: Command, flags: &CompletionFlags) -> Result<Outcome, Error> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut command, name, &mut script);
    print(&script)
}

/// Prints a reference page, in Markdown.
pub(super) fn docs(flags: &DocsFlags) -> Result<Outcome, Error> {
    let page = match flags.page {
        Page::Findings => catalogue_docs::findings(),
        Page::Metrics => catalogue_docs::metrics(),
    };
    print(page.as_bytes())
}

/// Prints the manual page: one for all commands.
pub(super) fn man(mut command: Command) -> Result<Outcome, Error> {
    command.build();
    print(page(&command).map_err(Error::Output)?.as_bytes())
}

fn print(text: &[u8]) -> Result<Outcome, Error> {
    written(io::stdout().write_all(text))?;
    Ok(Outcome::Fine)
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone())
        .manual("Mail transport security")
        .source(format!("mailtls-exporter {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(".SH COMMANDS\n");
    for sub in commands_of(command) {
        describe(sub, Depth::Command, &mut page)?;
    }
    page.push_str(
        ".SH ENVIRONMENT\nEach flag of serve and of every command can be set by a variable: \\-\\-config.file by MAILTLS_CONFIG_FILE.\nNO_COLOR: no colours, on a terminal too.\n\
         .SH \"EXIT STATUS\"\n0: all is well. 1: it is not. 2: that could not be found out: wrong arguments, an unreadable file, no answer.\n\
         .SH \"SEE ALSO\"\n.BR prometheus (1),\n.BR posttls-finger (1),\n.BR delv (1)\n",
    );
    Ok(page)
}

fn commands_of(command: &Command) -> impl Iterator<Item = &Command> {
    let all = command.get_subcommands();
    all.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

/// `lint`, and `lint tlsa` below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Command,
    Below,
}

/// One command below its own heading, and those below it.
fn describe(command: &Command, depth: Depth, page: &mut String) -> io::Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    page.push_str(".SS \"");
    page.push_str(name);
    page.push_str("\"\n");
    // The flags of every command, and those that a command shares with all below it, stand above, once.
    let own = command.clone().mut_args(|argument| {
        let is_everywhere = argument.get_help_heading() == Some(EVERYWHERE)
            || argument.get_id() == "help"
            || (depth == Depth::Below && argument.is_global_set());
        argument.hide(is_everywhere)
    });
    let man = Man::new(own);
    let mut sections = vec![Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    if let [synopsis, description, options, extra] = sections.as_mut_slice() {
        man.render_synopsis_section(synopsis)?;
        man.render_description_section(description)?;
        man.render_options_section(options)?;
        if command.get_after_help().is_some() {
            man.render_extra_section(extra)?;
        }
    }
    for section in sections {
        let text = String::from_utf8_lossy(&section);
        // A heading for each of these would drown the names of the commands.
        let body = text.split_once(".SH ").map_or("", |(_, section)| section);
        page.push_str(body.split_once('\n').map_or("", |(_, body)| body));
        page.push_str(".PP\n");
    }
    for sub in commands_of(command) {
        describe(sub, Depth::Below, page)?;
    }
    Ok(())
}
