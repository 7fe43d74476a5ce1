//! Checks of the configuration as a whole.

use crate::diagnostics::Diagnostics;
use crate::document::{Catalog, Document};
use crate::tree::Node;

pub(crate) fn check(
    _document: &Document,
    _root: &Node,
    _catalog: &dyn Catalog,
    _diagnostics: &mut Diagnostics,
) {
}
