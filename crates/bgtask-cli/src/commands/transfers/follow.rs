//! Waiting for a transfer.

use std::num::NonZeroUsize;

use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, TransferInfo, TransferStatus};
use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

use super::list::done;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::output::progress::bar;
use crate::output::text::printable;

/// How many changes may wait to be shown.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// What is heard of transfers from now on.
pub(super) struct Follower(MessageStream);

impl Follower {
    /// To be made before the order is given, so that nothing of it is missed.
    pub(super) async fn new(broker: &BrokerProxy<'_>) -> Result<Self, Failure> {
        let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE);
        let rule = rule.member("TransferChanged").build()?;
        let heard = MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await?;
        broker.watch("").await?;
        Ok(Self(heard))
    }

    /// Shows how far it is until it is over. What went wrong with it is a failure.
    pub(super) async fn follow(mut self, id: &str, show: bool, screen: &mut Screen<'_>) -> Result<(), Failure> {
        let mut last = String::new();
        while let Some(Ok(signal)) = self.0.next().await {
            let info: TransferInfo = signal.body().deserialize()?;
            if info.id != id {
                continue;
            }
            let status = TransferStatus::from_number(info.status);
            let line = line(&info, status);
            if show && line != last {
                writeln!(screen.err, "{line}")?;
                last = line;
            }
            match status {
                Some(TransferStatus::Completed) => return Ok(()),
                Some(TransferStatus::Error | TransferStatus::Canceled) => {
                    return Err(Failure::failed(printable(&info.why).into_owned()));
                }
                _ => {}
            }
        }
        Err(Failure::new(Exit::Unreachable, "the broker ended: the transfer goes on when it is back"))
    }
}

fn line(info: &TransferInfo, status: Option<TransferStatus>) -> String {
    let percent = |total: u64| u32::try_from(u128::from(info.done) * 100 / u128::from(total.max(1))).unwrap_or(100);
    match status {
        Some(TransferStatus::Running | TransferStatus::Completed) => {
            bar(info.total.map_or(0, percent), Some(&done(info)))
        }
        _ => printable(&info.why).into_owned(),
    }
}
