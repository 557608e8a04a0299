//! Another certificate at an MX host: what each session would have shown.

use std::sync::Arc;

use crate::evidence::mail_routing::HostEvidence;
use crate::evidence::smtp::KeyOffer;
use crate::evidence::smtp::PhaseSeconds;
use crate::evidence::smtp::SessionEnd;
use crate::evidence::smtp::SmtpEvidence;
use crate::evidence::smtp::SmtpSession;
use crate::evidence::tls::Chain;
use crate::evidence::tls::KeyProof;
use crate::protocol::x509::Certificate;
use crate::protocol::x509::KeyAlgorithm;

/// Every address that got through a handshake presents these, in all its sessions; what failed before fails still.
pub(super) fn assume_chains(chains: &[Chain], host: &mut HostEvidence) {
    for address in &mut host.addresses {
        if let SmtpEvidence::Observed(observation) = &mut address.smtp {
            let observation = Arc::make_mut(observation);
            for sessions in [&mut observation.sessions, &mut observation.dane_sessions] {
                offer(chains, sessions);
            }
        }
    }
}

/// The session that leaves the choice to the server shows the first chain; the one that asks for the other kind of key shows
/// the chain with such a key, or that there is none.
fn offer(chains: &[Chain], sessions: &mut Vec<SmtpSession>) {
    let choice = sessions.first().cloned();
    let Some(choice) = choice.filter(|session| session.end == SessionEnd::Completed) else {
        return;
    };
    let Some(preferred) = chains.first() else {
        return;
    };
    let other = match key_algorithm(preferred) {
        KeyAlgorithm::Rsa => KeyOffer::Ecdsa,
        KeyAlgorithm::Ecdsa | KeyAlgorithm::Ed25519 | KeyAlgorithm::MlDsa | KeyAlgorithm::Other => {
            KeyOffer::Rsa
        }
    };
    let of_other = chains.iter().find(|chain| {
        let algorithm = key_algorithm(chain);
        match other {
            KeyOffer::Rsa => algorithm == KeyAlgorithm::Rsa,
            KeyOffer::Ecdsa => algorithm == KeyAlgorithm::Ecdsa,
            KeyOffer::ServerChoice => false,
        }
    });
    let looked_at_both = sessions.len() > 1;
    sessions.clear();
    sessions.push(presenting(&choice, preferred));
    match of_other {
        Some(chain) => sessions.push(SmtpSession {
            offer: other,
            ..presenting(&choice, chain)
        }),
        None if looked_at_both => sessions.push(SmtpSession {
            offer: other,
            end: SessionEnd::NoSuchKey,
            ehlo_in_tls: None,
            tls: None,
            phases: PhaseSeconds {
                tls: None,
                ..choice.phases
            },
            ..choice
        }),
        None => {}
    }
}

fn presenting(session: &SmtpSession, chain: &Chain) -> SmtpSession {
    let mut session = session.clone();
    if let Some(handshake) = &mut session.tls {
        handshake.chain = chain.clone();
        // Whoever installs a certificate holds its key.
        handshake.proof = KeyProof::Verified;
    }
    session
}

fn key_algorithm(chain: &Chain) -> KeyAlgorithm {
    let leaf = chain.leaf().and_then(|der| Certificate::parse(der).ok());
    leaf.map_or(KeyAlgorithm::Other, |leaf| leaf.key_algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::recording;

    #[test]
    fn a_server_presents_what_is_assumed_where_it_spoke_tls() {
        let text = include_str!("../../../tests/fixtures/evidence/good.example.json");
        let evidence = recording::read(text.as_bytes()).unwrap().evidence.remove(0);
        let observed = |evidence: &crate::evidence::Evidence| match &evidence.routing.hosts[0]
            .addresses[0]
            .smtp
        {
            SmtpEvidence::Observed(observation) => observation.sessions.clone(),
            SmtpEvidence::NotAttempted(_) | SmtpEvidence::Unfinished => Vec::new(),
        };
        let before = observed(&evidence);
        let chain = before[0].tls.as_ref().unwrap().chain.clone();
        let mut host = evidence.routing.hosts[0].clone();
        assume_chains(&[chain], &mut host);
        assert!(host == evidence.routing.hosts[0], "what it presents now");

        let SmtpEvidence::Observed(observation) = &mut host.addresses[0].smtp else {
            panic!("it was spoken to");
        };
        Arc::make_mut(observation).sessions[0].end = SessionEnd::NoStartTls;
        let before = host.clone();
        assume_chains(&[Chain(vec![vec![1]])], &mut host);
        assert_eq!(host, before, "a certificate is no STARTTLS");
    }
}
