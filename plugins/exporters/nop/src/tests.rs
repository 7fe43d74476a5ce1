use data::Signal;

use super::*;

#[tokio::test]
async fn keeps_the_contract() {
    testkit::contract::spec(&SPEC, true);
    let unit = delivery::unit(Nop, Settings::direct(), 1);
    for signal in Signal::ALL {
        testkit::contract::exporter(&*unit, signal).await;
    }
}
