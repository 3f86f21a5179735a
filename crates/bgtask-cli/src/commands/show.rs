use std::time::Duration;

use bgtask_wire::{BrokerProxy, BudgetInfo, EnergyUsageInfo, ErrorKind, HistoryInfo, HistoryQuery, TaskInfo, WhyInfo};

use serde_json::Value;

use super::{Format, history, why};
use crate::failure::Failure;
use crate::find::{find_task, is_of_commands};
use crate::output::quantity::{amount, span};
use crate::output::task::{conditions, entry, group, phase, trigger};
use crate::output::text::printable;
use crate::output::{Screen, command, json, style};

/// How many lines of history are shown.
const RECENT: u32 = 5;

/// Show one task: what was registered, where it stands, what happened last
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task's name, its id, or the first characters of its id
    task: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let task = find_task(broker, &args.task).await?;
    if args.format.json {
        let mut shown = json::task(&task);
        let costs = costs(&task, broker).await?;
        shown["budget"] = costs.as_ref().map_or(Value::Null, |costs| json::budget(&costs.budget));
        shown["energy"] = costs.as_ref().map_or(Value::Null, |costs| json::energy(costs.energy));
        return Ok(screen.json(&shown)?);
    }
    let why = broker.why(&task.id).await?;
    let query = HistoryQuery { task: Some(task.id.clone()), limit: Some(RECENT), ..HistoryQuery::default() };
    let lines = broker.history(query).await?;
    let costs = costs(&task, broker).await?;
    Ok(write(&task, costs.as_ref(), &why, &lines, screen)?)
}

/// What the app of a task may use, and what it has used.
struct Costs {
    budget: BudgetInfo,
    energy: EnergyUsageInfo,
}

/// Commands are not rationed, and of an app that is not installed nothing runs.
async fn costs(task: &TaskInfo, broker: &BrokerProxy<'_>) -> Result<Option<Costs>, Failure> {
    if is_of_commands(&task.app) {
        return Ok(None);
    }
    let budget = match broker.get_budget(&task.app).await {
        Ok(budget) => budget,
        Err(zbus::Error::MethodError(name, ..)) if name.as_str() == ErrorKind::UnknownApp.name() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Costs { budget, energy: broker.get_energy_usage(&task.app).await? }))
}

fn write(
    task: &TaskInfo,
    costs: Option<&Costs>,
    why: &WhyInfo,
    lines: &[HistoryInfo],
    screen: &mut Screen<'_>,
) -> std::io::Result<()> {
    let (strong, name) = (style::STRONG, printable(&task.name));
    writeln!(screen.out, "{strong}{name}{strong:#}")?;
    let mut facts = facts(task, screen);
    facts.extend(costs.map(|costs| facts_of_costs(costs, screen)).into_iter().flatten());
    for (label, value) in facts {
        let heading = style::HEADING;
        writeln!(screen.out, "  {heading}{label:<13}{heading:#} {}", printable(&value))?;
    }
    writeln!(screen.out)?;
    why::write(why, screen)?;
    if !lines.is_empty() {
        writeln!(screen.out)?;
        history::write_of_one(lines, screen)?;
    }
    Ok(())
}

fn facts(task: &TaskInfo, screen: &Screen<'_>) -> Vec<(&'static str, String)> {
    if is_of_commands(&task.app) { facts_of_command(task, screen) } else { facts_of_app(task, screen) }
}

fn facts_of_command(task: &TaskInfo, screen: &Screen<'_>) -> Vec<(&'static str, String)> {
    let clock = &screen.clock;
    let mut facts = vec![("command", argv(task)), ("when", command::when(task))];
    facts.extend(Some(("if", command::conditions(task))).filter(|(_, words)| !words.is_empty()));
    facts.push(("state", command::state(task)));
    facts.extend(task.message.clone().map(|message| ("says", message)));
    facts.extend(Some(("last run", command::last(task, clock))).filter(|(_, last)| !last.is_empty()));
    facts.extend(command::next(task).map(|at| ("next", clock.absolute(at))));
    facts.extend(task.fresh_since.map(|since| ("fresh since", clock.absolute(since))));
    facts.extend(task.instance.clone().map(|instance| ("run", instance)));
    facts.extend(task.file.as_deref().map(|file| ("file", command::from_home(file))));
    facts.extend(task.log.as_deref().map(|log| ("log", command::from_home(log))));
    facts.extend([("added", clock.absolute(task.registered_at)), ("id", task.id.clone())]);
    facts
}

/// The program and its arguments, each as a shell takes it.
fn argv(task: &TaskInfo) -> String {
    let parsed = bgtask_taskfile::parse(&task.name, task.definition.as_deref().unwrap_or_default());
    match parsed {
        Ok(parsed) => parsed.registration.entry.command().map_or_else(String::new, |command| {
            let words = command.argv.iter().map(|word| super::shell_word(word));
            words.collect::<Vec<_>>().join(" ")
        }),
        Err(_newer) => "written by a newer version: see `bgtask export`".to_owned(),
    }
}

fn facts_of_app(task: &TaskInfo, screen: &Screen<'_>) -> Vec<(&'static str, String)> {
    let yes = |value: bool| if value { "yes" } else { "no" }.to_owned();
    let mut facts = vec![("id", task.id.clone()), ("app", task.app.clone())];
    facts.extend(group(task).map(|group| ("group", group)));
    facts.extend([("entry point", entry(task)), ("trigger", with_class(task)), ("one shot", yes(task.one_shot))]);
    facts.extend(task.due.map(|due| ("next release", screen.clock.absolute(due))));
    facts.extend([
        ("conditions", conditions(task)),
        ("on their loss", if task.cancel_on_condition_loss { "cancel" } else { "go on" }.to_owned()),
        ("network", if task.is_network_requested { "kept up while it runs" } else { "not requested" }.to_owned()),
        ("registered", screen.clock.absolute(task.registered_at)),
        ("phase", phase(task)),
    ]);
    facts.extend(task.instance.clone().map(|instance| ("instance", instance)));
    facts
}

/// What is left of the budgets of the app, with what it may borrow.
fn facts_of_costs(Costs { budget, energy }: &Costs, screen: &Screen<'_>) -> Vec<(&'static str, String)> {
    let time = |micros: u64| span(Duration::from_micros(micros));
    let of = |left: String, own: String, what: &str| {
        let window = span(Duration::from_micros(budget.window));
        format!("{left} of {what} left; {own} in {window} are the app's own")
    };
    let mut facts = Vec::new();
    let cpu = budget.cpu.zip(budget.cpu_left).map(|(own, left)| of(time(left), time(own), "processor time"));
    facts.extend(cpu.map(|text| ("processor", text)));
    let network = budget.network.zip(budget.network_left);
    facts.extend(network.map(|(own, left)| ("traffic", of(amount(left), amount(own), "traffic"))));
    facts.extend(budget.refill.map(|at| ("refill", screen.clock.absolute(at))));
    if budget.percent != 100 {
        facts.push(("policy", format!("{} % of the usual budgets", budget.percent)));
    }
    let (percent, _, until) = energy;
    if *percent > 0 {
        facts.push(("energy", format!("{percent} % of normal, until {}", screen.clock.absolute(*until))));
    }
    facts
}

/// The class of a trigger, and what it waits for where the class does not say it.
fn with_class(task: &TaskInfo) -> String {
    let words = trigger(task);
    if words == task.trigger { words } else { format!("{} {words}", task.trigger) }
}
