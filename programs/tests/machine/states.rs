//! Network, power and the cost of background work, as they are below the world's root.

use crate::Stage;
use crate::harness::{Home, New, SystemBus};

async fn with_battery() -> Stage {
    let home = Home::with_sample().0;
    home.world.power(true, 80);
    Stage::in_home(home).await
}

/// SYS-4: what the battery does, not how full it is.
#[tokio::test]
async fn power_state_change_fires_a_command_when_the_plug_is_pulled() {
    let stage = with_battery().await;
    let task = stage.command("power", "on = \"power-state-change\"").await;
    stage.user.reads("power-state", "charging").await;
    let full = stage.command("half", "on = \"every:300d\"\nwhen = [\"battery-above:50\"]").await;
    stage.home.world.power(false, 80);
    stage.ran(&task, 1).await;
    stage.home.world.power(false, 20);
    stage.user.reads("battery-above:50", "false").await;
    stage.home.world.power(true, 20);
    stage.ran(&task, 2).await;
    stage.user.broker.unregister(&full, false).await.unwrap();
}

/// D14: low on external power, medium on battery, high with the screen off too; only a change of it fires.
#[tokio::test]
async fn the_cost_of_background_work_follows_power_and_screen() {
    let home = Home::with_sample().0;
    home.world.power(true, 80);
    home.world.memory_pressure(0);
    home.world.screen(true);
    let stage = Stage::in_home(home).await;
    let cost = stage.command("cost", "on = \"background-work-cost-change\"").await;
    stage.user.reads("work-cost", "low").await;
    stage.home.world.power(false, 80);
    stage.ran(&cost, 1).await;
    stage.home.world.screen(false);
    stage.ran(&cost, 2).await;

    let waits = New { conditions: &["BackgroundWorkCostNotHigh"], ..New::default() };
    let task = stage.user.ready(waits).await;
    stage.home.world.zone("Asia/Tokyo");
    stage.user.phase(&task, "latched").await;
    let why = stage.user.broker.why(&task).await.unwrap();
    assert!(why.gates.iter().any(|gate| gate.name == "BackgroundWorkCostNotHigh" && !gate.open), "{why:?}");
    stage.home.world.power(true, 80);
    stage.user.line(&task, "completed", 1).await;
    stage.ran(&cost, 3).await;
    stage.user.reads("work-cost", "low").await;
}

/// Saving energy is dear on battery, and fires; but what it fires waits, as all background work does meanwhile.
#[tokio::test]
async fn saving_energy_fires_what_then_waits_for_its_end() {
    let home = Home::with_sample().0;
    home.world.power(false, 80);
    home.world.memory_pressure(0);
    let Some(bus) = SystemBus::start(&home.world).await else { return };
    let stage = Stage::in_home(home).await;
    let cost = stage.command("cost", "on = \"background-work-cost-change\"").await;
    bus.choose("power-saver").await;
    stage.user.phase(&cost, "buffered").await;
    stage.user.reads("work-cost", "high").await;
    bus.choose("balanced").await;
    stage.user.line(&cost, "completed", 1).await;
}

/// Another way out is a change of the network even where the internet answers before and after.
#[tokio::test]
async fn network_state_change_fires_where_the_internet_only_changes_its_way() {
    let stage = Stage::in_home(Home::with_sample().0).await;
    let network = stage.command("network", "on = \"network-state-change\"").await;
    let internet = stage.user.ready(New { trigger: "InternetAvailable", ..New::default() }).await;
    stage.user.reads("network-state", "unknown unknown eth0").await;
    stage.home.world.route(Some("wlan0"));
    stage.ran(&network, 1).await;
    stage.home.world.online(false);
    stage.ran(&network, 2).await;
    stage.home.world.online(true);
    stage.ran(&network, 3).await;
    stage.ran(&internet, 1).await;
}

/// States are read when a broker starts, not taken for changes: only what it sees change fires.
#[tokio::test]
async fn a_broker_that_starts_again_does_not_take_the_state_for_news() {
    let stage = with_battery().await;
    let task = stage.command("power", "on = \"power-state-change\"").await;
    let stage = stage.after_a_crash(async |home| home.world.power(false, 80)).await;
    stage.user.reads("power-state", "discharging").await;
    assert_eq!(stage.user.words(&task).await, "registered");
    stage.home.world.power(true, 80);
    stage.ran(&task, 1).await;
}
