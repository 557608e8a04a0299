//! The exporter against real servers: wip.

mod certificates;
mod domains;
mod namespace;
mod servers;
mod world;
mod zones;

#[test]
fn wip() {
    let world = world::World::get();
    let ran = world.namespace().run("bash", ["-c", &std::env::var("WIP").unwrap()]);
    eprintln!("{}\n{ran}", world.folder().display());
    if std::env::var("WAIT").is_ok() {
        std::thread::sleep(std::time::Duration::from_secs(3000));
    }
}
