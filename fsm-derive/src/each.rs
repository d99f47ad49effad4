//! Lists from lists. A chain of iterators is compiled for each closure in it, and these once for each pair of types.

/// What `make` returns for each of `items`.
pub(crate) fn each<'i, T, R>(items: &'i [T], make: &dyn Fn(&'i T) -> R) -> Vec<R> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        results.push(make(item));
    }
    results
}

/// The numbers less than `count` for which `which` is true.
pub(crate) fn indices(count: usize, which: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let mut found = Vec::new();
    for index in 0..count {
        if which(index) {
            found.push(index);
        }
    }
    found
}
