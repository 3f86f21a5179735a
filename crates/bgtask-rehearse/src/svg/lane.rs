//! One task of a picture.

use bgtask_core::{App, WallTime};

use super::marks::{Mark, merged, most};
use super::sheet::{Sheet, Tenths};
use super::{MARGIN, PLOT, PLOT_WIDTH, Plot, count};
use crate::text::fit;
use crate::timeline::{Ending, Hold, Lane, Run, Timeline, Wait};

/// Up to so many lanes there is room for a second line in each.
const ROOMY: usize = 60;

const fn is_roomy(tall: i64) -> bool {
    tall > 24
}

/// How tall each of so many lanes is.
pub(super) const fn height(lanes: usize) -> i64 {
    if lanes <= ROOMY { 36 } else { 20 }
}

pub(super) fn draw(sheet: &mut Sheet, timeline: &Timeline, lane: &Lane, plot: Plot, y: i64, lanes: usize) {
    let tall = height(lanes);
    draw_labels(sheet, lane, y, tall);
    let middle = y + tall / 2 + i64::from(!is_roomy(tall));
    let drawer = Drawer { timeline, plot, middle, tall, most: most(lanes) };
    sheet.rect("rail", PLOT * 10, drawer.middle - 1, PLOT_WIDTH * 10, 2, None);
    if let Some(refused) = &lane.refused {
        return sheet.titled("bad", PLOT + 8, y + tall / 2 - 5, &fit(&format!("refused: {refused}"), 150), refused);
    }
    drawer.paused(sheet, lane);
    drawer.waits(sheet, lane);
    drawer.overdue(sheet, lane);
    drawer.runs(sheet, lane);
    drawer.firings(sheet, lane);
    drawer.missed(sheet, lane);
}

fn draw_labels(sheet: &mut Sheet, lane: &Lane, y: i64, tall: i64) {
    let conditions: Vec<_> = lane.conditions.iter().map(|condition| condition.word()).collect();
    let when = if conditions.is_empty() { String::new() } else { format!("; {}", conditions.join(", ")) };
    let of_app = if lane.app.as_str() == App::COMMANDS { String::new() } else { format!("{}: ", lane.app) };
    let about = format!("{of_app}{}{when}", lane.trigger);
    let roomy = is_roomy(tall);
    sheet.titled(
        "name",
        MARGIN,
        y + if roomy { 16 } else { 14 },
        &fit(&lane.name, 30),
        &format!("{}: {about}", lane.name),
    );
    if roomy {
        sheet.titled("small", MARGIN, y + 29, &fit(&about, 40), &about);
    }
    if lane.refused.is_none() {
        sheet.text("small", PLOT + PLOT_WIDTH + 10, y + tall / 2 + 4, &count(lane.runs.len() as u64, "run"));
    }
}

/// What is the same for all marks of a lane.
struct Drawer<'a> {
    timeline: &'a Timeline,
    plot: Plot,
    middle: i64,
    tall: i64,
    most: usize,
}

impl Drawer<'_> {
    fn paused(&self, sheet: &mut Sheet, lane: &Lane) {
        for mark in merged(self.plot, &lane.paused, self.most) {
            let title = format!("{}: paused {}", lane.name, self.told(&mark, "time"));
            sheet.rect("paused", mark.x, self.middle - self.tall / 2 + 2, mark.width, self.tall - 4, Some(&title));
        }
    }

    fn waits(&self, sheet: &mut Sheet, lane: &Lane) {
        type Is = fn(&Wait) -> bool;
        let kinds: [(&str, Is); 2] = [
            ("latched", |wait| matches!(wait.hold, Hold::Latched(_))),
            ("buffered", |wait| matches!(wait.hold, Hold::Buffered(_))),
        ];
        for (class, is) in kinds {
            let waits: Vec<_> = lane.waits.iter().filter(|wait| is(wait)).collect();
            let spans: Vec<_> = waits.iter().map(|wait| (wait.from, wait.to)).collect();
            for mark in merged(self.plot, &spans, self.most) {
                let why = if mark.count == 1 { waits[mark.first].hold.to_string() } else { class.to_owned() };
                let title = format!("{}: {why}, {}", lane.name, self.told(&mark, "time"));
                let half = self.half() - 2;
                sheet.rect(&shade(class, &mark), mark.x, self.middle - half, mark.width, 2 * half, Some(&title));
            }
        }
    }

    fn runs(&self, sheet: &mut Sheet, lane: &Lane) {
        type Is = fn(&Run) -> bool;
        let kinds: [(&str, Is); 3] = [
            ("run", |run| matches!(run.ending, Ending::Succeeded | Ending::Unended)),
            ("failed", |run| matches!(run.ending, Ending::Failed | Ending::Retried { .. })),
            ("stopped", |run| matches!(run.ending, Ending::Cancelled(_))),
        ];
        for (class, is) in kinds {
            let runs: Vec<_> = lane.runs.iter().filter(|run| is(run)).collect();
            let spans: Vec<_> = runs.iter().map(|run| (run.from, run.to)).collect();
            for mark in merged(self.plot, &spans, self.most) {
                let run = runs[mark.first];
                let how = if mark.count == 1 { format!("run {}", run.ending.told()) } else { class.to_owned() };
                let attempt = if run.attempt > 1 { format!(", attempt {}", run.attempt) } else { String::new() };
                let title = format!("{}: {how}{attempt}, {}", lane.name, self.told(&mark, "run"));
                let half = self.half();
                sheet.rect(&shade(class, &mark), mark.x, self.middle - half, mark.width, 2 * half, Some(&title));
                if class == "stopped" {
                    self.cross(sheet, mark.x + mark.width);
                }
            }
        }
    }

    /// Where it was told to stop.
    fn cross(&self, sheet: &mut Sheet, x: i64) {
        let (left, right, half) = (Tenths(x - 35), Tenths(x + 35), self.half());
        let (up, down) = (self.middle - half - 5, self.middle - half + 2);
        sheet.path("mark", &format!("M{left} {up}L{right} {down}M{right} {up}L{left} {down}"), None);
    }

    fn firings(&self, sheet: &mut Sheet, lane: &Lane) {
        let spans: Vec<_> = lane.firings.iter().map(|fired| (fired.at, fired.at)).collect();
        for mark in merged(self.plot, &spans, self.most) {
            let fired = lane.firings[mark.first];
            let held = if fired.count > 1 { format!(", {} held as one", fired.count) } else { String::new() };
            let title = match mark.count {
                1 if fired.by_hand => format!("{}: asked to run by hand at {}", lane.name, self.at(fired.at)),
                1 => format!("{}: {} fired at {}{held}", lane.name, lane.trigger, self.at(fired.at)),
                _ => format!("{}: {} fired, {}", lane.name, lane.trigger, self.told(&mark, "firing")),
            };
            let width = if mark.count == 1 { 15 } else { mark.width };
            let (top, height) = (self.middle - self.tall / 2 + 2, if is_roomy(self.tall) { 8 } else { 3 });
            sheet.rect(&shade("fired", &mark), mark.x, top, width, height, Some(&title));
        }
    }

    fn missed(&self, sheet: &mut Sheet, lane: &Lane) {
        let spans: Vec<_> = lane.missed.iter().map(|due| (*due, *due)).collect();
        for mark in merged(self.plot, &spans, self.most) {
            let (x, y) = (mark.x, self.middle);
            let title = match mark.count {
                1 => format!("{}: missed at {}, and not made up for", lane.name, self.at(mark.from)),
                _ => format!("{}: missed, {}", lane.name, self.told(&mark, "time")),
            };
            let d = format!(
                "M{} {y}L{} {}L{} {y}L{} {}Z",
                Tenths(x - 45),
                Tenths(x),
                y - 5,
                Tenths(x + 45),
                Tenths(x),
                y + 5
            );
            sheet.path("missed", &d, Some(&title));
        }
    }

    fn overdue(&self, sheet: &mut Sheet, lane: &Lane) {
        for mark in merged(self.plot, &lane.overdue, self.most) {
            let title = format!("{}: overdue {}", lane.name, self.told(&mark, "time"));
            sheet.rect("overdue", mark.x, self.middle + self.tall / 2 - 4, mark.width, 3, Some(&title));
        }
    }

    /// Half the height of a run.
    const fn half(&self) -> i64 {
        if is_roomy(self.tall) { 7 } else { 4 }
    }

    fn told(&self, mark: &Mark, what: &str) -> String {
        self.timeline.told(mark.from, mark.to, mark.count, what)
    }

    fn at(&self, at: WallTime) -> String {
        self.timeline.moment(at)
    }
}

/// What stands for several with room between them is lighter.
fn shade(class: &str, mark: &Mark) -> String {
    if mark.is_dense() { format!("{class} dense") } else { class.to_owned() }
}

/// What the marks mean.
pub(super) fn draw_legend(sheet: &mut Sheet, y: i64) {
    let mut x = PLOT;
    for (class, label) in [
        ("fired", "fired"),
        ("latched", "latched: waits for a condition"),
        ("buffered", "buffered: waits for something else"),
        ("run", "runs"),
        ("failed", "failed"),
        ("stopped", "told to stop"),
        ("overdue", "overdue"),
        ("missed", "missed"),
        ("paused", "paused"),
    ] {
        match class {
            "fired" => sheet.rect(class, x * 10 + 80, y - 9, 15, 10, None),
            "overdue" => sheet.rect(class, x * 10, y - 5, 160, 3, None),
            "missed" => sheet.path(class, &format!("M{x} {}l5 -5l5 5l-5 5Z", y - 4), None),
            _ => sheet.rect(class, x * 10, y - 9, 160, 10, None),
        }
        sheet.text("small", x + 22, y, label);
        x += 40 + label.chars().count() as i64 * 6;
    }
}
