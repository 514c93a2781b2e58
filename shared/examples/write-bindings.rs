//! Writes the JSON Schema and the TypeScript types of the protocol into `shared/bindings`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("bindings");
    std::fs::create_dir_all(&directory)?;
    for (name, text) in ferrite_protocol::bindings::files() {
        let path = directory.join(name);
        std::fs::write(&path, text)?;
        println!("{}", path.display());
    }
    Ok(())
}
