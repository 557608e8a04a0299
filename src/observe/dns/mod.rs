//! DNS look-ups that say how far DNSSEC vouches for them: upstream transport, the walk from the anchor down, and the
//! cached resolver on top.

mod resolver;

pub use resolver::ProbeQueries;
pub use resolver::Resolver;
pub use resolver::ResolverError;
