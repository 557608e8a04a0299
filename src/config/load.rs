//! From files and flags to a configuration, or to all that is wrong with them.

use std::path::Path as FsPath;

use crate::config::Config;
use crate::config::Error;
use crate::config::Origin;
use crate::config::Overrides;
use crate::config::document::Document;
use crate::config::mistakes::Mistakes;
use crate::config::reading;
use crate::config::resolve::resolve;
use crate::config::sources::Sources;

/// Reads everything, and says either all that is in force or all that is wrong.
pub(super) fn load(path: Option<&FsPath>, overrides: &Overrides) -> Result<Config, Error> {
    let mut sources = Sources::beside(path);
    let text = match path {
        Some(path) => sources.read_text(path).map_err(|source| Error::Read {
            file: path.to_owned(),
            source,
        })?,
        None => String::new(),
    };
    let file = path.unwrap_or(FsPath::new("(defaults)"));
    let document = Document::parse(&text).map_err(|refusal| refusal.of(file))?;
    let mut mistakes = Mistakes::of(file, &document);
    let written = reading::read(&document, &mut mistakes);
    let config = resolve(written, overrides, &mut sources, &mut mistakes);
    match mistakes.into_error() {
        Some(error) => Err(error),
        None => Ok(Config {
            origin: Origin {
                path: path.map(FsPath::to_owned),
                overrides: overrides.clone(),
                sources,
            },
            ..config
        }),
    }
}
