//! The kinds of metric families, and the samples that they are filled with.
//!
//! A family is a constant of a type that knows how many labels it has: a sample with too few or too many of them does
//! not compile. A *state set* is our convention for one-of-many facts: a family of gauges that exports every state of
//! a closed set, the current one 1 and the others 0, so that PromQL sees a change of state as a change of values.
//!
//! - `exposition` turns samples into what Prometheus reads, and is the only place that does.
//! - `exporter` fills the families of `/metrics`.

use std::collections::HashSet;
use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::closed_set::ClosedSet;
use crate::telemetry::HistogramReading;

pub mod exporter;
pub mod exposition;
pub mod families;
pub mod probe;

/// What is known of a family without any sample: for the exposition and for the reference pages.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// The full name, as it stands in queries.
    pub name: &'static str,
    /// What it means, and when it is absent; one line.
    pub help: &'static str,
    /// Gauge, counter or histogram.
    pub kind: Kind,
    /// The labels, but for that of a state set.
    pub labels: &'static [&'static str],
    /// The label of a state set.
    pub state: Option<StateLabel>,
}

/// What a reader may expect of a family's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Grows, and starts anew with the process. Its name ends in `_total`.
    Counter,
    /// Counts by size.
    Histogram,
}

/// The label of a state set.
#[derive(Debug, Clone, Copy)]
pub struct StateLabel {
    /// Its name.
    pub label: &'static str,
    /// Every value that it takes.
    pub values: fn() -> Vec<&'static str>,
}

/// Declares a kind of family that is nothing but name, help and labels.
macro_rules! family_kind {
    ($(#[$meta:meta])* $name:ident, $kind:expr) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $name<const N: usize> {
            name: &'static str,
            help: &'static str,
            labels: [&'static str; N],
        }

        impl<const N: usize> $name<N> {
            /// As a constant: one whose name or help text no exposition can hold does not compile.
            pub const fn new(
                name: &'static str,
                help: &'static str,
                labels: [&'static str; N],
            ) -> Self {
                check(name, help, $kind);
                Self { name, help, labels }
            }

            /// What is known of it.
            pub const fn family(&'static self) -> Family {
                Family {
                    name: self.name,
                    help: self.help,
                    kind: $kind,
                    labels: &self.labels,
                    state: None,
                }
            }
        }
    };
}

family_kind! {
    /// A family of gauges with `N` labels.
    Gauge, Kind::Gauge
}
family_kind! {
    /// A family of counters with `N` labels.
    Counter, Kind::Counter
}
family_kind! {
    /// A family of histograms with `N` labels.
    Histogram, Kind::Histogram
}

/// A state set over the values of `L`, with `N` labels beside that of the state.
#[derive(Debug)]
pub struct StateSet<L, const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
    state: &'static str,
    values: PhantomData<L>,
}

impl<L: ClosedSet, const N: usize> StateSet<L, N> {
    /// As a constant; `state` names the label of the state.
    pub const fn new(
        name: &'static str,
        help: &'static str,
        labels: [&'static str; N],
        state: &'static str,
    ) -> Self {
        check(name, help, Kind::Gauge);
        Self {
            name,
            help,
            labels,
            state,
            values: PhantomData,
        }
    }

    /// What is known of it.
    pub const fn family(&'static self) -> Family {
        Family {
            name: self.name,
            help: self.help,
            kind: Kind::Gauge,
            labels: &self.labels,
            state: Some(StateLabel {
                label: self.state,
                values: texts::<L>,
            }),
        }
    }
}

fn texts<L: ClosedSet>() -> Vec<&'static str> {
    L::VALUES.iter().map(|value| value.text()).collect()
}

/// One byte that the format does not know fails the whole scrape, so that such a constant must not even compile.
const fn check(name: &str, help: &str, kind: Kind) {
    let name = name.as_bytes();
    assert!(!name.is_empty(), "a family has a name");
    let mut at = 0;
    while at < name.len() {
        assert!(
            name[at].is_ascii_lowercase()
                || name[at] == b'_'
                || (at > 0 && name[at].is_ascii_digit()),
            "names are of a-z, 0-9 and _"
        );
        at += 1;
    }
    assert!(
        matches!(kind, Kind::Counter) == matches!(name, [.., b'_', b't', b'o', b't', b'a', b'l']),
        "the names of counters, and of nothing else, end in _total"
    );
    let help = help.as_bytes();
    assert!(!help.is_empty(), "a family has a help text");
    let mut at = 0;
    while at < help.len() {
        assert!(
            help[at] != b'\\' && help[at] >= b' ',
            "help texts hold neither backslash nor line break"
        );
        at += 1;
    }
}

/// The samples of one exposition, by family in the order in which the families were first filled.
///
/// No two of them have the same name and labels, whatever the network says: the first one stays. (Prometheus drops one
/// of two without a word.)
#[derive(Debug, Default)]
pub struct Samples {
    families: Vec<FamilySamples>,
}

#[derive(Debug)]
struct FamilySamples {
    family: Family,
    samples: Vec<Sample>,
    seen: HashSet<Vec<String>>,
}

#[derive(Debug)]
struct Sample {
    /// In the order of the family's labels; the state last.
    labels: Vec<(&'static str, String)>,
    value: Value,
}

#[derive(Debug)]
enum Value {
    Number(f64),
    Histogram(HistogramReading),
}

impl Samples {
    /// The current value of a gauge; a value that is not known is left out.
    pub fn set<const N: usize>(
        &mut self,
        gauge: &'static Gauge<N>,
        labels: [&dyn Display; N],
        value: impl Number,
    ) {
        self.number(gauge.family(), &labels, value);
    }

    /// The current value of a counter.
    pub fn count<const N: usize>(
        &mut self,
        counter: &'static Counter<N>,
        labels: [&dyn Display; N],
        value: impl Number,
    ) {
        self.number(counter.family(), &labels, value);
    }

    /// What a histogram counted.
    pub fn histogram<const N: usize>(
        &mut self,
        histogram: &'static Histogram<N>,
        labels: [&dyn Display; N],
        reading: HistogramReading,
    ) {
        let family = histogram.family();
        self.add(family, named(&family, &labels), Value::Histogram(reading));
    }

    /// Every state of the set, the current one 1 and the others 0; nothing at all when there is no state to speak of.
    pub fn state<L: ClosedSet, const N: usize>(
        &mut self,
        set: &'static StateSet<L, N>,
        labels: [&dyn Display; N],
        current: impl Into<Option<L>>,
    ) {
        let Some(current) = current.into() else {
            return;
        };
        let family = set.family();
        for &value in L::VALUES {
            let mut labels = named(&family, &labels);
            labels.push((set.state, value.text().to_owned()));
            let here = f64::from(u8::from(value == current));
            self.add(family, labels, Value::Number(here));
        }
    }

    /// Leaves out every family but these.
    pub fn keep(&mut self, names: &[&str]) {
        self.families
            .retain(|samples| names.contains(&samples.family.name));
    }

    fn number(&mut self, family: Family, labels: &[&dyn Display], value: impl Number) {
        // Neither NaN nor infinity is a fact about anything here.
        if let Some(value) = value.number().filter(|value| value.is_finite()) {
            self.add(family, named(&family, labels), Value::Number(value));
        }
    }

    fn add(&mut self, family: Family, labels: Vec<(&'static str, String)>, value: Value) {
        let known = self
            .families
            .iter()
            .position(|known| known.family.name == family.name);
        let at = known.unwrap_or_else(|| {
            self.families.push(FamilySamples {
                family,
                samples: Vec::new(),
                seen: HashSet::new(),
            });
            self.families.len() - 1
        });
        let into = &mut self.families[at];
        let key = labels.iter().map(|(_, text)| text.clone()).collect();
        if into.seen.insert(key) {
            into.samples.push(Sample { labels, value });
        }
    }
}

fn named(family: &Family, values: &[&dyn Display]) -> Vec<(&'static str, String)> {
    family
        .labels
        .iter()
        .zip(values)
        .map(|(&name, value)| (name, exposition::without_control(&value.to_string())))
        .collect()
}

/// What a gauge can be set to. `None` is "not known": it is left out, never 0.
pub trait Number {
    /// The value of the sample.
    fn number(self) -> Option<f64>;
}

impl Number for f64 {
    fn number(self) -> Option<f64> {
        Some(self)
    }
}

impl Number for bool {
    fn number(self) -> Option<f64> {
        Some(f64::from(u8::from(self)))
    }
}

impl Number for u16 {
    fn number(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

impl Number for u32 {
    fn number(self) -> Option<f64> {
        Some(f64::from(self))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay below 2^53"
)]
impl Number for u64 {
    fn number(self) -> Option<f64> {
        Some(self as f64)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay below 2^53"
)]
impl Number for usize {
    fn number(self) -> Option<f64> {
        Some(self as f64)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay below 2^53"
)]
impl Number for UnixTime {
    fn number(self) -> Option<f64> {
        Some(self.0 as f64)
    }
}

impl Number for Duration {
    fn number(self) -> Option<f64> {
        Some(self.as_secs_f64())
    }
}

impl<T: Number> Number for Option<T> {
    fn number(self) -> Option<f64> {
        self.and_then(Number::number)
    }
}
