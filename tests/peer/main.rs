//! The other processes of a test: `peer share FILE NUMBER`, `peer swell FILE NAME`, `peer call FILE LOG`.

use std::path::Path;
use tests::peers;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let executor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("tokio");
    match arguments[..] {
        ["share", file, number] => {
            executor.block_on(peers::share::share(Path::new(file), number.parse().expect("a number")));
        }
        ["swell", file, name] => executor.block_on(peers::swell::swell(Path::new(file), name)),
        ["call", file, log] => executor.block_on(peers::call::call(Path::new(file), Path::new(log))),
        _ => panic!("unknown arguments: {arguments:?}"),
    }
}
