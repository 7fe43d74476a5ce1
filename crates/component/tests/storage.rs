//! The storage in memory keeps what every storage promises, and its bound.

use bytes::Bytes;
use collimator_component::storage::{MemoryStorage, Storage as _, StorageError};

#[test]
fn memory_keeps_the_contract() {
    testkit::contract::storage(&MemoryStorage::new(1_000));
}

#[test]
fn memory_is_bounded_and_room_comes_back() {
    let storage = MemoryStorage::new(100);
    let queue = storage.queue("q").unwrap();
    let position = queue.push(Bytes::from(vec![0; 80])).unwrap();
    let full = StorageError::Full { used: 80, limit: 100, wanted: 30 };
    assert_eq!(queue.push(Bytes::from(vec![0; 30])), Err(full.clone()));
    assert_eq!(storage.set("k", Some(Bytes::from(vec![0; 30]))), Err(full));
    queue.acknowledge(position).unwrap();
    assert!(queue.is_empty());
    storage.set("k", Some(Bytes::from(vec![0; 90]))).unwrap();
    storage.set("k", Some(Bytes::from(vec![0; 95]))).expect("the old value makes room for the new one");
}
