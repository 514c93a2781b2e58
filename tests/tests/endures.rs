//! The endurance runs in their short forms: whatever clients do, the server comes back to where it
//! began, and to those who are well it makes no difference.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use ferrite_tests::machine;
use tokio::process::Command;
use tokio::sync::Mutex;

/// One after the other: they measure.
static TURN: Mutex<()> = Mutex::const_new(());

async fn endurance(arguments: &str) -> Result<()> {
    let _turn = TURN.lock().await;
    let _machine = machine::alone().await?;
    let run = arguments.split(' ').next().unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_endurance"));
    command
        .args(arguments.split(' '))
        .args(["--log", &format!("endures-{run}")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    println!("{said}{complained}");
    ensure!(output.status.success(), "{said}{complained}");
    Ok(())
}

#[tokio::test]
async fn sessions_that_end_in_every_state() -> Result<()> {
    endurance("connects --count 156 --checks 1").await
}

#[tokio::test]
async fn calls_that_lose_packets() -> Result<()> {
    endurance("calls --peers 20 --minutes 0.05 --checks 3").await
}

#[tokio::test]
async fn rooms_that_people_come_to_and_go_from() -> Result<()> {
    endurance("rooms --rooms 3 --minutes 0.1 --checks 3").await
}

#[tokio::test]
async fn its_own_end_and_its_clients_find_back() -> Result<()> {
    endurance("restarts --clients 20 --kills 1").await
}

#[tokio::test]
async fn floods_of_rooms_that_cost_their_other_members_nothing() -> Result<()> {
    endurance("room-floods --members 8 --seconds 1 --datagrams 1000").await
}

#[tokio::test]
async fn what_compares_several_rounds_is_refused_for_one() -> Result<()> {
    let refused = endurance("room-floods --percent 5").await;
    let refused = refused.err().context("it ran")?.to_string();
    ensure!(refused.contains("--rounds"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn floods_that_cost_others_nothing() -> Result<()> {
    endurance("floods --peers 10 --seconds 1 --datagrams 2000 --sessions 30").await
}
