//! A client that changes its address keeps its relay: coturn's own client does so (RFC 8016).

use anyhow::{Result, ensure};
use ferrite_tests::coturn::{mirror, uclient};
use ferrite_tests::{Server, artefacts};

/// Each of these clients goes on with another socket before it sends anything; with some of them the kernel gives what
/// comes from there to another media thread than before.
#[tokio::test]
async fn coturns_client_goes_on_with_its_relay_from_another_port() -> Result<()> {
    let flags = ["--turn-shared-secret", "north", "--turn-allow", "127.0.0.1"];
    let server = Server::start(&artefacts::fresh("coturn_moves")?, &flags).await?;
    let peer = mirror("127.0.0.1").await?.to_string();
    for how in [&["-M"][..], &["-M", "-s"]] {
        let common = [
            "-v",
            "-u",
            "me",
            "-W",
            "north",
            "-e",
            "127.0.0.1",
            "-r",
            &peer,
        ];
        let amount = ["-c", "-n", "5", "-m", "8", "-l", "200"];
        let Some(said) = uclient(server.media_port(), &[how, &common, &amount].concat()).await?
        else {
            return Ok(());
        };
        ensure!(
            said.contains("tot_send_msgs=40, tot_recv_msgs=40"),
            "{how:?}: {said}"
        );
        // Each was given one ticket when it came, and another one when it had moved; and before that, each tried all
        // of it with another relay.
        let tickets = said.matches("smid=").count();
        ensure!(tickets == 32, "{how:?}: {tickets} tickets: {said}");
    }
    Ok(())
}
