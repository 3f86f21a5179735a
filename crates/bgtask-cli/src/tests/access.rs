//! Who may run in the background: what the user sees and decides (AC-7).

use serde_json::json;

use super::script::{Decided, ask, ask_after};
use super::{bgtask, done, json};

fn set(app: &str, setting: &str) -> Decided {
    Decided { settings: [(app.into(), setting.into())].into(), ..Decided::default() }
}

fn switched_off() -> Decided {
    Decided { switched_off: true, ..Decided::default() }
}

#[test]
fn apps() {
    let expected = "\
APP                 VERSION  ACCESS                        DECIDED BY                                     SETTING  POLICY                                           ENTRY POINTS                MANIFEST
org.example.Corp    1.4.0    DeniedBySystemPolicy          the policy /etc/bgtask/policy.d/10-corp.toml            ForceDeny (/etc/bgtask/policy.d/10-corp.toml)    Tasks.Example, Tasks.Other  /apps/org.example.Corp.toml
org.example.Kiosk   1.4.0    AllowedSubjectToSystemPolicy  the policy /etc/bgtask/policy.d/20-kiosk.toml           ForceAllow (/etc/bgtask/policy.d/20-kiosk.toml)  Tasks.Example, Tasks.Other  /apps/org.example.Kiosk.toml
org.example.Photos  1.4.0    DeniedByUser                  the user's setting                             never                                                     Tasks.Example, Tasks.Other  /apps/org.example.Photos.toml
";
    assert_eq!(ask_after(set("org.example.Photos", "never"), &["apps"]), done(expected));
    let expected = json!({
        "id": "org.example.Corp", "version": "1.4.0", "manifest": "/apps/org.example.Corp.toml",
        "entry_points": ["Tasks.Example", "Tasks.Other"], "applications": ["App"], "access": "DeniedBySystemPolicy",
        "decided_by": "the policy /etc/bgtask/policy.d/10-corp.toml", "setting": null, "policy": "ForceDeny",
        "policy_file": "/etc/bgtask/policy.d/10-corp.toml",
    });
    let found = json(&ask(&["apps", "--json"]).out);
    assert_eq!((&found[0], found.as_array().map(Vec::len)), (&expected, Some(3)));
    assert!(found[2]["policy"].is_null() && found[2]["policy_file"].is_null());
}

#[test]
fn access_of_every_app() {
    let expected = "\
APP                 ACCESS                        DECIDED BY                                     SETTING  POLICY
org.example.Corp    DeniedBySystemPolicy          the policy /etc/bgtask/policy.d/10-corp.toml            ForceDeny (/etc/bgtask/policy.d/10-corp.toml)
org.example.Kiosk   AllowedSubjectToSystemPolicy  the policy /etc/bgtask/policy.d/20-kiosk.toml           ForceAllow (/etc/bgtask/policy.d/20-kiosk.toml)
org.example.Photos  DeniedByUser                  the user's setting                             never
";
    assert_eq!(ask_after(set("org.example.Photos", "never"), &["access"]), done(expected));
    let ran = ask_after(switched_off(), &["access"]);
    let first = "All background work is switched off. `bgtask access on` switches it on.\n\nAPP ";
    assert!(ran.out.starts_with(first), "{}", ran.out);
    let answer = json(&ask_after(switched_off(), &["access", "--json"]).out);
    assert_eq!((&answer["background_enabled"], &answer["apps"][2]["access"]), (&json!(false), &json!("DeniedByUser")));
}

#[test]
fn access_of_one_app_says_what_it_means_and_who_decides() {
    let expected = "\
org.example.Photos
  access     DeniedByUser: the user does not let it run
  decided by the user's setting
  setting    never
  policy     –
";
    assert_eq!(ask_after(set("org.example.Photos", "never"), &["access", "org.example.Photos"]), done(expected));
    let expected = "\
org.example.Corp
  access     DeniedBySystemPolicy: the policy does not let it run
  decided by the policy /etc/bgtask/policy.d/10-corp.toml
  setting    always, without effect: the policy says ForceDeny (/etc/bgtask/policy.d/10-corp.toml)
  policy     ForceDeny (/etc/bgtask/policy.d/10-corp.toml)
";
    assert_eq!(ask_after(set("org.example.Corp", "always"), &["access", "org.example.Corp"]), done(expected));
    let answer = json(&ask(&["access", "org.example.Photos", "--json"]).out);
    assert_eq!(answer["decided_by"], "BackgroundExecutionManager");
    assert!(ask(&["access", "org.example.Photos"]).out.contains("  setting    default\n"));
}

#[test]
fn access_of_an_app_nobody_knows() {
    let ran = ask(&["access", "org.example.Phtos"]);
    let expected = "bgtask: there is no app \"org.example.Phtos\"; did you mean \"org.example.Photos\"?\n";
    assert_eq!((ran.exit, ran.out.as_str(), ran.err.as_str()), (3, "", expected));
    let ran = ask(&["access", "zzz", "--json"]);
    let message = "there is no app \"zzz\"; `bgtask apps` shows what there is";
    assert_eq!(json(&ran.err), json!({"exit_code": 3, "name": null, "message": message}));
}

#[test]
fn set_tells_what_it_came_to() {
    let expected = "\
Set org.example.Photos to never.
Its access is DeniedByUser, decided by the user's setting.
";
    assert_eq!(ask(&["access", "set", "org.example.Photos", "never"]), done(expected));
    let expected = "\
Set org.example.Photos to default.
Its access is AllowedSubjectToSystemPolicy, decided by BackgroundExecutionManager.
";
    let taken_back = ask_after(set("org.example.Photos", "never"), &["access", "set", "org.example.Photos", "default"]);
    assert_eq!(taken_back, done(expected));
    let expected = json!({
        "app": "org.example.Photos", "setting": "always", "access": "AlwaysAllowed",
        "decided_by": "the user's setting", "effective": true,
    });
    assert_eq!(json(&ask(&["access", "set", "org.example.Photos", "always", "--json"]).out), expected);
}

#[test]
fn set_says_that_the_policy_overrules_it_and_which_file() {
    let expected = "\
Set org.example.Corp to always.
This has no effect now: the policy says ForceDeny (/etc/bgtask/policy.d/10-corp.toml).
Its access is DeniedBySystemPolicy, decided by the policy /etc/bgtask/policy.d/10-corp.toml.
";
    assert_eq!(ask(&["access", "set", "org.example.Corp", "always"]), done(expected));
    let ran = ask(&["access", "set", "org.example.Kiosk", "never"]);
    assert!(ran.out.contains("no effect now: the policy says ForceAllow (/etc/bgtask/policy.d/20-kiosk.toml)"));
    let effective =
        |app: &str, setting: &str| json(&ask(&["access", "set", app, setting, "--json"]).out)["effective"].as_bool();
    assert_eq!(effective("org.example.Kiosk", "never"), Some(false));
    assert_eq!(effective("org.example.Kiosk", "always"), Some(true), "a forced app may be spared the energy saver");
    assert_eq!(effective("org.example.Corp", "never"), Some(false), "the policy denies it, not the user");
}

#[test]
fn set_says_that_everything_is_switched_off() {
    let ran = ask_after(switched_off(), &["access", "set", "org.example.Photos", "always"]);
    let expected =
        "This has no effect now: all background work is switched off, and `bgtask access on` switches it on.\n";
    assert!(ran.exit == 0 && ran.out.contains(expected), "{ran:?}");
}

#[test]
fn set_of_an_app_that_is_not_installed_takes_a_word_more() {
    let ran = ask(&["access", "set", "org.example.Phtos", "never"]);
    let expected = "bgtask: there is no app \"org.example.Phtos\"; did you mean \"org.example.Photos\"?\n\
                    to decide about an app that is not installed, add --not-installed\n";
    assert_eq!((ran.exit, ran.err.as_str()), (3, expected));
    let expected = "\
Set org.example.Future to never.
It is not installed; the setting is kept for when it is.
";
    let ahead = ["access", "set", "org.example.Future", "never", "--not-installed"];
    assert_eq!(ask(&ahead), done(expected));
    let answer = json(&ask(&[&ahead[..], &["--json"]].concat()).out);
    assert_eq!(
        (&answer["setting"], &answer["access"], &answer["effective"]),
        (&json!("never"), &json!(null), &json!(null))
    );
}

#[test]
fn a_misspelt_setting_is_suggested() {
    let ran = bgtask(&["access", "set", "org.example.Photos", "nevr"]);
    assert_eq!(ran.exit, 2);
    assert!(ran.err.contains("always, managed, never, default") && ran.err.contains("'never'"), "{}", ran.err);
}

#[test]
fn the_switch_for_everything() {
    let expected = "\
Background work is switched off: what runs is told to stop, what fires waits.
It has no effect on these, for which the policy decides:
  org.example.Corp  ForceDeny (/etc/bgtask/policy.d/10-corp.toml)
  org.example.Kiosk  ForceAllow (/etc/bgtask/policy.d/20-kiosk.toml)
";
    assert_eq!(ask(&["access", "off"]), done(expected));
    let ran = ask_after(switched_off(), &["access", "on"]);
    assert!(ran.out.starts_with("Background work is switched on: every app runs as its own access says.\n"));
    let expected = json!({"background_enabled": false, "forced": ["org.example.Corp", "org.example.Kiosk"]});
    assert_eq!(json(&ask(&["access", "off", "--json"]).out), expected);
    assert_eq!(json(&ask(&["access", "--json", "on"]).out)["background_enabled"], true);
}

#[test]
fn the_switch_for_everything_is_not_taken_for_that_of_one_app() {
    let ran = bgtask(&["--root", "/nowhere", "access", "org.example.Photos", "off"]);
    assert!(ran.exit == 2 && ran.err.contains("`bgtask access set APP never`"), "{ran:?}");
}
