//! Views show what prost decodes.

use collimator_otlp::view::Traces;
use collimator_otlp::{Policy, Signal, check};
use proptest::prelude::*;

use crate::generate::{Odd, Rng, request};
use crate::prost_of::{decode, read};

proptest! {
    #[test]
    fn views_show_what_prost_decodes(seed: u64, size in 0..5_usize) {
        for signal in Signal::ALL {
            let bytes = request(signal, &mut Rng(seed), size, Odd::default());
            let checked = check(signal, &bytes, &Policy::default()).unwrap();
            prop_assert!(checked.is_clean);
            prop_assert!(read(signal, &bytes) == decode(signal, &bytes).unwrap());
        }
    }

    #[test]
    fn spans_know_their_parents_and_places(seed: u64, size in 0..5_usize) {
        let bytes = request(Signal::Traces, &mut Rng(seed), size, Odd::default());
        let traces = Traces::new(&bytes);
        let direct = traces.resource_spans().flat_map(|of_resource| {
            of_resource.scope_spans().flat_map(move |of_scope| {
                of_scope.spans().map(move |span| (of_resource, of_scope, span))
            })
        });
        for (at, (of_resource, of_scope, span)) in traces.spans_with_parents().zip(direct) {
            prop_assert_eq!(at.resource_spans, of_resource);
            prop_assert_eq!(at.scope_spans, of_scope);
            prop_assert_eq!(at.span, span);
            prop_assert!(bytes[at.range.clone()].ends_with(span.as_bytes()));
            prop_assert!(bytes[at.scope_range.clone()].ends_with(of_scope.as_bytes()));
            prop_assert!(bytes[at.resource_range.clone()].ends_with(of_resource.as_bytes()));
        }
    }
}
