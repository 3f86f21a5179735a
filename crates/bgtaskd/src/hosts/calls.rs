use std::collections::HashMap;

use bgtask_core::InstanceId;
use zbus::Message;

/// The orders to run that a host has not answered. The core bounds them: each is an instance that runs.
#[derive(Default)]
pub(super) struct Calls(HashMap<u32, InstanceId>);

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn sent(&mut self, call: &Message, instance: InstanceId) {
        self.0.insert(call.primary_header().serial_num().get(), instance);
    }

    /// The instance a reply is the completion of.
    pub(super) fn answered(&mut self, reply: &Message) -> Option<InstanceId> {
        let serial = reply.header().reply_serial()?.get();
        self.0.remove(&serial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HO-5: several instances run in one host; each reply completes its own, once.
    #[test]
    fn a_reply_completes_the_instance_of_its_call() {
        let call = || Message::method_call("/a", "Run").build(&()).expect("a call");
        let reply = |call: &Message| Message::method_return(&call.header()).build(&()).expect("a reply");
        let (first, second, other) = (call(), call(), call());
        let mut calls = Calls::default();
        calls.sent(&first, InstanceId::from_random(1));
        calls.sent(&second, InstanceId::from_random(2));
        assert_eq!(calls.answered(&reply(&other)), None, "no order of ours");
        assert_eq!(calls.answered(&reply(&second)), Some(InstanceId::from_random(2)));
        assert_eq!(calls.answered(&reply(&second)), None, "completed already");
        assert_eq!(calls.answered(&reply(&first)), Some(InstanceId::from_random(1)));
        assert!(calls.is_empty());
    }
}
