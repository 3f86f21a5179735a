//! Asking the user: the only request whose answer the core does not know at once.

use super::Core;
use crate::ids::{AppId, RequestId};
use crate::limits::{MAX_CONSENTS, MAX_ERROR_BYTES, cut};
use crate::model::access::{BackgroundAccessRequestKind, BackgroundAccessStatus, Consent};
use crate::output::{Output, Reply};
use crate::refusal::{Limit, Refusal};

/// A question on its way to the user.
pub(super) struct Asked {
    app: AppId,
    application: String,
    standby: bool,
}

impl Core {
    /// ACC-18: the usual level is granted at once; running in battery saver too takes the user's consent.
    /// What the user or the policy has already decided is the answer.
    pub(super) fn request_access_kind(
        &mut self,
        id: RequestId,
        app: &AppId,
        application: String,
        kind: BackgroundAccessRequestKind,
        standby: bool,
        reason: &str,
    ) -> Option<Result<Reply, Refusal>> {
        if let Err(refusal) = self.check_application(app, &application) {
            return Some(Err(refusal));
        }
        if let Err(refusal) = self.check_room(app) {
            return Some(Err(refusal));
        }
        let status = self.apps.status(app, &application, standby);
        let decided = self.apps.policy.forces(app).is_some() || self.access_setting(app).is_some();
        match (kind, status) {
            (_, BackgroundAccessStatus::DeniedByUser | BackgroundAccessStatus::DeniedBySystemPolicy) => {
                Some(Ok(Reply::Approved(false)))
            }
            (_, BackgroundAccessStatus::AlwaysAllowed) => Some(Ok(Reply::Approved(true))),
            (BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy, _) => {
                self.grant(app, &application, standby, kind);
                Some(Ok(Reply::Approved(true)))
            }
            (BackgroundAccessRequestKind::AlwaysAllowed, _) if decided => Some(Ok(Reply::Approved(false))),
            (BackgroundAccessRequestKind::AlwaysAllowed, _) if self.consents.len() >= MAX_CONSENTS => {
                Some(Err(Refusal::LimitReached(Limit::Consents)))
            }
            (BackgroundAccessRequestKind::AlwaysAllowed, _) => {
                let reason = cut(reason, MAX_ERROR_BYTES);
                self.outputs.push_back(Output::Ask { request: id, app: app.clone(), reason });
                self.consents.insert(id, Asked { app: app.clone(), application, standby });
                None
            }
        }
    }

    /// Where nobody can be asked the answer is no, and nothing is remembered: the user can say yes by hand.
    pub(super) fn consented(&mut self, id: RequestId, consent: &Consent) {
        let Some(asked) = self.consents.remove(&id) else {
            return;
        };
        let approved = if *consent == Consent::Granted { self.approved(&asked) } else { Ok(false) };
        self.outputs.push_back(Output::Reply(id, approved.map(Reply::Approved)));
    }

    /// The world has moved on while the user thought: the app may be gone, and what he or the policy has decided since still wins.
    fn approved(&mut self, asked: &Asked) -> Result<bool, Refusal> {
        let Asked { app, application, standby } = asked;
        self.check_application(app, application)?;
        self.check_room(app)?;
        self.grant(app, application, *standby, BackgroundAccessRequestKind::AlwaysAllowed);
        Ok(self.apps.status(app, application, *standby) == BackgroundAccessStatus::AlwaysAllowed)
    }

    fn grant(&mut self, app: &AppId, application: &str, standby: bool, kind: BackgroundAccessRequestKind) {
        let grant = self.apps.access_mut(app).grants.entry(application.into()).or_default();
        if standby {
            grant.standby = Some(kind);
        } else {
            grant.awake = Some(kind);
        }
        self.keep_access(app);
    }
}
