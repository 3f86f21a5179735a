//! The library and the core each define the Windows enumerations, so that neither depends on the other. They are the same.

macro_rules! same {
    ($($name:ident$(::$inner:ident)* = $core:ident),+ $(,)?) => {$(
        let library: Vec<_> = bgtask::$name$(::$inner)*::ALL.iter().map(|value| (value.name(), value.number())).collect();
        let core: Vec<_> = bgtask_core::$core::ALL.iter().map(|value| (value.name(), value.number())).collect();
        assert_eq!(library, core, stringify!($core));
    )+};
}

#[test]
fn the_library_and_the_core_have_the_same_enumerations() {
    same! {
        SystemTriggerType = SystemTriggerType,
        SystemConditionType = SystemConditionType,
        BackgroundAccessStatus = BackgroundAccessStatus,
        BackgroundTaskCancellationReason = CancellationReason,
        BackgroundTaskThrottleCounter = BackgroundTaskThrottleCounter,
        EnergyUsageLevel = EnergyLevel,
        network::ControlChannelTriggerStatus = ControlChannelTriggerStatus,
        network::ControlChannelTriggerResourceType = ControlChannelTriggerResourceType,
        network::ControlChannelTriggerResetReason = ControlChannelTriggerResetReason,
    }
}
