//! What is done to a signed zone file before it is served.

use super::zone::Edit;

/// A line of a zone file as its words.
pub(super) type Line = Vec<String>;

// owner TTL class type data…; of a signature, the data begins with the type it covers and ends with the signature.
const OWNER: usize = 0;
const TTL: usize = 1;
const TYPE: usize = 3;
const COVERED: usize = 4;
const ALGORITHM: usize = 5;
const SIGNATURE: usize = 12;

impl Edit {
    /// The lines after the edit; `expired` signs the zone for a time past.
    pub(super) fn apply(
        self,
        lines: Vec<Line>,
        expired: &mut dyn FnMut() -> Vec<Line>,
    ) -> Vec<Line> {
        match self {
            Self::Unsign { owner, rtype } => keep(lines, |line| !signs(line, owner, rtype)),
            Self::UnsignBy {
                owner,
                rtype,
                algorithm,
            } => keep(lines, |line| {
                !(signs(line, owner, rtype) && line[ALGORITHM] == algorithm)
            }),
            Self::Corrupt { owner, rtype } => each(lines, |line| {
                if signs(line, owner, rtype) {
                    corrupt(line);
                }
            }),
            Self::CorruptBy {
                owner,
                rtype,
                algorithm,
            } => each(lines, |line| {
                if signs(line, owner, rtype) && line[ALGORITHM] == algorithm {
                    corrupt(line);
                }
            }),
            Self::CorruptCopy { owner, rtype } => {
                let copies: Vec<Line> = lines
                    .iter()
                    .filter(|line| signs(line, owner, rtype))
                    .cloned()
                    .collect();
                lines.into_iter().chain(each(copies, corrupt)).collect()
            }
            Self::Without(types) => keep(lines, |line| {
                let is = |place: usize| {
                    line.get(place)
                        .is_some_and(|word| types.contains(&word.as_str()))
                };
                !(is(TYPE) || line.get(TYPE).is_some_and(|word| word == "RRSIG") && is(COVERED))
            }),
            Self::Field {
                owner,
                rtype,
                field,
                value,
            } => each(lines, |line| {
                if signs(line, owner, rtype) {
                    value.clone_into(&mut line[field as usize]);
                }
            }),
            Self::Ttl { owner, rtype, ttl } => each(lines, |line| {
                if signs(line, owner, rtype) || line[OWNER] == owner && line[TYPE] == rtype {
                    line[TTL] = ttl.to_string();
                }
            }),
            Self::ExpiredOnly(rtype) => {
                let old = keep(expired(), |line| covers(line, rtype));
                keep(lines, |line| !covers(line, rtype))
                    .into_iter()
                    .chain(old)
                    .collect()
            }
            Self::ExpiredToo => {
                let old = keep(expired(), |line| {
                    line.get(TYPE).is_some_and(|word| word == "RRSIG")
                });
                lines.into_iter().chain(old).collect()
            }
        }
    }
}

fn keep(mut lines: Vec<Line>, is_kept: impl Fn(&Line) -> bool) -> Vec<Line> {
    lines.retain(is_kept);
    lines
}

fn each(mut lines: Vec<Line>, change: impl Fn(&mut Line)) -> Vec<Line> {
    lines
        .iter_mut()
        .filter(|line| line.len() > TYPE)
        .for_each(change);
    lines
}

fn covers(line: &Line, rtype: &str) -> bool {
    line.len() > SIGNATURE && line[TYPE] == "RRSIG" && line[COVERED] == rtype
}

fn signs(line: &Line, owner: &str, rtype: &str) -> bool {
    covers(line, rtype) && line[OWNER] == owner
}

fn corrupt(line: &mut Line) {
    let signature = &mut line[SIGNATURE];
    let other = if signature.as_bytes()[10] == b'A' {
        "B"
    } else {
        "A"
    };
    signature.replace_range(10..11, other);
}
