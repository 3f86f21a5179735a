//! What the broker alone can tell of apps and of the past.

use bgtask_convert::{event_text, setting_word};
use bgtask_core::{App, Core};
use bgtask_store::HistoryEntry;
use bgtask_wire::{AppInfo, HistoryInfo};

use crate::apps::Installed;

/// An app; the user's own commands are one without a manifest.
pub(super) fn app_info(app: &App, installed: Option<&Installed>, core: &Core) -> AppInfo {
    let id = &app.id;
    let policy = core.policy_of(id);
    let manifest = installed.map(|installed| &installed.app);
    AppInfo {
        id: id.to_string(),
        version: app.version.to_string(),
        manifest: installed.map_or_else(String::new, |installed| installed.manifest.display().to_string()),
        entry_points: app.entry_points.iter().map(|entry| entry.name.clone()).collect(),
        applications: manifest.map_or_else(Vec::new, |manifest| manifest.applications.clone()),
        access: core.access(id).name().to_owned(),
        decided_by: core.access_decided_by(id),
        setting: core.access_setting(id).map(setting_word).map(str::to_owned),
        policy: policy.map(|entry| entry.rule.name().to_owned()),
        policy_file: policy.map(|entry| entry.file.to_string()),
    }
}

pub(super) fn history_info(entry: HistoryEntry) -> HistoryInfo {
    let row = entry.row;
    HistoryInfo {
        sequence: entry.seq,
        at: row.wall_us,
        app: row.app,
        task: row.task,
        name: row.name,
        instance: row.instance,
        text: event_text(&row.event, &row.detail),
        event: row.event,
        detail: row.detail,
    }
}
