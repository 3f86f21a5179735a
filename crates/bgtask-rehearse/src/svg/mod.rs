//! A timeline as a picture.

mod axis;
mod lane;
mod marks;
mod sheet;

use bgtask_core::WallTime;

use crate::text::{fit, spoken};
use crate::timeline::{Band, Timeline};
use axis::Axis;
use sheet::{STYLE, Sheet};

/// The most lanes that are drawn; the picture says how many more there are.
pub const MAX_DRAWN_LANES: usize = 300;

/// So many findings are told, and in all twice as many remarks.
const MOST_REMARKS: usize = 6;

/// Where the labels begin, and where the time.
const MARGIN: i64 = 20;
const PLOT: i64 = 240;
const PLOT_WIDTH: i64 = 1_000;
const WIDTH: i64 = PLOT + PLOT_WIDTH + 84;
/// Where the title, the axis and everything below begin.
const TITLE: i64 = 34;
const AXIS: i64 = 76;
const TOP: i64 = 112;
const BAND: i64 = 18;
const GAP: i64 = 14;

/// The plot: from time to place.
#[derive(Clone, Copy)]
struct Plot {
    from: i64,
    length: i64,
}

impl Plot {
    fn of(timeline: &Timeline) -> Self {
        let (from, to) = (timeline.from.as_micros(), timeline.to.as_micros());
        Self { from, length: to.saturating_sub(from).max(1) }
    }

    /// In tenths of a pixel.
    fn x(self, at: WallTime) -> i64 {
        let gone = i128::from(at.as_micros()) - i128::from(self.from);
        let x = gone * i128::from(PLOT_WIDTH) * 10 / i128::from(self.length);
        PLOT * 10 + i64::try_from(x).unwrap_or(0).clamp(0, PLOT_WIDTH * 10)
    }
}

impl Timeline {
    /// A picture of it: what the world is like above, a lane for each task below, in colours for light and for dark.
    ///
    /// It stands alone: no script, nothing to load, every text escaped. What it shows tells times and reasons to who
    /// points at it. The same timeline gives the same bytes. What lies too close to be told apart is drawn as one.
    pub fn svg(&self) -> String {
        let plot = Plot::of(self);
        let drawn = self.lanes.len().min(MAX_DRAWN_LANES);
        let tall = lane::height(drawn);
        let lanes_at = TOP + self.bands.len() as i64 * BAND + if self.bands.is_empty() { 0 } else { GAP };
        let end = lanes_at + drawn as i64 * tall;
        let remarks = self.remarks();
        let height = end + 62 + remarks.len() as i64 * 18;
        let mut sheet = Sheet::new(WIDTH, height);
        sheet.raw(STYLE);
        sheet.rect("paper", 0, 0, WIDTH * 10, height, None);
        self.draw_title(&mut sheet);
        let axis = Axis::of(self);
        for (index, _) in self.lanes.iter().take(drawn).enumerate().filter(|(index, _)| index % 2 == 0) {
            let y = lanes_at + index as i64 * tall;
            sheet.rect("zebra", MARGIN * 10 - 80, y, (WIDTH - 2 * MARGIN + 16) * 10, tall, None);
        }
        axis.draw(&mut sheet, plot, AXIS, TOP, end);
        for (index, band) in self.bands.iter().enumerate() {
            self.draw_band(&mut sheet, plot, band, TOP + index as i64 * BAND);
        }
        for (index, lane) in self.lanes.iter().take(drawn).enumerate() {
            lane::draw(&mut sheet, self, lane, plot, lanes_at + index as i64 * tall, drawn);
        }
        lane::draw_legend(&mut sheet, end + 34);
        for (index, remark) in remarks.iter().enumerate() {
            sheet.text("muted", MARGIN, end + 64 + index as i64 * 18, &fit(remark, 190));
        }
        sheet.finish()
    }

    fn draw_title(&self, sheet: &mut Sheet) {
        let its = &self.totals;
        sheet.text("title", MARGIN, TITLE, &self.headline());
        let totals = format!(
            "{} · {} · {} · waited {} in all, {} at most",
            count(its.firings, "firing"),
            count(its.runs, "run"),
            count(its.wake_ups, "wake-up"),
            spoken(its.waited),
            spoken(its.longest_wait)
        );
        sheet.text("muted", MARGIN, TITLE + 20, &totals);
    }

    fn draw_band(&self, sheet: &mut Sheet, plot: Plot, band: &Band, y: i64) {
        sheet.text("band-label", MARGIN, y + 13, &fit(&band.name, 34));
        sheet.rect("rail", PLOT * 10, y + BAND / 2 - 1, PLOT_WIDTH * 10, 2, None);
        let class = if band.name.starts_with("machine ") { "rest" } else { "band" };
        for mark in marks::merged(plot, &band.spans, marks::most(self.bands.len())) {
            let title = format!("{}: {}", band.name, self.told(mark.from, mark.to, mark.count, "time"));
            sheet.rect(class, mark.x, y + 3, mark.width, BAND - 6, Some(&title));
        }
    }

    /// `09:00 – 10:30 (1 h 30 min)`, and how many there are in one.
    fn told(&self, from: WallTime, to: WallTime, many: usize, what: &str) -> String {
        let how = if many > 1 { count(many as u64, what) } else { spoken(to - from) };
        format!("{} – {} ({how})", self.moment(from), self.moment(to))
    }

    /// The time of the day, and the day where there are several.
    fn moment(&self, at: WallTime) -> String {
        let clock = self.clock(at);
        let clock = clock.trim_end();
        let one_day = self.length().as_secs() <= 86_400 + 7_200;
        if one_day { clock.to_owned() } else { format!("{} {clock}", self.local(at).strftime("%a %-d %b")) }
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.lanes.len() > MAX_DRAWN_LANES {
            remarks.push(format!("{} more tasks are not drawn", self.lanes.len() - MAX_DRAWN_LANES));
        }
        if let Some(at) = self.cut_short {
            remarks.push(format!("cut short at {}: too much had happened", self.moment(at)));
        }
        remarks.extend(self.findings().into_iter().take(MOST_REMARKS));
        remarks.extend(self.notes.iter().map(|note| format!("line {} of the scenario: {}", note.line, note.text)));
        remarks.truncate(2 * MOST_REMARKS);
        remarks
    }
}

fn count(many: u64, what: &str) -> String {
    format!("{many} {what}{}", if many == 1 { "" } else { "s" })
}
