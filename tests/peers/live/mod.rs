//! The whole chain at work: the domains of the demo, the exporter, Prometheus with our rules and Alertmanager with our
//! configuration, and somebody who is told. `stack` starts it, `faster` makes hours of rules pass in seconds, `receiver`
//! is who is told, `alerts` breaks and mends domains, `panels` asks what dashboards ask.

mod alerts;
mod faster;
mod panels;
mod receiver;
mod stack;
