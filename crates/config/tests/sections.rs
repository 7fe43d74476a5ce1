//! Reading typed sections: what is accepted, and what is said about the rest.

use std::time::Duration;

use collimator_config::{self as config, Diagnostics, Fields, Optional, Section, Sources};

#[derive(Debug, Clone, PartialEq)]
struct Batch {
    timeout: Duration,
    send_batch_size: u32,
    metadata_keys: Vec<String>,
    queue: Optional<Queue>,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            timeout: Duration::from_millis(200),
            send_batch_size: 8192,
            metadata_keys: Vec::new(),
            queue: Optional::None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Queue {
    size: u32,
}

impl Section for Queue {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("size", "How many.", |c| &mut c.size);
    }
}

impl Section for Batch {
    fn describe(fields: &mut Fields<Self>) {
        fields.field("timeout", "Longest wait.", |c| &mut c.timeout);
        fields.field("send_batch_size", "Items.", |c| &mut c.send_batch_size).at_least(1);
        fields.field("metadata_keys", "Keys.", |c| &mut c.metadata_keys);
        fields.field("queue", "A queue.", |c| &mut c.queue);
    }
}

fn read<C: Section>(yaml: &str) -> (Option<C>, String) {
    let mut sources = Sources::default();
    let source = sources.add("test.yaml", yaml);
    let mut diagnostics = Diagnostics::new(sources);
    let config = config::yaml::parse(yaml, source, &mut diagnostics)
        .and_then(|node| config::read::<C>(&node, &mut diagnostics, "processors::batch"));
    (config, diagnostics.to_string())
}

#[test]
fn smoke() {
    let (config, findings) =
        read::<Batch>("timout: 5s\nsend_batch_size: 0\nqueue: {size: x}\nmetadata_keys: {a: b}\n");
    println!("{findings}");
    assert!(config.is_none());
    let (config, findings) = read::<Batch>("timeout: 5\nqueue: {}\nmetadata_keys: a,b");
    println!("{config:?}\n{findings}");
}
