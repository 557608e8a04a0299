//! `closed_set!`: an enum whose variants are the values of one label, each spelled once.
//!
//! Label values of metrics and words of JSON come from such an enum and from nowhere else: adding a variant is the
//! only way to add a value, and every `match` that must know about it stops compiling.

/// Declares the enum, its spelling (`as_str`, `Display`, serde) and the list of all its values (`ALL`).
macro_rules! closed_set {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        $vis enum $name {
            $($(#[$vmeta])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            $vis const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label value.
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::closed_set::ClosedSet for $name {
            const VALUES: &'static [Self] = Self::ALL;

            fn text(self) -> &'static str {
                self.as_str()
            }
        }
    };
}
pub(crate) use closed_set;

/// What metric families need to know of such an enum.
pub trait ClosedSet: Copy + PartialEq + 'static {
    /// Every value.
    const VALUES: &'static [Self];

    /// The label value.
    fn text(self) -> &'static str;
}
