//! What one look-up may cost in crypto: strangers choose how many keys and signatures we are sent (KeyTrap,
//! CVE-2023-50387) and how many hashes a denial takes (CVE-2023-50868).

/// How much is left.
#[derive(Debug, Clone)]
pub struct Budget {
    signatures: u32,
    hashes: u32,
}

/// The budget is used up: nothing was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

/// A denial in a zone that is being re-signed verifies about ten signatures; the rest is reserve.
const SIGNATURES: u32 = 48;

/// A name has at most 127 labels: closest encloser and wildcard of each.
const HASHES: u32 = 260;

impl Default for Budget {
    fn default() -> Self {
        Self {
            signatures: SIGNATURES,
            hashes: HASHES,
        }
    }
}

impl Budget {
    /// Takes one signature check.
    pub(super) fn signature(&mut self) -> Result<(), Exhausted> {
        self.signatures = self.signatures.checked_sub(1).ok_or(Exhausted)?;
        Ok(())
    }

    /// Takes one digest or NSEC3 hash.
    pub(super) fn hash(&mut self) -> Result<(), Exhausted> {
        self.hashes = self.hashes.checked_sub(1).ok_or(Exhausted)?;
        Ok(())
    }
}
