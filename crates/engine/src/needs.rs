//! What components need of each other and of the machine: extensions that run, addresses of their own.

use component::Kind;
use config::{ComponentId, Diagnostic, Diagnostics, Listener, Node, Span, Subject};

use crate::draft::Draft;

/// Reports extensions that are needed and not started, and addresses that two would bind.
pub(crate) fn check(draft: &Draft, root: &Node, diagnostics: &mut Diagnostics) {
    let mut bound: Vec<Bound> = own_metrics(draft, root);
    bound.extend(admin(draft, root));
    let read = draft.parts.iter().map(|it| (it.part.spec.kind, &it.id, it.used, &it.notes));
    let unread = draft.unread.iter().map(|it| (it.kind, &it.id, it.used, &it.notes));
    for (kind, id, used, notes) in read.chain(unread) {
        for note in notes {
            match &note.subject {
                Subject::Extension(id) => extension(draft, id, note.span, &note.path, diagnostics),
                Subject::Listener(listener) if used => {
                    let (listener, path) = (listener.clone(), note.path.clone());
                    let who = format!("the {} `{id}`", kind.name());
                    bound.push(Bound { listener, span: note.span, path, who });
                }
                Subject::Listener(_) => {}
            }
        }
    }
    for (index, one) in bound.iter().enumerate() {
        let earlier = bound.iter().take(index).find(|other| other.listener.collides_with(&one.listener));
        if let Some(other) = earlier {
            diagnostics.push(one.collision(other));
        }
    }
}

/// An address and who binds it.
struct Bound {
    listener: Listener,
    span: Span,
    path: String,
    who: String,
}

impl Bound {
    fn collision(&self, other: &Self) -> Diagnostic {
        let message = match self.listener.endpoint == other.listener.endpoint {
            true => format!("{} and {} both listen on `{}`", other.who, self.who, self.listener.endpoint),
            false => format!(
                "{} listens on `{}`, and {} on `{}`: one of them can't",
                other.who, other.listener.endpoint, self.who, self.listener.endpoint
            ),
        };
        let finding = Diagnostic::error(self.span, self.path.as_str(), message);
        finding.related(other.span, "the other one").help("give one of them another port")
    }
}

/// The endpoints of own metrics, by default `localhost:8888`.
fn own_metrics(draft: &Draft, root: &Node) -> Vec<Bound> {
    let readers = "service.telemetry.metrics.readers";
    let one = |(index, prometheus): (usize, &config::telemetry::Prometheus)| Bound {
        listener: Listener {
            transport: "tcp".to_owned(),
            endpoint: format!("{}:{}", prometheus.host, prometheus.port),
        },
        span: root.place_of(&format!("{readers}.{index}.pull.exporter.prometheus.port")),
        path: readers.replace('.', "::"),
        who: "the process's own metrics".to_owned(),
    };
    draft.document.service.telemetry.prometheus().enumerate().map(one).collect()
}

/// `service::admin`, if it is asked for.
fn admin(draft: &Draft, root: &Node) -> Option<Bound> {
    let endpoint = draft.document.service.admin.endpoint.clone();
    (!endpoint.is_empty()).then(|| Bound {
        listener: Listener { transport: "tcp".to_owned(), endpoint },
        span: root.place_of("service.admin.endpoint"),
        path: "service::admin::endpoint".to_owned(),
        who: "the admin endpoint".to_owned(),
    })
}

fn extension(draft: &Draft, id: &ComponentId, span: Span, path: &str, diagnostics: &mut Diagnostics) {
    let document = &draft.document;
    let started = document.service.extensions.iter().any(|reference| reference.id == *id);
    let declared = document.declared(Kind::Extension).iter().find(|declared| declared.id == *id);
    let finding = match declared {
        Some(_) if started => return,
        Some(declared) => {
            let message = format!("the extension `{id}` is not started");
            Diagnostic::error(span, path, message)
                .related(declared.key_span, "configured here")
                .help(format!("add `{id}` to `service::extensions`"))
        }
        None => {
            let message = format!("no extension `{id}` is configured");
            Diagnostic::error(span, path, message)
                .help(format!("add `{id}` to `extensions` and to `service::extensions`"))
        }
    };
    diagnostics.push(finding);
}
