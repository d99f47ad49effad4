//! The build time of a declared machine: `cargo bench -p fsm-core --bench build`; takes some minutes.
//!
//! The benchmark writes crates into the target folder and builds them with the running `cargo`. It compares a crate that only
//! declares a machine with one that only derives `Serialize`, and machines of 20, 100 and 300 states with the same machines
//! written by hand. It measures the processor time of `cargo` and its children, which other load on the machine hardly affects.

#[path = "../common/mod.rs"]
mod common;
mod source;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const DECLARED: &str = "fsm-core = { path = \"FSM_CORE\" }";
const SERIALIZED: &str = "serde = { version = \"1\", features = [\"derive\"] }";

fn main() -> Result<(), Box<dyn Error>> {
    let place = Place::new()?;
    let machine = place.package("only_declares", DECLARED, &source::declared(4))?;
    let serde = place.package("only_serializes", SERIALIZED, source::SERIALIZED)?;
    println!(
        "dependencies: {} of a crate that only declares a machine (budget 6)",
        place.dependencies(&machine)?.len()
    );
    println!("              {}", place.dependencies(&machine)?.join(", "));
    println!("              {} of one that only derives Serialize", place.dependencies(&serde)?.len());

    println!("\n{:<22} {:>9} {:>9} {:>7} {:>7}", "CPU seconds", "declared", "other", "ratio", "budget");
    let (ours, theirs) = common::paired(3, || place.clean_build(&machine), || place.clean_build(&serde));
    println!("{:<22} {ours:>9.2} {theirs:>9.2} {:>7.2} {:>7.2}", "clean, against serde", ours / theirs, 1.3);
    let mut growth = Vec::new();
    for (states, rounds) in [(20, 5), (100, 5), (300, 3)] {
        let declared = place.package(&format!("declared_{states}"), DECLARED, &source::declared(states))?;
        let by_hand = place.package(&format!("by_hand_{states}"), "", &source::by_hand(states))?;
        let (ours, theirs) = common::paired(rounds, || place.rebuild(&declared), || place.rebuild(&by_hand));
        let what = format!("{states} states, by hand");
        println!("{what:<22} {ours:>9.2} {theirs:>9.2} {:>7.2} {:>7.2}", ours / theirs, 2.0);
        growth.push((states, ours));
    }
    for pair in growth.windows(2) {
        let transitions = f64::from(2 * (pair[1].0 - pair[0].0));
        let each = (pair[1].1 - pair[0].1) / transitions * 1e3;
        println!("from {} to {} states: {each:.2} ms per additional transition", pair[0].0, pair[1].0);
    }
    Ok(())
}

/// The folder in which the crates are written and built.
struct Place {
    root: PathBuf,
}

impl Place {
    fn new() -> Result<Self, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-cost");
        fs::create_dir_all(&root)?;
        Ok(Self { root })
    }

    fn package(&self, name: &str, dependency: &str, source: &str) -> Result<PathBuf, Box<dyn Error>> {
        let folder = self.root.join(name);
        fs::create_dir_all(folder.join("src"))?;
        let dependency = dependency.replace("FSM_CORE", env!("CARGO_MANIFEST_DIR"));
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependency}\n\n[workspace]\n"
        );
        fs::write(folder.join("Cargo.toml"), manifest)?;
        fs::write(folder.join("src/lib.rs"), source)?;
        // The repository's own lock file names versions that are already downloaded.
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock"), folder.join("Cargo.lock"))?;
        Ok(folder)
    }

    /// The names of the packages it depends on.
    fn dependencies(&self, package: &Path) -> Result<Vec<String>, Box<dyn Error>> {
        let tree = self
            .cargo(package)
            .args(["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
            .output()?;
        let tree = String::from_utf8(tree.stdout)?;
        let mut names: Vec<_> =
            tree.lines().skip(1).filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The processor seconds of building the package and its dependencies.
    fn clean_build(&self, package: &Path) -> f64 {
        let built = self.target(package);
        assert!(!built.exists() || fs::remove_dir_all(&built).is_ok(), "{} cannot be removed", built.display());
        self.build(package)
    }

    /// The processor seconds of building the package alone.
    fn rebuild(&self, package: &Path) -> f64 {
        if !self.target(package).exists() {
            self.build(package);
        }
        let source = package.join("src/lib.rs");
        let text = fs::read_to_string(&source).expect("the file exists");
        fs::write(source, text).expect("the file is writable");
        self.build(package)
    }

    fn build(&self, package: &Path) -> f64 {
        let before = children_seconds();
        let status = self.cargo(package).args(["build", "--quiet"]).status().expect("cargo starts");
        assert!(status.success(), "{} does not build", package.display());
        children_seconds() - before
    }

    fn cargo(&self, package: &Path) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(package).env("CARGO_TARGET_DIR", self.target(package)).env_remove("RUSTFLAGS");
        // Otherwise a rebuild reuses earlier results.
        cargo.env("CARGO_INCREMENTAL", "0");
        cargo
    }

    fn target(&self, package: &Path) -> PathBuf {
        self.root.join("target").join(package.file_name().unwrap_or_default())
    }
}

/// The user and system time of all ended children. Linux reports it in hundredths of a second.
fn children_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this benchmark needs Linux's /proc");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<f64>().expect("a number")).sum::<f64>() / 100.0
}
