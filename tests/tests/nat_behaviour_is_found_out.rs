//! Where the server has a second address, clients find out by it how their NAT behaves (RFC 5780): coturn's own
//! client does so.

use anyhow::{Result, ensure};
use ferrite_tests::coturn::natdiscovery;
use ferrite_tests::{Server, artefacts};

const ADDRESSES: &str = "127.0.0.1,127.0.0.2";

#[tokio::test]
async fn coturns_client_finds_out_that_there_is_no_nat_and_no_filter() -> Result<()> {
    let flags = ["--nat-discovery", ADDRESSES, "--nat-discovery-port", "0"];
    let server = Server::start(&artefacts::fresh("coturn_discovers")?, &flags).await?;
    let port = server.media_port();
    let Some(mapping) = natdiscovery(port, &["-m"]).await? else {
        return Ok(());
    };
    // By the first address, and by the other one.
    for words in [
        "No ALG: Mapped == XOR-Mapped",
        "NAT with Endpoint Independent Mapping!",
        "Other addr: : 127.0.0.2:",
        &format!("Response origin: : 127.0.0.2:{port}"),
    ] {
        ensure!(mapping.contains(words), "{words}: {mapping}");
    }
    // An answer by the other port of the other address gets through.
    let filtering = natdiscovery(port, &["-f"]).await?.unwrap_or_default();
    for words in [
        "Response origin: : 127.0.0.2:",
        "NAT with Endpoint Independent Filtering!",
    ] {
        ensure!(filtering.contains(words), "{words}: {filtering}");
    }
    let from = filtering.split("Response origin: : 127.0.0.2:").nth(1);
    ensure!(
        from.is_some_and(|from| !from.starts_with(&port.to_string())),
        "{filtering}"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_second_address_coturns_client_is_told_of_none() -> Result<()> {
    let server = Server::start(&artefacts::fresh("coturn_discovers_nothing")?, &[]).await?;
    let Some(said) = natdiscovery(server.media_port(), &["-m", "-f"]).await? else {
        return Ok(());
    };
    ensure!(
        said.contains("UDP reflexive addr") && !said.contains("RFC 5780 response"),
        "{said}"
    );
    Ok(())
}
