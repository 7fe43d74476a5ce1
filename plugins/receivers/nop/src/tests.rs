use super::*;

#[tokio::test]
async fn is_there_until_it_is_told_to_end() {
    testkit::contract::spec(&SPEC, true);
    let (cx, ready) = testkit::run_cx(testkit::receiver_node());
    let draining = cx.draining.clone();
    let mut running = Box::pin(Nop.run(Outlets::default(), cx));
    tokio::select! {
        biased;
        _ = &mut running => panic!("it ended by itself"),
        told = ready => told.expect("it says that it is ready"),
    }
    draining.cancel();
    assert!(running.await.is_ok());
}
