//! "Did you mean": the nearest of the valid words.

/// The candidate nearest to `word`, if it is near enough to be a misspelling of it.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let tolerated = (word.chars().count() / 3).clamp(1, 4);
    let near = |candidate: &'a str| {
        let same_letters = normal(candidate) == normal(word);
        let distance = if same_letters { 0 } else { distance(word, candidate) };
        (distance <= tolerated).then_some((distance, candidate))
    };
    candidates.into_iter().filter_map(near).min().map(|(_, candidate)| candidate)
}

/// `a`, `b` and `c`, each in backquotes.
pub(crate) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// The article of a kind of component.
pub(crate) fn article(kind: &str) -> &'static str {
    if kind.starts_with('e') { "an" } else { "a" }
}

/// `batchSize`, `batch-size` and `batch_size` are the same word in different houses.
fn normal(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Edits that turn one word into the other; two swapped neighbours are one edit. Words of more than 64
/// characters are taken to be far from everything.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(65).collect(), b.chars().take(65).collect());
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let (mut before, mut row): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for (i, from) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut best = (next[j] + 1).min(row[j + 1] + 1).min(row[j] + usize::from(from != to));
            if i > 0 && j > 0 && a[i - 1] == *to && b[j - 1] == *from {
                best = best.min(before[j - 1] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_misspellings_only() {
        let words = ["timeout", "send_batch_size", "metadata_keys", "otlp", "otlp_http"];
        let check = |word: &str, expected: Option<&str>| assert_eq!(nearest(word, words), expected, "{word}");
        check("timout", Some("timeout"));
        check("timeuot", Some("timeout"));
        check("Timeout", Some("timeout"));
        check("sendBatchSize", Some("send_batch_size"));
        check("otpl", Some("otlp"));
        check("otlphttp", Some("otlp_http"));
        check("endpoint", None);
        check("", None);
        check(&"x".repeat(1000), None);
    }
}
