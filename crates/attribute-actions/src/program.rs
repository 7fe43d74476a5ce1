//! Actions made ready: keys are numbers, values encoded, patterns compiled.

use matching::{Pattern, PatternError};

use crate::action::{Action, Kind, Target};
use crate::context::Fact;
use crate::keys::Keys;

/// What the actions come to.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) keys: Keys,
    pub(crate) steps: Vec<Step>,
    /// Encoded values from the configuration.
    pub(crate) fixed: Vec<Vec<u8>>,
    pub(crate) facts: Vec<Fact>,
    /// The patterns that keys are compared with.
    pub(crate) patterns: Vec<Pattern>,
}

/// One thing to do. Numbers are those of keys, but where said otherwise.
#[derive(Debug)]
pub(crate) enum Step {
    Put {
        key: usize,
        when: When,
        sources: Vec<Source>,
    },
    Remove {
        key: usize,
    },
    /// Those whose keys match the pattern of that number.
    RemoveMatching {
        pattern: usize,
    },
    Hash {
        key: usize,
    },
    HashMatching {
        pattern: usize,
    },
    /// Sets the keys to what the pattern's groups hold.
    Extract {
        key: usize,
        pattern: Pattern,
        groups: Vec<usize>,
    },
    Convert {
        key: usize,
        target: Target,
    },
}

/// Which attributes are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Absent,
    Present,
    Always,
}

/// Where a value comes from; the first source that has one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// By number.
    Fixed(usize),
    /// By number.
    Fact(usize),
    Attribute(usize),
}

impl Program {
    pub(crate) fn new(actions: &[Action]) -> Result<Self, PatternError> {
        let mut named: Vec<String> = Vec::new();
        for action in actions {
            named.extend([action.key.clone(), action.from_attribute.clone()]);
            if action.kind() == Some(Kind::Extract) {
                named.extend(Pattern::new(&action.pattern)?.groups().flatten().map(str::to_owned));
            }
        }
        // An action without a key goes by its pattern, one without a source attribute has another source.
        let keys = Keys::new(named.iter().map(String::as_str).filter(|key| !key.is_empty()));
        let mut program =
            Self { keys, steps: Vec::new(), fixed: Vec::new(), facts: Vec::new(), patterns: Vec::new() };
        for action in actions {
            program.add(action)?;
        }
        Ok(program)
    }

    fn key(&self, key: &str) -> Option<usize> {
        self.keys.find(key.as_bytes())
    }

    fn add(&mut self, action: &Action) -> Result<(), PatternError> {
        // Without a kind, or without a key where one is needed, the configuration was refused.
        let (Some(kind), key) = (action.kind(), self.key(&action.key)) else { return Ok(()) };
        match (kind, key) {
            (Kind::Insert, Some(key)) => self.put(key, When::Absent, action),
            (Kind::Update, Some(key)) => self.put(key, When::Present, action),
            (Kind::Upsert, Some(key)) => self.put(key, When::Always, action),
            (Kind::Delete, key) => {
                self.steps.extend(key.map(|key| Step::Remove { key }));
                if let Some(pattern) = self.key_pattern(action)? {
                    self.steps.push(Step::RemoveMatching { pattern });
                }
            }
            (Kind::Hash, key) => {
                self.steps.extend(key.map(|key| Step::Hash { key }));
                // What both name is hashed twice, as in the Collector.
                if let Some(pattern) = self.key_pattern(action)? {
                    self.steps.push(Step::HashMatching { pattern });
                }
            }
            (Kind::Extract, Some(key)) => {
                let pattern = Pattern::new(&action.pattern)?;
                let groups = pattern.groups().flatten().filter_map(|name| self.key(name)).collect();
                self.steps.push(Step::Extract { key, pattern, groups });
            }
            (Kind::Convert, Some(key)) => {
                self.steps.extend(action.target().map(|target| Step::Convert { key, target }));
            }
            (Kind::Insert | Kind::Update | Kind::Upsert | Kind::Extract | Kind::Convert, None) => {}
        }
        Ok(())
    }

    fn put(&mut self, key: usize, when: When, action: &Action) {
        let mut sources = Vec::new();
        if !action.value.is_none() {
            sources.push(self.fixed(&action.value));
        }
        if !action.from_context.is_empty() {
            self.facts.push(Fact::new(&action.from_context));
            sources.push(Source::Fact(self.facts.len() - 1));
        }
        sources.extend(self.key(&action.from_attribute).map(Source::Attribute));
        if !action.default_value.is_none() {
            sources.push(self.fixed(&action.default_value));
        }
        self.steps.push(Step::Put { key, when, sources });
    }

    fn fixed(&mut self, value: &matching::Literal) -> Source {
        self.fixed.push(value.encode());
        Source::Fixed(self.fixed.len() - 1)
    }

    fn key_pattern(&mut self, action: &Action) -> Result<Option<usize>, PatternError> {
        if action.pattern.is_empty() {
            return Ok(None);
        }
        self.patterns.push(Pattern::new(&action.pattern)?);
        Ok(Some(self.patterns.len() - 1))
    }
}
