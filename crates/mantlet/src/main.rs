//! The `mantlet` binary: see the library for everything.

fn main() -> std::process::ExitCode {
    mantlet::cli::run()
}
