//! Generates the Rust code of the protocol. No protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=poco");
    let files = protox::compile(["poco/v1/pool.proto"], ["."])?;
    tonic_prost_build::configure()
        .build_transport(true)
        .codec_path("crate::codec::Codec")
        .compile_fds(files)?;
    Ok(())
}
