//! What is about to be published: read, judged and made without any look at the network. Joins `protocol`, `assess` and
//! `report` for `lint` and `tlsa`, as `probe` does for what is published.

use std::collections::BTreeSet;

use crate::assess::publication;
use crate::config::Thresholds;
use crate::domain_name::DomainName;
use crate::protocol::tlsa::PublishError;
use crate::protocol::tlsa::Source;
use crate::protocol::tlsa::SourceError;
use crate::protocol::zone_text;
use crate::protocol::zone_text::Pasted;
use crate::protocol::zone_text::ZoneTextError;

pub use crate::assess::publication::Publication;
pub use crate::protocol::tlsa::Made;
pub use crate::protocol::tlsa::MatchingType;
pub use crate::protocol::tlsa::Selector;
pub use crate::protocol::tlsa::Usage;
pub use crate::protocol::tlsa::Wanted;

/// Why a text cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// No name server would load it.
    #[error(transparent)]
    ZoneText(#[from] ZoneTextError),
    /// Comments, records of other types, nothing.
    #[error("there is no record in it")]
    Nothing,
    /// A zone file with several hosts or domains.
    #[error("there are records of several names in it ({0}): judge one name at a time")]
    SeveralNames(String),
}

/// Judges the body of a policy, of `domain` if that is known.
pub fn mta_sts_policy(
    body: &[u8],
    domain: Option<&DomainName>,
    thresholds: &Thresholds,
) -> Publication {
    publication::policy(body, domain.map(DomainName::as_str), thresholds)
}

/// Judges an MTA-STS record in any form that people paste.
pub fn mta_sts_record(text: &str) -> Result<Publication, DraftError> {
    let pasted = zone_text::txt_records(text)?;
    of_one_name(&pasted, "_mta-sts")?;
    Ok(publication::mta_sts_record(&pasted))
}

/// Judges a TLS-RPT record in any form that people paste.
pub fn tlsrpt_record(text: &str) -> Result<Publication, DraftError> {
    let pasted = zone_text::txt_records(text)?;
    of_one_name(&pasted, "_smtp")?;
    Ok(publication::tlsrpt_record(&pasted))
}

/// Judges a set of TLSA records in any form that people paste.
pub fn tlsa(text: &str) -> Result<Publication, DraftError> {
    let pasted = zone_text::tlsa_records(text)?;
    of_one_name(&pasted, "")?;
    Ok(publication::tlsa(&pasted))
}

/// Why a file does not say which record to publish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// There is nothing to make one of.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is nothing to choose by.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// The TLSA record to publish for a file with a certificate, a chain or a key; `host` is the MX host, if that is known.
pub fn make_tlsa(
    file: &[u8],
    wanted: Wanted,
    host: Option<&DomainName>,
) -> Result<Made, MakeError> {
    let source = Source::read(file)?;
    let host = host.map(DomainName::as_str);
    Ok(crate::protocol::tlsa::publish(&source, wanted, host)?)
}

/// Records of several names are several sets. Names that begin otherwise than with `label` are not looked at.
fn of_one_name<T>(pasted: &[Pasted<T>], label: &str) -> Result<(), DraftError> {
    if pasted.is_empty() {
        return Err(DraftError::Nothing);
    }
    let owners: BTreeSet<&str> = pasted
        .iter()
        .filter_map(|one| one.owner.as_deref())
        .filter(|owner| owner.starts_with(label))
        .collect();
    if owners.len() > 1 {
        let names: Vec<&str> = owners.into_iter().take(5).collect();
        return Err(DraftError::SeveralNames(names.join(", ")));
    }
    Ok(())
}
